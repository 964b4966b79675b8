//! numpy's numbers and arrays: how a pickle writes them, and how they are read.

use std::borrow::Cow;

use super::machine::Machine;
use super::nodes::{Array, Contents, Id, Known, Node, Number};
use super::{Thing, broken};
use crate::error::Result;

/// `scalar(type, bytes)`.
pub(super) fn scalar<T: Thing>(machine: &mut Machine<T>, arguments: &[Id]) -> Result<Id> {
    let wrong = || broken("a number of numpy");
    let &[kind, bytes, ..] = arguments else {
        return Err(wrong());
    };
    let (Node::Known(Known::Number(number)), Node::Bytes(bytes)) =
        (machine.node(kind), machine.node(bytes))
    else {
        return Err(wrong());
    };
    match number.node(bytes) {
        Some(made) => machine.add(made),
        None if bytes.len() == usize::from(number.size) => {
            machine.unread("a number of numpy of an unusual type")
        }
        None => Err(wrong()),
    }
}

/// `_frombuffer(bytes, type, shape, order)`, of protocol 5.
pub(super) fn of_buffer<T: Thing>(machine: &mut Machine<T>, arguments: &[Id]) -> Result<Id> {
    let &[bytes, number, shape, order] = arguments else {
        return Err(broken("an array of numpy"));
    };
    let fortran = machine.text(order)? == "F";
    let made = array(machine, number, shape, fortran, bytes)?;
    machine.add(Node::Array(made))
}

/// An array from its state, `(version, shape, type, fortran, bytes)`.
pub(super) fn of_state<T: Thing>(machine: &Machine<T>, state: &[Id]) -> Result<Array> {
    let &[_version, shape, number, fortran, bytes] = state else {
        return Err(broken("an array of numpy"));
    };
    let fortran = matches!(machine.node(fortran), Node::Bool(true) | Node::Int(1));
    array(machine, number, shape, fortran, bytes)
}

fn array<T: Thing>(
    machine: &Machine<T>,
    number: Id,
    shape: Id,
    fortran: bool,
    bytes: Id,
) -> Result<Array> {
    let Node::Known(Known::Number(number)) = *machine.node(number) else {
        return Err(Machine::<T>::refused(
            "an array of something other than numbers",
        ));
    };
    let (shape, held) = (machine.ints(shape)?, machine.raw(bytes)?.len());
    let count = |n: i64, s: &i64| n.checked_mul(*s).filter(|_| *s >= 0);
    if shape.iter().try_fold(i64::from(number.size), count) != i64::try_from(held).ok() {
        return Err(broken(format!("an array of {shape:?} with {held} bytes")));
    }
    Ok(Array {
        contents: Some(Contents {
            number,
            shape,
            fortran,
            bytes,
        }),
    })
}

impl<T: Thing> Machine<'_, T> {
    /// The type, the shape and the bytes of an array; with `true` columns lie one after the other,
    /// not rows.
    pub(crate) fn array(&self, id: Id) -> Option<(Number, &[i64], bool, &[u8])> {
        let Node::Array(Array {
            contents: Some(found),
        }) = self.node(id)
        else {
            return None;
        };
        Some((
            found.number,
            &found.shape,
            found.fortran,
            self.raw(found.bytes).ok()?,
        ))
    }

    /// The shape and the bytes of a matrix of this type, row by row; `None` where the node is none.
    pub(crate) fn matrix(&self, id: Id, kind: Number) -> Option<([i64; 2], Cow<'_, [u8]>)> {
        let Node::Array(Array {
            contents: Some(found),
        }) = self.node(id)
        else {
            return None;
        };
        let ([rows, columns], true) = (
            <[i64; 2]>::try_from(found.shape.as_slice()).ok()?,
            found.number == kind,
        ) else {
            return None;
        };
        let bytes = self.raw(found.bytes).ok()?;
        if !found.fortran {
            return Some(([rows, columns], Cow::Borrowed(bytes)));
        }
        // The sizes were checked against the bytes.
        let (m, n, size) = (rows as usize, columns as usize, usize::from(kind.size));
        let at = |i: usize| size * ((i % n) * m + i / n);
        let turned = (0..m * n)
            .flat_map(|i| bytes[at(i)..at(i) + size].iter().copied())
            .collect();
        Some(([rows, columns], Cow::Owned(turned)))
    }
}
