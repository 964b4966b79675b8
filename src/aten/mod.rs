//! libtorch's own operators, by name: every public one that leaves its arguments as they are.
//!
//! libtorch knows each of its operators itself: a name, forms (overloads) with their arguments'
//! names, types and defaults, and what comes back. A small C++ shim (`shim/`) reads that table and
//! calls by it, so that nothing is written here for any operator. Which are left out, and why, is
//! said in `shim/rule.h`.
//!
//! Beside them: forward differentiation and vmap, which `tch` does not wrap.

mod raw;
mod schema;
mod transforms;

use std::sync::Once;

pub(crate) use raw::share_version;
pub use schema::{Argument, Form, Known, names};
pub use transforms::{Levelled, jvp, vmap, vmap_gradient};

use crate::error::{Error, Result};
use crate::tensor::{Tensor, default_device, device_name};

thread_local! {
    static READY: Once = const { Once::new() };
}

/// A value that goes into an operator, or comes out of one.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing: an optional argument that is not given.
    None,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text: an equation of `einsum`, an element type, a device.
    Text(String),
    /// A tensor.
    Tensor(Tensor),
    /// A list of any of these.
    List(Vec<Value>),
}

/// An operator: all of its forms.
#[derive(Clone, Copy)]
pub struct Operator {
    name: &'static str,
    inner: &'static raw::Operator,
}

impl Operator {
    /// The operator of a name (`topk`); an error with the nearest one where there is none.
    pub fn find(name: &str) -> Result<Operator> {
        // They are sorted.
        let at = names().binary_search_by(|known| known.name.cmp(name)).ok();
        let known = at.map(|at| &names()[at]);
        let found = known.and_then(|known| Some((known.name, raw::find(name)?)));
        let (name, inner) = found.ok_or_else(|| {
            let all = names().iter().map(|known| known.name);
            Error::unknown(&format!("libtorch has no operator `{name}`"), name, all)
        })?;
        READY.with(|ready| ready.call_once(raw::set_up));
        Ok(Operator { name, inner })
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its forms: what can be given, and what comes back.
    pub fn forms(&self) -> Vec<Form> {
        schema::forms(&raw::forms(self.inner))
    }

    /// Calls the form that fits best, with arguments by place and by name; gives its results with
    /// the names that the schema has for them (often empty). New tensors are made on the default
    /// device.
    pub fn call(
        &self,
        arguments: &[Value],
        named: &[(String, Value)],
    ) -> Result<Vec<(String, Value)>> {
        let device = device_name(default_device());
        raw::call(self.inner, arguments, named, &device).map_err(|refusal| match refusal {
            raw::Refusal::Torch(text) => self.refused(text),
            raw::Refusal::NoForm(reasons) => self.no_form(&reasons),
        })
    }

    fn refused(&self, text: String) -> Error {
        // What libtorch did not foresee it asks to report to itself; for users it is an error as
        // any other.
        let text = match text.split_once("INTERNAL ASSERT FAILED") {
            Some(_) => "libtorch cannot do this with these arguments".to_owned(),
            None => text,
        };
        raw::said(text)
            .context(self.shown())
            .with_hint(self.takes())
    }

    fn no_form(&self, reasons: &str) -> Error {
        Error::argument(format!("{}: {reasons}", self.shown())).with_hint(self.takes())
    }

    fn shown(&self) -> String {
        format!("torch::{}", self.name)
    }

    /// Its forms, as a hint.
    pub fn takes(&self) -> String {
        let forms = self.forms();
        let forms: Vec<String> = forms.iter().map(|form| form.signature(self.name)).collect();
        format!("it takes\n  {}", forms.join("\n  "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_there() {
        let all = names();
        assert!(all.len() > 600, "{}", all.len());
        assert!(
            all.iter()
                .any(|known| known.name == "topk" && !known.random)
        );
        assert!(
            all.iter()
                .any(|known| known.name == "randn" && known.random)
        );
        assert!(!all.iter().any(|known| known.name.starts_with('_')));
    }
}
