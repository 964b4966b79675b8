//! An exponential moving average of a model's weights: `average ← decay · average + (1 − decay) ·
//! weights`.
//!
//! Buffers (running means of batch norm) are averaged with the weights, so that what is swapped in
//! belongs together.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::params::{Named, Snapshot, State, deduplicated};
use crate::tensor::{Tensor, no_grad};
use crate::world::World;

/// The average, and the weights while the average is swapped in; clones share both.
#[derive(Clone)]
pub struct Ema(Rc<Inner>);

struct Inner {
    params: Named,
    decay: f64,
    moving: RefCell<Moving>,
}

struct Moving {
    average: Tensor,
    /// The model's own weights while it runs on the average.
    held: Option<Tensor>,
    updates: i64,
}

impl Ema {
    /// An average that starts at the present weights. `decay` in [0, 1) is the share of the past
    /// that each update keeps.
    pub fn new(named: Named, decay: f64) -> Result<Ema> {
        if !(0.0..1.0).contains(&decay) {
            return Err(Error::argument(format!(
                "optim::ema: `decay` must be at least 0 and below 1, got {decay}"
            ))
            .with_hint("usual are .999 and .9999"));
        }
        let params: Named = deduplicated(named)
            .into_iter()
            .filter(|(_, p)| p.get().is_float())
            .collect();
        if params.is_empty() {
            return Err(Error::state(
                "optim::ema: nothing to average, the model has no parameters",
            ));
        }
        let average = gathered(&params)?.copy()?;
        Ok(Ema(Rc::new(Inner {
            params,
            decay,
            moving: RefCell::new(Moving {
                average,
                held: None,
                updates: 0,
            }),
        })))
    }

    /// Moves the average towards the present weights; called after each step of the optimiser.
    pub fn update(&self) -> Result<()> {
        let mut moving = self.0.moving.borrow_mut();
        if moving.held.is_some() {
            return Err(Error::state("ema.update: the average is swapped in")
                .with_hint("call `restore()` first"));
        }
        let _guard = no_grad();
        let weights = gathered(&self.0.params)?;
        let _ = moving
            .average
            .raw()
            .shallow_clone()
            .f_lerp_(weights.raw(), 1.0 - self.0.decay)?;
        moving.updates += 1;
        Ok(())
    }

    /// Lets the model run on the average, until [`Ema::restore`].
    pub fn apply(&self) -> Result<()> {
        let mut moving = self.0.moving.borrow_mut();
        if moving.held.is_some() {
            return Err(Error::state("ema.apply: the average is swapped in already"));
        }
        let held = gathered(&self.0.params)?;
        scatter(&self.0.params, &moving.average)?;
        moving.held = Some(held);
        Ok(())
    }

    /// Gives the model its own weights back.
    pub fn restore(&self) -> Result<()> {
        let mut moving = self.0.moving.borrow_mut();
        let Some(held) = moving.held.take() else {
            return Err(Error::state("ema.restore: the average is not swapped in")
                .with_hint("call `apply()` first"));
        };
        scatter(&self.0.params, &held)
    }

    /// What tells this average from all others.
    pub fn id(&self) -> usize {
        Rc::as_ptr(&self.0) as usize
    }

    /// Whether the model runs on the average.
    pub fn applied(&self) -> bool {
        self.0.moving.borrow().held.is_some()
    }

    /// The share of the past that each update keeps.
    pub fn decay(&self) -> f64 {
        self.0.decay
    }
}

/// All values as one flat tensor of its own.
fn gathered(params: &Named) -> Result<Tensor> {
    let flat: Result<Vec<Tensor>> = params
        .iter()
        .map(|(_, p)| p.get().detach().reshape(&[-1]))
        .collect();
    Tensor::cat(&flat?, 0).map_err(|e| e.context("ema"))
}

/// The flat tensor's values into the parameters, in place.
fn scatter(params: &Named, flat: &Tensor) -> Result<()> {
    let mut start = 0;
    for (_, p) in params {
        let shape = p.shape();
        let n: i64 = shape.iter().product();
        p.assign(&flat.narrow(0, start, n)?.reshape(&shape)?)?;
        start += n;
    }
    Ok(())
}

impl State for Ema {
    fn about(&self) -> String {
        format!(
            "average of {} parameters",
            crate::nn::thousands(self.0.moving.borrow().average.numel() as i64)
        )
    }

    /// Averages of buffers are of each rank's own rows.
    fn meet(&self, world: &World) -> Result<()> {
        if self.0.params.iter().all(|(_, p)| p.trainable()) {
            return Ok(());
        }
        let mut average = self.0.moving.borrow().average.raw().shallow_clone();
        world.mean_in_place("an average of weights", &mut average)
    }

    fn save(&self, path: &str, into: &mut Snapshot) -> Result<()> {
        let moving = self.0.moving.borrow();
        let place = format!("{path}.average");
        match self.0.params.iter().all(|(_, p)| p.trainable()) {
            true => into.put_common(place, &moving.average)?,
            false => into.put(place, &moving.average)?,
        }
        if let Some(held) = &moving.held {
            into.put(format!("{path}.held"), held)?;
        }
        into.values
            .insert(format!("{path}.updates"), moving.updates.into());
        Ok(())
    }

    fn load(&self, path: &str, from: &Snapshot) -> Result<()> {
        let mut moving = self.0.moving.borrow_mut();
        let (average, updates) = (
            from.tensor(&format!("{path}.average"))?,
            from.int(&format!("{path}.updates"))?,
        );
        if average.shape() != moving.average.shape() {
            return Err(Error::data(format!(
                "checkpoint `{path}`: it is of {} numbers, this average has {}",
                average.numel(),
                moving.average.numel()
            )));
        }
        let own = |saved: &Tensor| saved.like(&moving.average)?.copy();
        let held = from
            .tensors
            .get(&format!("{path}.held"))
            .map(own)
            .transpose()?;
        *moving = Moving {
            average: own(average)?,
            held,
            updates,
        };
        Ok(())
    }
}

impl fmt::Display for Ema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moving = self.0.moving.borrow();
        let numbers = crate::nn::thousands(moving.average.numel() as i64);
        write!(
            f,
            "ema({}): {numbers} numbers, {} updates",
            self.0.decay, moving.updates
        )?;
        f.write_str(if moving.held.is_some() {
            ", swapped in"
        } else {
            ""
        })
    }
}

impl fmt::Debug for Ema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
