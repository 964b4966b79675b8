//! Parameters and state: what layers own, what optimisers train, what checkpoints keep ([`State`]).
//!
//! A layer owns [`Param`] handles. An optimiser gathers the handles of what it trains into one flat
//! tensor ([`Flat`]), of which they become views: an update, a norm or an average is then one
//! operation whatever the number of layers.

mod flat;
mod frozen;
mod selection;
mod state;

use std::cell::RefCell;
use std::rc::Rc;

pub use flat::{Flat, Given, Gradient, StepOptions};
pub(crate) use frozen::{FROZEN, StatisticsFrozen, frozen};
pub use selection::{Parameters, matches};
pub use state::{Cautious, Factors, Snapshot, State, load_named, save_named};

use crate::error::{Error, Result};
use crate::tensor::{Tensor, no_grad};

/// A handle to one tensor of weights (trained) or one buffer (kept, not trained: running means).
#[derive(Clone)]
pub struct Param(Rc<RefCell<Inner>>);

struct Inner {
    value: Tensor,
    trainable: bool,
    /// Whether it stands still for now, though it is trained.
    frozen: bool,
    /// Who trains it, in the user's words.
    owner: Option<String>,
    /// Whether others hold the tensor itself: then it stays that tensor, and only its memory
    /// changes.
    shared: bool,
}

impl Inner {
    /// Takes a tensor in place of the present one: itself, or where others hold that one, its
    /// memory.
    fn replace(&mut self, value: Tensor) -> Result<()> {
        if self.shared {
            self.value
                .raw()
                .shallow_clone()
                .f_set_data(value.detach().raw())?;
        } else {
            self.value = value;
        }
        Ok(())
    }
}

/// Parameters with their names (`0.weight`, `net.1.bias`), in the order of construction.
pub type Named = Vec<(String, Param)>;

/// The names with a prefix before each: `weight` becomes `0.weight`.
pub fn prefixed(prefix: &str, named: Named) -> Named {
    named
        .into_iter()
        .map(|(name, p)| (format!("{prefix}.{name}"), p))
        .collect()
}

/// Each parameter once, at its first place.
pub fn deduplicated(named: Named) -> Named {
    let mut seen = std::collections::HashSet::new();
    named
        .into_iter()
        .filter(|(_, p)| seen.insert(p.id()))
        .collect()
}

impl Param {
    /// A trained parameter with this initial value.
    pub fn new(value: &Tensor) -> Result<Param> {
        let value = value.copy()?.leaf()?;
        Ok(Param(Rc::new(RefCell::new(Inner {
            value,
            trainable: true,
            frozen: false,
            owner: None,
            shared: false,
        }))))
    }

    /// A trained parameter that is this tensor itself, which others hold too (a TorchScript
    /// module).
    pub fn shared(value: &Tensor) -> Result<Param> {
        let _ = value.raw().f_set_requires_grad(true)?;
        let value = value.clone();
        Ok(Param(Rc::new(RefCell::new(Inner {
            value,
            trainable: true,
            frozen: false,
            owner: None,
            shared: true,
        }))))
    }

    /// A buffer: kept with the weights, not trained.
    pub fn buffer(value: &Tensor) -> Result<Param> {
        let value = value.copy()?.detach();
        Ok(Param(Rc::new(RefCell::new(Inner {
            value,
            trainable: false,
            frozen: false,
            owner: None,
            shared: false,
        }))))
    }

    /// The present value; gradients flow to it if it is trained.
    pub fn get(&self) -> Tensor {
        self.0.borrow().value.clone()
    }

    /// Whether optimisers train it.
    pub fn trainable(&self) -> bool {
        self.0.borrow().trainable
    }

    /// Whether it stands still: no gradient flows to it, and its optimiser leaves it alone.
    pub fn frozen(&self) -> bool {
        self.0.borrow().frozen
    }

    /// Lets it stand still (`true`), or be trained again. A buffer is never trained.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        let mut inner = self.0.borrow_mut();
        if inner.trainable && inner.frozen != frozen {
            let _ = inner.value.raw().f_set_requires_grad(!frozen)?;
            inner.frozen = frozen;
        }
        Ok(())
    }

    /// The shape.
    pub fn shape(&self) -> Vec<i64> {
        self.0.borrow().value.shape()
    }

    /// What tells this parameter from all others.
    pub fn id(&self) -> usize {
        Rc::as_ptr(&self.0) as usize
    }

    /// Overwrites the value, in place: everyone who shares it sees the new one.
    pub fn assign(&self, value: &Tensor) -> Result<()> {
        if value.shape() != self.shape() {
            return Err(Error::shape(format!(
                "a parameter of shape {:?} cannot take a value of shape {:?}",
                self.shape(),
                value.shape()
            )));
        }
        let _guard = no_grad();
        self.get().raw().detach().f_copy_(value.raw())?;
        Ok(())
    }

    /// Another value for the length of a computation: layers that use this parameter see it, with
    /// the gradients that flow through it. So a weight can be a function of what is trained
    /// (spectral norm, weight norm).
    pub fn with_value<T>(&self, value: Tensor, compute: impl FnOnce() -> T) -> T {
        let own = std::mem::replace(&mut self.0.borrow_mut().value, value);
        let _back = Restore(self, Some(own));
        compute()
    }

    /// Moves to a device and element type. Not once an optimiser holds it.
    pub fn convert(&self, device: crate::tensor::Device, kind: crate::tensor::Kind) -> Result<()> {
        let mut inner = self.0.borrow_mut();
        if inner.value.device() == device && inner.value.kind() == kind {
            return Ok(());
        }
        if let Some(owner) = &inner.owner {
            return Err(Error::state(format!(
                "cannot move or convert parameters that {owner} trains"
            ))
            .with_hint("move the network first, then make the optimiser"));
        }
        let moved = inner.value.detach().to_device(device)?.to_kind(kind)?;
        let moved = if inner.trainable && !inner.frozen {
            moved.leaf()?
        } else {
            moved
        };
        inner.replace(moved)
    }
}

/// Gives a parameter its own value back, also where the computation ends in a panic.
struct Restore<'a>(&'a Param, Option<Tensor>);

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        if let Some(own) = self.1.take() {
            self.0.0.borrow_mut().value = own;
        }
    }
}
