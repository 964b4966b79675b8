//! The things that a pickle makes.

use std::borrow::Cow;
use std::rc::Rc;

/// The number of a node.
pub(crate) type Id = u32;

/// A thing that the program made. Texts and bytes lie in the program.
#[derive(Debug)]
pub(crate) enum Node<'a, T> {
    None,
    Bool(bool),
    Int(i64),
    /// A whole number of more than 64 bits, as bytes.
    Long(Vec<u8>),
    Float(f64),
    Str(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    /// `attributes`: an object of which only the named values count.
    Dict {
        entries: Vec<(Id, Id)>,
        attributes: bool,
    },
    Known(Known<T>),
    Array(Array),
    /// What the format's own names make.
    Made(T),
    /// An object of a class that is not known, of which only the class is kept.
    Opaque(Rc<str>),
}

/// A name that is allowed; `Of` is one of the format's own.
#[derive(Clone, Debug)]
pub(crate) enum Known<T> {
    /// `OrderedDict`, `dict`, `Counter`: empty, or of a dictionary or of pairs.
    Dict,
    /// `defaultdict`: its first argument makes what is missing.
    DefaultDict,
    /// `deque`, `list`, `tuple`.
    List,
    /// `pathlib`'s paths: of the parts of one.
    Path,
    /// `copyreg._reconstructor`, which names the class of an object as its first argument.
    Object,
    /// A class or a function that is not known.
    Unknown(Rc<str>),
    Namespace,
    Set,
    Encode,
    /// numpy's `ndarray`, which is named but never called.
    NumpyArray,
    /// numpy's `dtype`, which makes a [`Known::Number`].
    NumpyType,
    /// A number of a type and its bytes.
    NumpyScalar,
    /// An array that is empty until it gets its state.
    NumpyEmpty,
    /// An array of bytes, a type and a shape.
    NumpyBuffer,
    /// A type of numpy's numbers.
    Number(Number),
    Of(T),
}

/// A type of numpy's numbers, lowest byte first: `f8`, `i4`, `u1`, `b1`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number {
    letter: u8,
    pub(super) size: u8,
}

impl Number {
    /// Bytes.
    pub(crate) const BYTE: Number = Number {
        letter: b'u',
        size: 1,
    };

    pub(super) fn parse(name: &str) -> Option<Number> {
        match name.as_bytes() {
            &[letter @ (b'f' | b'i' | b'u' | b'b'), size @ b'1'..=b'8'] => Some(Number {
                letter,
                size: size - b'0',
            }),
            _ => None,
        }
    }

    /// The letter and how many bytes one number has.
    pub(crate) fn parts(self) -> (char, u8) {
        (char::from(self.letter), self.size)
    }

    /// One number as a node.
    pub(super) fn node<T>(self, bytes: &[u8]) -> Option<Node<'static, T>> {
        let Number { letter, size } = self;
        if bytes.len() != usize::from(size) {
            return None;
        }
        let whole = bytes
            .iter()
            .rev()
            .fold(0u64, |sum, b| sum << 8 | u64::from(*b));
        Some(match (letter, size) {
            (b'f', 8) => Node::Float(f64::from_bits(whole)),
            (b'f', 4) => Node::Float(f64::from(f32::from_bits(whole as u32))),
            (b'b', 1) => Node::Bool(whole != 0),
            (b'i', _) => {
                let unused = 64 - 8 * u32::from(size);
                Node::Int((whole << unused) as i64 >> unused)
            }
            (b'u', _) => Node::Int(i64::try_from(whole).ok()?),
            _ => return None,
        })
    }
}

/// An array as written: the bytes are those of another node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Array {
    pub(super) contents: Option<Contents>,
}

#[derive(Clone, Debug)]
pub(super) struct Contents {
    pub(super) number: Number,
    pub(super) shape: Vec<i64>,
    /// Columns lie one after the other, not rows.
    pub(super) fortran: bool,
    pub(super) bytes: Id,
}
