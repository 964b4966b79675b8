//! Energies: any function `E(x)` of a batch gives a density `p(x) = exp(−E(x)) / Z` (JEM, equation 1).
//!
//! Low energy means likely. Everything that takes an energy takes any: a network's, a closed form, a user's function, a
//! sum, a scaled, tempered or conditioned one.

use std::fmt;
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::nn::Network;
use crate::params::{Named, Snapshot, State, deduplicated, load_named, save_named};
use crate::tensor::Tensor;

/// What an energy has to say of itself.
pub trait EnergyFunction {
    /// `E(x)`, `[B]`, for a batch `x` `[B, …]`.
    fn energy(&self, x: &Tensor) -> Result<Tensor>;

    /// `E(x, y)`, `[B]`, for labels `y` `[B]`, up to a constant; only energies with classes have one.
    fn joint(&self, _x: &Tensor, _y: &Tensor) -> Result<Tensor> {
        Err(no_classes(&self.describe(), "E(x, y)"))
    }

    /// The logits `f(x)`, `[B, C]`; only energies with classes have them.
    fn logits(&self, _x: &Tensor) -> Result<Tensor> {
        Err(no_classes(&self.describe(), "logits"))
    }

    /// `E(x)` and the score `−∇E(x)`. The default differentiates [`EnergyFunction::energy`]; an explicit gradient enters here.
    fn energy_and_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        autograd_score(|x| self.energy(x), x)
    }

    /// The network inside, if there is one.
    fn network(&self) -> Option<Network> {
        None
    }

    /// Trained parameters and buffers, found through every composition.
    fn parameters(&self) -> Named {
        Vec::new()
    }

    /// The energy as written in a script.
    fn describe(&self) -> String;
}

fn no_classes(what: &str, wanted: &str) -> Error {
    Error::argument(format!("{what} has no classes, so no {wanted}")).with_hint("`energy::joint(network)` has")
}

/// `f(x)` and `−∇f(x)` by automatic differentiation; weights get no gradient.
pub(crate) fn autograd_score(f: impl Fn(&Tensor) -> Result<Tensor>, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let leaf = x.leaf()?;
    let energy = f(&leaf)?;
    let score = Tensor::gradients(&energy.sum()?.neg()?, &[&leaf], false)?.swap_remove(0);
    Ok((energy.detach(), score))
}

/// A handle to an energy; clones share parameters.
#[derive(Clone)]
pub struct Energy(Rc<dyn EnergyFunction>);

impl Energy {
    /// Wraps an energy.
    pub fn of(function: impl EnergyFunction + 'static) -> Energy {
        Energy(Rc::new(function))
    }

    /// `E(x)`, `[B]`; differentiable. A result of another shape is an error.
    pub fn energy(&self, x: &Tensor) -> Result<Tensor> {
        let found = self.0.energy(x)?;
        if x.ndim() == 0 || found.shape() != [x.len()] {
            return Err(Error::shape(format!(
                "energy: must give one number per row of x {:?}, gave {:?}",
                x.shape(),
                found.shape()
            ))
            .with_hint("sum over all but the first dimension, as in `.flatten(1).sum(1)`"));
        }
        Ok(found)
    }

    /// `E(x, y)`, `[B]`; differentiable.
    pub fn joint(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        self.0.joint(x, y)
    }

    /// The logits, `[B, C]`; differentiable.
    pub fn logits(&self, x: &Tensor) -> Result<Tensor> {
        self.0.logits(x)
    }

    /// `E(x)` and the score `−∇E(x) = ∇ log p(x)`, both detached.
    pub fn energy_and_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        self.0.energy_and_score(x)
    }

    /// The score `−∇E(x) = ∇ log p(x)`, detached.
    pub fn score(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.energy_and_score(x)?.1)
    }

    /// `log p(y|x)`, `[B, C]`.
    pub fn log_p_y(&self, x: &Tensor) -> Result<Tensor> {
        self.logits(x)?.log_softmax(1)
    }

    /// `log p(x)` up to the unknown constant `log Z`: −E(x).
    pub fn log_p_x(&self, x: &Tensor) -> Result<Tensor> {
        self.energy(x)?.neg()
    }

    /// The network inside, if there is one.
    pub fn network(&self) -> Option<Network> {
        self.0.network()
    }

    /// Parameters and buffers, each once.
    pub fn parameters(&self) -> Named {
        deduplicated(self.0.parameters())
    }

    /// The energy as written in a script.
    pub fn describe(&self) -> String {
        self.0.describe()
    }
}

impl State for Energy {
    fn save(&self, path: &str, into: &mut Snapshot) -> Result<()> {
        save_named(&self.parameters(), path, into)
    }
    fn load(&self, path: &str, from: &Snapshot) -> Result<()> {
        load_named(&self.parameters(), path, from)
    }
}

impl fmt::Display for Energy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

impl fmt::Debug for Energy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
