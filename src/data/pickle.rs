//! Python pickles with plain values and byte arrays of numpy, as the CIFAR archives hold them; nothing else.
//!
//! A pickle is a program for a stack machine. This one knows the opcodes of dictionaries, lists, tuples, numbers and strings,
//! and the two calls that numpy writes for an array of bytes. Every other global is an error: nothing can be run by a file.

use std::rc::Rc;

use crate::error::{Error, Result};

/// A value from a pickle.
#[derive(Clone, Debug)]
pub(super) enum Pickled {
    None,
    Bool(bool),
    Int(i64),
    Text(Rc<[u8]>),
    Tuple(Rc<Vec<Pickled>>),
    List(Rc<Vec<Pickled>>),
    Dict(Rc<Vec<(Pickled, Pickled)>>),
    /// One of the few names that may be called.
    Global(Global),
    /// An array of bytes in C order.
    Array {
        shape: Vec<i64>,
        bytes: Rc<[u8]>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Global {
    Reconstruct,
    Ndarray,
    Dtype,
    Encode,
    /// The type of single bytes, once made.
    Bytes,
}

impl Pickled {
    /// The value of a dictionary's key, which is a text.
    pub(super) fn get(&self, key: &str) -> Option<&Pickled> {
        let Pickled::Dict(entries) = self else { return None };
        entries.iter().find(|(k, _)| matches!(k, Pickled::Text(t) if **t == *key.as_bytes())).map(|(_, v)| v)
    }

    /// A list of whole numbers.
    pub(super) fn ints(&self) -> Option<Vec<i64>> {
        let Pickled::List(list) = self else { return None };
        list.iter().map(|v| if let Pickled::Int(i) = v { Some(*i) } else { None }).collect()
    }
}

enum Item {
    Mark,
    Value(Pickled),
}

/// Reads a pickle.
pub(super) fn read(what: &str, bytes: &[u8]) -> Result<Pickled> {
    let mut machine = Machine { what, bytes, at: 0, stack: Vec::new(), memo: Vec::new() };
    machine.run()
}

struct Machine<'a> {
    what: &'a str,
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Item>,
    memo: Vec<Option<Pickled>>,
}

impl<'a> Machine<'a> {
    fn broken(&self, why: impl std::fmt::Display) -> Error {
        Error::data(format!("{}: not a pickle of images ({why}, at byte {})", self.what, self.at))
            .with_hint("only the Python archives of CIFAR are read, and nothing in them is run")
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| self.broken("it is cut short"))?;
        let found = &self.bytes[self.at..end];
        self.at = end;
        Ok(found)
    }

    /// A little-endian number of so many bytes.
    fn number(&mut self, n: usize) -> Result<usize> {
        let bytes = self.take(n)?;
        let value = bytes.iter().rev().fold(0u64, |v, b| v << 8 | u64::from(*b));
        usize::try_from(value).map_err(|_| self.broken("an impossible size"))
    }

    fn text(&mut self, size_bytes: usize) -> Result<()> {
        let n = self.number(size_bytes)?;
        let text = self.take(n)?.into();
        self.push(Pickled::Text(text))
    }

    fn line(&mut self) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|b| *b == b'\n').ok_or_else(|| self.broken("it is cut short"))?;
        self.at += end + 1;
        Ok(&rest[..end])
    }

    fn push(&mut self, value: Pickled) -> Result<()> {
        self.stack.push(Item::Value(value));
        Ok(())
    }

    fn pop(&mut self) -> Result<Pickled> {
        match self.stack.pop() {
            Some(Item::Value(value)) => Ok(value),
            _ => Err(self.broken("a value is missing")),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Pickled>> {
        let mut found = Vec::new();
        loop {
            match self.stack.pop() {
                Some(Item::Value(value)) => found.push(value),
                Some(Item::Mark) => break,
                None => return Err(self.broken("a mark is missing")),
            }
        }
        found.reverse();
        Ok(found)
    }

    fn tuple(&mut self, n: usize) -> Result<()> {
        let mut found = (0..n).map(|_| self.pop()).collect::<Result<Vec<_>>>()?;
        found.reverse();
        self.push(Pickled::Tuple(Rc::new(found)))
    }

    fn remember(&mut self, index: usize) -> Result<()> {
        // An index is at most the number of opcodes so far.
        if index > self.bytes.len() {
            return Err(self.broken("an impossible memo"));
        }
        let value = self.pop()?;
        if self.memo.len() <= index {
            self.memo.resize(index + 1, None);
        }
        self.memo[index] = Some(value.clone());
        self.push(value)
    }

    fn recall(&mut self, index: usize) -> Result<()> {
        let value = self.memo.get(index).cloned().flatten().ok_or_else(|| self.broken("an unknown memo"))?;
        self.push(value)
    }

    fn run(&mut self) -> Result<Pickled> {
        loop {
            let opcode = self.take(1)?[0];
            match opcode {
                0x80 => self.take(1).map(|_| ())?,                 // PROTO
                0x95 => self.take(8).map(|_| ())?,                 // FRAME
                b'.' => return self.pop(),                         // STOP
                b'(' => self.stack.push(Item::Mark),               // MARK
                b'}' => self.push(Pickled::Dict(Rc::default()))?,  // EMPTY_DICT
                b']' => self.push(Pickled::List(Rc::default()))?,  // EMPTY_LIST
                b')' => self.push(Pickled::Tuple(Rc::default()))?, // EMPTY_TUPLE
                b'N' => self.push(Pickled::None)?,
                0x88 => self.push(Pickled::Bool(true))?,
                0x89 => self.push(Pickled::Bool(false))?,
                b'K' => self.int(1)?,
                b'M' => self.int(2)?,
                b'J' => {
                    let n = self.number(4)? as u32;
                    self.push(Pickled::Int(i64::from(n.cast_signed())))?;
                }
                0x8a => {
                    let n = self.number(1)?;
                    if n > 7 {
                        return Err(self.broken("a number without end"));
                    }
                    self.int(n)?; // LONG1: sizes only, none is negative
                }
                b'U' | b'C' | 0x8c => self.text(1)?, // SHORT_BINSTRING, SHORT_BINBYTES, SHORT_BINUNICODE
                b'T' | b'B' | b'X' => self.text(4)?, // BINSTRING, BINBYTES, BINUNICODE
                0x8e | 0x8d => self.text(8)?,        // BINBYTES8, BINUNICODE8
                b'q' => {
                    let i = self.number(1)?;
                    self.remember(i)?;
                }
                b'r' => {
                    let i = self.number(4)?;
                    self.remember(i)?;
                }
                0x94 => self.remember(self.memo.len())?, // MEMOIZE
                b'h' => {
                    let i = self.number(1)?;
                    self.recall(i)?;
                }
                b'j' => {
                    let i = self.number(4)?;
                    self.recall(i)?;
                }
                0x85 => self.tuple(1)?,
                0x86 => self.tuple(2)?,
                0x87 => self.tuple(3)?,
                b't' => {
                    let all = self.pop_to_mark()?;
                    self.push(Pickled::Tuple(Rc::new(all)))?;
                }
                b'a' => {
                    let value = self.pop()?;
                    self.append(vec![value])?;
                }
                b'e' => {
                    let all = self.pop_to_mark()?;
                    self.append(all)?;
                }
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set(vec![key, value])?;
                }
                b'u' => {
                    let all = self.pop_to_mark()?;
                    self.set(all)?;
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.global(module, name)?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    match (module, name) {
                        (Pickled::Text(m), Pickled::Text(n)) => self.global(&m, &n)?,
                        _ => return Err(self.broken("a global without a name")),
                    }
                }
                b'R' => self.call()?,
                b'b' => self.build()?,
                other => return Err(self.broken(format!("opcode {other:#04x} is not one of its own"))),
            }
        }
    }

    fn int(&mut self, bytes: usize) -> Result<()> {
        let n = self.number(bytes)? as i64;
        self.push(Pickled::Int(n))
    }

    fn append(&mut self, more: Vec<Pickled>) -> Result<()> {
        match self.stack.last_mut() {
            // What was remembered of the list is the empty one; the archives never recall a list.
            Some(Item::Value(Pickled::List(list))) => Rc::make_mut(list).extend(more),
            _ => return Err(self.broken("no list to append to")),
        }
        Ok(())
    }

    fn set(&mut self, pairs: Vec<Pickled>) -> Result<()> {
        if !pairs.len().is_multiple_of(2) {
            return Err(self.broken("a key without a value"));
        }
        match self.stack.last_mut() {
            Some(Item::Value(Pickled::Dict(dict))) => {
                let dict = Rc::make_mut(dict);
                let mut pairs = pairs.into_iter();
                while let (Some(key), Some(value)) = (pairs.next(), pairs.next()) {
                    dict.push((key, value));
                }
            }
            _ => return Err(self.broken("no dictionary to fill")),
        }
        Ok(())
    }

    fn global(&mut self, module: &[u8], name: &[u8]) -> Result<()> {
        let found = match (module, name) {
            (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"_reconstruct") => Global::Reconstruct,
            (b"numpy", b"ndarray") => Global::Ndarray,
            (b"numpy", b"dtype") => Global::Dtype,
            (b"_codecs", b"encode") => Global::Encode,
            _ => {
                let (module, name) = (String::from_utf8_lossy(module), String::from_utf8_lossy(name));
                return Err(self.broken(format!("it names {module}.{name}")));
            }
        };
        self.push(Pickled::Global(found))
    }

    /// REDUCE: one of the calls that make an array.
    fn call(&mut self) -> Result<()> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Pickled::Tuple(arguments) = arguments else { return Err(self.broken("a call without arguments")) };
        let made = match (function, &arguments[..]) {
            (Pickled::Global(Global::Reconstruct), [Pickled::Global(Global::Ndarray), ..]) => {
                Pickled::Array { shape: Vec::new(), bytes: Rc::from([]) }
            }
            (Pickled::Global(Global::Dtype), [Pickled::Text(kind), ..]) if **kind == *b"u1" => {
                Pickled::Global(Global::Bytes)
            }
            // Python 3 writes old-style bytes as a text in which each character stands for a byte.
            (Pickled::Global(Global::Encode), [Pickled::Text(text), Pickled::Text(codec)]) if **codec == *b"latin1" => {
                let text = std::str::from_utf8(text).map_err(|_| self.broken("a broken text"))?;
                let bytes =
                    text.chars().map(|c| u8::try_from(u32::from(c))).collect::<std::result::Result<Vec<_>, _>>();
                Pickled::Text(bytes.map_err(|_| self.broken("a text that is no bytes"))?.into())
            }
            _ => return Err(self.broken("a call that no array of bytes needs")),
        };
        self.push(made)
    }

    /// BUILD: an array's shape and bytes; a type's details, which do not matter for bytes.
    fn build(&mut self) -> Result<()> {
        let (state, object) = (self.pop()?, self.pop()?);
        let built = match (&object, state) {
            (Pickled::Global(Global::Bytes), Pickled::Tuple(_)) => object,
            (Pickled::Array { .. }, Pickled::Tuple(state)) => match &state[..] {
                [_, Pickled::Tuple(shape), Pickled::Global(Global::Bytes), order, Pickled::Text(bytes)] => {
                    let shape: Option<Vec<i64>> =
                        shape.iter().map(|n| if let Pickled::Int(n) = n { Some(*n) } else { None }).collect();
                    let shape = shape.ok_or_else(|| self.broken("an array without a shape"))?;
                    let size = shape.iter().try_fold(1i64, |n, s| n.checked_mul(*s).filter(|_| *s >= 0));
                    if size != Some(bytes.len() as i64) {
                        return Err(self.broken(format!("an array of {shape:?} with {} bytes", bytes.len())));
                    }
                    let fortran = matches!(order, Pickled::Bool(true) | Pickled::Int(1));
                    let bytes = match shape[..] {
                        [rows, columns] if fortran => turned(bytes, rows as usize, columns as usize),
                        _ => bytes.clone(),
                    };
                    if fortran && shape.len() > 2 {
                        return Err(self.broken("an array of many dimensions in Fortran order"));
                    }
                    Pickled::Array { shape, bytes }
                }
                _ => return Err(self.broken("an array that is not one of bytes")),
            },
            _ => return Err(self.broken("state for what has none")),
        };
        self.push(built)
    }
}

/// A matrix whose columns lie one after the other, row by row.
fn turned(bytes: &[u8], rows: usize, columns: usize) -> Rc<[u8]> {
    (0..rows * columns).map(|i| bytes[(i % columns) * rows + i / columns]).collect()
}
