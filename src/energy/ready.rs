//! An energy made ready for one walk of chains.
//!
//! A chain asks the same energy for its score a thousand times, at batches of one shape, while the
//! weights stand still. What can be done once (weights that layers compute, buffers, an explicit
//! gradient) is done by [`EnergyFunction::prepare`], which the chain loop asks at its start.
//! Compositions hand the question on, with the classes that they condition on, so that chains of
//! p(x|y) reach the energy inside, too.
//!
//! [`EnergyFunction::prepare`]: super::EnergyFunction::prepare

use super::Energy;
use crate::error::Result;
use crate::nn::Held;
use crate::tensor::Tensor;

/// What a conditional energy is conditioned on.
pub enum Given<'a> {
    /// The same class for every row.
    Class(i64),
    /// A class for each row, `[B]`.
    Labels(&'a Tensor),
}

/// `E(x)` and the score of batches of one shape, for weights that stand still.
pub trait Scorer {
    /// `E(x)`, `[B]`, and `−∇E(x)`, both detached.
    fn energy_and_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)>;
}

/// An energy made ready; the weights must not change while it lives.
pub struct Ready {
    energy: Energy,
    scorer: Option<Box<dyn Scorer>>,
    /// Whether scores keep their history: then nothing can be readied, since it may lead to the
    /// weights.
    differentiable: bool,
    _held: Option<Held>,
}

impl Ready {
    /// Makes an energy ready for scores of batches like `x`.
    pub fn new(energy: &Energy, x: &Tensor) -> Result<Ready> {
        let held = Held::of(&energy.networks())?;
        let scorer = energy.prepare(x, None)?;
        Ok(Ready {
            energy: energy.clone(),
            scorer,
            differentiable: false,
            _held: Some(held),
        })
    }

    /// The energy as it is, for scores that are differentiable, through x and through the weights.
    pub fn differentiable(energy: &Energy) -> Ready {
        Ready {
            energy: energy.clone(),
            scorer: None,
            differentiable: true,
            _held: None,
        }
    }

    /// The energy as it is, for an algorithm whose use of it is not known.
    pub fn plain(energy: &Energy) -> Ready {
        Ready {
            energy: energy.clone(),
            scorer: None,
            differentiable: false,
            _held: None,
        }
    }

    /// The energy itself.
    pub fn energy(&self) -> &Energy {
        &self.energy
    }

    /// `E(x)`, `[B]`, and `−∇E(x)`; detached, unless the chain is differentiable.
    pub fn energy_and_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        match &self.scorer {
            Some(scorer) => scorer.energy_and_score(x),
            None if self.differentiable => self.energy.differentiable_score(x),
            None => self.energy.energy_and_score(x),
        }
    }
}

/// One part of a composition: its own scorer where it has one.
pub(super) struct Part {
    energy: Energy,
    scorer: Option<Box<dyn Scorer>>,
}

impl Part {
    pub(super) fn new(energy: &Energy, x: &Tensor, given: Option<&Given>) -> Result<Part> {
        // What is conditioned is another function of x: where nothing was readied, that is the
        // energy to ask.
        let whole = match given.filter(|_| energy.has_classes()) {
            None => energy.clone(),
            Some(Given::Class(class)) => energy.given(*class)?,
            Some(Given::Labels(labels)) => energy.given_labels(labels)?,
        };
        Ok(Part {
            scorer: energy.prepare(x, given)?,
            energy: whole,
        })
    }

    pub(super) fn is_readied(&self) -> bool {
        self.scorer.is_some()
    }

    pub(super) fn energy_and_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        match &self.scorer {
            Some(scorer) => scorer.energy_and_score(x),
            None => self.energy.energy_and_score(x),
        }
    }
}
