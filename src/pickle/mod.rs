//! Python's pickles, read without Python and without executing anything.
//!
//! A pickle is a small program for a stack machine. Ours ([`machine`]) knows containers, texts,
//! numbers and the arrays of numpy ([`known`], [`numpy`]); a reader of a format adds names of its
//! own ([`Thing`]). Whatever else a program names is refused, or kept as its name alone
//! ([`Node::Opaque`]): there is nothing to call. Memory is bounded by the length of the program and
//! by limits.

mod calls;
mod code;
mod instructions;
mod known;
mod machine;
mod nodes;
mod numpy;

pub(crate) use code::Code;
pub(crate) use machine::Machine;
pub(crate) use nodes::{Id, Known, Node, Number};

use crate::error::{Error, Result};

/// What a format adds to the things that a pickle may hold: the names that it may use, and what
/// they make.
pub(crate) trait Thing: Clone + std::fmt::Debug {
    /// The hint beside what is refused.
    const HINT: &'static str;
    /// Whether objects of unknown classes are kept by their names; else they are an error.
    const KEEPS_UNKNOWN: bool;

    /// The thing of a name, if the format has it.
    fn find(module: &str, name: &str) -> Option<Self>;

    /// What a call of the thing makes. No code of the file runs.
    fn call(machine: &mut Machine<Self>, what: &Self, arguments: &[Id]) -> Result<Id>;

    /// What lies outside of the pickle under a name.
    fn outside(machine: &mut Machine<Self>, id: Id) -> Result<Id>;

    /// Whether the state that a program gives the thing may be passed over.
    fn ignores_state(&self) -> bool;
}

/// No things beside those that every pickle may hold.
#[derive(Clone, Debug)]
pub(crate) enum Nothing {}

impl Thing for Nothing {
    const HINT: &'static str =
        "nothing in it was executed; arrays, lists, numbers and texts are read, and nothing else";
    const KEEPS_UNKNOWN: bool = false;

    fn find(_: &str, _: &str) -> Option<Nothing> {
        None
    }

    fn call(_: &mut Machine<Nothing>, what: &Nothing, _: &[Id]) -> Result<Id> {
        match *what {}
    }

    fn outside(_: &mut Machine<Nothing>, _: Id) -> Result<Id> {
        Err(Machine::<Nothing>::refused(
            "something that lies outside of it",
        ))
    }

    fn ignores_state(&self) -> bool {
        match *self {}
    }
}

/// A pickle that is not what it should be.
pub(crate) fn broken(what: impl std::fmt::Display) -> Error {
    Error::data(format!("not a whole pickle: {what}"))
        .with_hint("was it cut short while it was copied?")
}
