//! Losses: what a training step minimises, term by term.

mod contrastive;
mod jem;
mod supervised;

use std::fmt;

pub use contrastive::{ContrastiveOptions, contrastive};
pub use jem::{JemOptions, jem};
pub use supervised::{CrossEntropyOptions, accuracy, cross_entropy, mse};

use crate::error::Result;
use crate::tensor::Tensor;

/// A loss with the terms it was made of, in the paper's names; all are single numbers on the
/// model's device.
#[derive(Clone)]
pub struct Loss {
    /// What is minimised; differentiable.
    pub total: Tensor,
    /// Terms and observations by name (`ce`, `gap`, `e_data`, …), detached.
    pub terms: Vec<(String, Tensor)>,
}

impl Loss {
    /// A term or observation by name; `total` too.
    pub fn term(&self, name: &str) -> Option<Tensor> {
        if name == "total" {
            return Some(self.total.clone());
        }
        self.terms
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, t)| t.clone())
    }

    /// All names, `total` first.
    pub fn names(&self) -> Vec<&str> {
        std::iter::once("total")
            .chain(self.terms.iter().map(|(n, _)| n.as_str()))
            .collect()
    }

    /// A loss of these terms.
    fn of(total: Tensor, terms: &[(&str, &Tensor)]) -> Loss {
        Loss {
            total,
            terms: terms
                .iter()
                .map(|(name, t)| ((*name).to_owned(), t.detach()))
                .collect(),
        }
    }

    fn show(&self) -> Result<String> {
        let mut parts = Vec::new();
        for name in self.names() {
            if let Some(t) = self.term(name) {
                parts.push(format!("{name} {:.4}", t.item()?));
            }
        }
        Ok(parts.join(", "))
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show().unwrap_or_else(|e| e.to_string()))
    }
}

impl fmt::Debug for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
