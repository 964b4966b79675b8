//! The language: rhai with the library's rooms bound to it. The only place that knows rhai.
//!
//! Each binding file holds documented functions of a few lines; [`edge`] registers them, and every error they raise gets its
//! place in the script from there.

// The code that `#[export_module]` writes takes the arguments it was just matched on.
#![allow(clippy::unwrap_used)]

pub mod closure;
pub mod diagnostic;
pub mod edge;
pub mod engine;
pub mod names;
pub mod parameters;
pub mod reference;
mod resolver;
pub mod session;
pub mod value;

mod base;
mod tensor;

use std::any::TypeId;

use rhai::plugin::ModuleManifest;
use rhai::{Engine, exported_manifest};

pub use engine::{Diagnostic, Program, read_script};
pub use session::{Session, Settings};

/// A module of the language; the one without a name holds what needs no prefix: methods, operators, `param`, `train`.
pub struct Room {
    /// `nn`, or empty.
    pub name: &'static str,
    /// A title for the reference.
    pub title: &'static str,
    /// Its functions.
    pub manifest: &'static ModuleManifest,
}

/// All modules, in the order of the reference.
pub static ROOMS: &[Room] = &[
    Room { name: "", title: "Everywhere", manifest: exported_manifest!(base::functions) },
    Room { name: "tensor", title: "Making tensors", manifest: exported_manifest!(tensor::create::functions) },
    Room {
        name: "",
        title: "Tensor operators and indexing",
        manifest: exported_manifest!(tensor::operators::functions),
    },
    Room { name: "", title: "Tensor functions", manifest: exported_manifest!(tensor::math::functions) },
    Room { name: "", title: "Tensor shapes and types", manifest: exported_manifest!(tensor::shape::functions) },
    Room {
        name: "",
        title: "Tensor reductions and gradients",
        manifest: exported_manifest!(tensor::reduce::functions),
    },
];

/// The options tables, by the function that takes them.
pub fn option_tables() -> Vec<(&'static str, Vec<crate::options::Field>)> {
    vec![]
}

/// A type of the library in the language.
pub struct Type {
    /// The name users know.
    pub name: &'static str,
    /// Its Rust path, as rhai reports it.
    pub rust: &'static str,
    /// Its identity.
    pub id: fn() -> TypeId,
    /// Registers it.
    pub register: fn(&mut Engine, &'static str),
}

macro_rules! types {
    ($( $name:literal: $ty:ty, $path:literal; )*) => {
        &[ $( Type {
            name: $name,
            rust: $path,
            id: || TypeId::of::<$ty>(),
            register: |engine, name| {
                value::allow::<$ty>(name);
                engine.register_type_with_name::<$ty>(name);
                // A value prints itself: in `print`, in string interpolation, in arrays and maps.
                engine.register_fn("to_string", |v: &mut $ty| v.to_string());
                engine.register_fn("to_debug", |v: &mut $ty| v.to_string());
            },
        } ),* ]
    };
}

/// All types of the library that scripts hold.
pub static TYPES: &[Type] = types! {
    "tensor": crate::tensor::Tensor, "jemscript::tensor::Tensor";
    "error": diagnostic::Failure, "jemscript::script::diagnostic::Failure";
};
