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
use crate::nn::{Held, InMode};
use crate::plan::{Langevin, Precision, Stride, Unplanned, Walked, instruction_set};
use crate::tensor::Tensor;

/// For what an energy is to be readied.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// What it is conditioned on: the score is then that of `E(x, y)` as a function of x.
    pub given: Option<Given<'a>>,
    /// In which numbers it may compute.
    pub precision: Precision,
}

impl<'a> Asked<'a> {
    /// The same with another condition.
    #[must_use]
    pub fn given(self, given: Given<'a>) -> Asked<'a> {
        Asked {
            given: Some(given),
            ..self
        }
    }
}

/// What a conditional energy is conditioned on.
#[derive(Clone, Copy)]
pub enum Given<'a> {
    /// The same class for every row.
    Class(i64),
    /// A class for each row, `[B]`.
    Labels(&'a Tensor),
}

/// What attacks climb.
#[derive(Clone, Copy, PartialEq)]
pub enum Climbed {
    /// `log Σ_{k≠y} exp f(x)[k] − f(x)[y]`, which rises with the cross-entropy.
    LogOdds,
    /// `max_{k≠y} f(x)[k] − f(x)[y]`.
    Margin,
}

/// Where an attack stands.
pub struct Slope {
    /// `[B, C]`.
    pub logits: Tensor,
    /// What is climbed, `[B]`.
    pub value: Tensor,
    /// Its gradient by x.
    pub gradient: Tensor,
}

/// What an energy could be readied to.
pub enum Preparation {
    /// It has a scorer of its own.
    Scorer(Box<dyn Scorer>),
    /// Autograd differentiates it, and why.
    None(Unplanned),
}

/// `E(x)` and the score of batches of one shape, for weights that stand still.
pub trait Scorer {
    /// `E(x)`, `[B]`, and `−∇E(x)`, both detached; `None` for a batch of another kind than it was
    /// made for.
    fn energy_and_score(&self, x: &Tensor) -> Result<Option<(Tensor, Tensor)>>;

    /// What an attack climbs, and its gradient; `None` where logits have to be differentiated.
    fn climb(&self, _x: &Tensor, _y: &Tensor, _what: Climbed) -> Result<Option<Slope>> {
        Ok(None)
    }

    /// How it computes, in words.
    fn path(&self) -> String {
        format!("written out ({})", instruction_set())
    }

    /// Langevin steps from `x`, one a stride, `first` being the number of the first one: where the
    /// chains end, and energy and score of the last step. `None` where steps have to be taken one
    /// by one.
    fn walk(
        &self,
        _x: &Tensor,
        _rule: &Langevin,
        _first: usize,
        _strides: &[Stride],
    ) -> Result<Option<Walked>> {
        Ok(None)
    }
}

/// An energy made ready; the weights must not change while it lives.
pub struct Ready {
    energy: Energy,
    scorer: Preparation,
    /// Whether scores keep their history: then nothing can be readied, since it may lead to the
    /// weights.
    differentiable: bool,
    _held: Option<Held>,
}

impl Ready {
    /// Makes an energy ready for scores of batches like `x`.
    pub fn new(energy: &Energy, x: &Tensor) -> Result<Ready> {
        Ready::with(energy, x, Precision::Full)
    }

    /// The same, in numbers of a precision.
    pub fn with(energy: &Energy, x: &Tensor, precision: Precision) -> Result<Ready> {
        let held = Held::of(&energy.networks())?;
        let asked = Asked {
            given: None,
            precision,
        };
        let scorer = energy.prepare(x, &asked)?;
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
            scorer: Preparation::None(Unplanned::because("the chain is differentiable")),
            differentiable: true,
            _held: None,
        }
    }

    /// The energy as it is, for an algorithm whose use of it is not known.
    pub fn plain(energy: &Energy) -> Ready {
        Ready {
            energy: energy.clone(),
            scorer: Preparation::None(Unplanned::because("the step is a function")),
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
        if let Preparation::Scorer(scorer) = &self.scorer
            && let Some(found) = scorer.energy_and_score(x)?
        {
            return Ok(found);
        }
        if self.differentiable {
            self.energy.differentiable_score(x)
        } else {
            self.energy.energy_and_score(x)
        }
    }

    /// What an attack climbs, where the energy's scorer knows; see [`Scorer::climb`].
    pub fn climb(&self, x: &Tensor, y: &Tensor, what: Climbed) -> Result<Option<Slope>> {
        match &self.scorer {
            Preparation::Scorer(scorer) => scorer.climb(x, y, what),
            Preparation::None(_) => Ok(None),
        }
    }

    /// Langevin steps in one go, where the energy's scorer takes them; see [`Scorer::walk`].
    pub fn walk(
        &self,
        x: &Tensor,
        rule: &Langevin,
        first: usize,
        strides: &[Stride],
    ) -> Result<Option<Walked>> {
        match &self.scorer {
            Preparation::Scorer(scorer) => scorer.walk(x, rule, first, strides),
            Preparation::None(_) => Ok(None),
        }
    }

    /// How chains compute scores of batches like `x`, in words: see [`Ready::path`]. Networks are in
    /// evaluation mode meanwhile, as they are in chains.
    pub fn path_of(energy: &Energy, x: &Tensor) -> Result<String> {
        let _mode = InMode::enter(&energy.networks(), false);
        Ok(Ready::new(energy, x)?.path())
    }

    /// How scores are computed, in words: "written out (AVX2)", or "autograd, because …".
    pub fn path(&self) -> String {
        match &self.scorer {
            Preparation::Scorer(scorer) => scorer.path(),
            Preparation::None(why) => format!("autograd, because {why}"),
        }
    }
}

/// One part of a composition: its own scorer where it has one.
pub(super) struct Part {
    energy: Energy,
    scorer: Preparation,
}

impl Part {
    pub(super) fn new(energy: &Energy, x: &Tensor, asked: &Asked) -> Result<Part> {
        // What is conditioned is another function of x: where nothing was readied, that is the
        // energy to ask.
        let whole = match asked.given.filter(|_| energy.has_classes()) {
            None => energy.clone(),
            Some(Given::Class(class)) => energy.given(class)?,
            Some(Given::Labels(labels)) => energy.given_labels(labels)?,
        };
        Ok(Part {
            scorer: energy.prepare(x, asked)?,
            energy: whole,
        })
    }

    /// Why this part has no scorer of its own, where it has none.
    pub(super) fn unplanned(&self) -> Option<&Unplanned> {
        match &self.scorer {
            Preparation::Scorer(_) => None,
            Preparation::None(why) => Some(why),
        }
    }

    pub(super) fn energy_and_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        if let Preparation::Scorer(scorer) = &self.scorer
            && let Some(found) = scorer.energy_and_score(x)?
        {
            return Ok(found);
        }
        self.energy.energy_and_score(x)
    }
}
