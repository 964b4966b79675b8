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
use std::collections::HashMap;
use std::rc::{Rc, Weak};

pub use flat::{Flat, Given, Gradient, StepOptions};
pub(crate) use frozen::{FROZEN, StatisticsFrozen, frozen};
pub use selection::{Parameters, matches};
pub use state::{Cautious, Factors, Snapshot, State, load_named, save_named};

use crate::aten::share_version;
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
}

impl Inner {
    /// Takes the memory of a tensor in place of the present one. The tensor itself stays: scripts
    /// and TorchScript modules that hold it hold the weight, whatever becomes of it.
    fn replace(&mut self, value: Tensor) -> Result<()> {
        self.value
            .raw()
            .shallow_clone()
            .f_set_data(value.detach().raw())?;
        // An optimiser changes the memory in place: graphs that were recorded before must notice.
        share_version(&self.value, &value);
        Ok(())
    }
}

thread_local! {
    /// The parameters by the tensors that they are ([`Tensor::identity`]): whoever holds such a
    /// tensor holds the parameter.
    static KNOWN: RefCell<HashMap<usize, Weak<RefCell<Inner>>>> = RefCell::new(HashMap::new());
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
        Ok(Param::made(value.copy()?.leaf()?, true))
    }

    fn made(value: Tensor, trainable: bool) -> Param {
        let id = value.identity();
        let param = Param(Rc::new(RefCell::new(Inner {
            value,
            trainable,
            frozen: false,
            owner: None,
        })));
        KNOWN.with_borrow_mut(|known| {
            // Those that are gone must not pile up.
            if known.len() >= 64 && known.len().is_power_of_two() {
                known.retain(|_, inner| inner.strong_count() > 0);
            }
            known.insert(id, Rc::downgrade(&param.0));
        });
        param
    }

    /// The parameter that a tensor is: a network's weight, or one made by `tensor::parameter`.
    pub fn of(owner: &str, tensor: &Tensor) -> Result<Param> {
        let known = KNOWN.with_borrow(|k| k.get(&tensor.identity()).and_then(Weak::upgrade));
        if let Some(inner) = known {
            return Ok(Param(inner));
        }
        if tensor.requires_grad() && tensor.raw().is_leaf() {
            return Param::shared(tensor);
        }
        Err(Error::argument(format!(
            "{owner}: a tensor {} that is no parameter",
            tensor.brief()
        ))
        .with_hint("tensor::parameter(x) makes one that can be trained"))
    }

    /// A trained parameter that is this tensor itself, which others hold too (a TorchScript
    /// module).
    pub fn shared(value: &Tensor) -> Result<Param> {
        let _ = value.raw().f_set_requires_grad(true)?;
        Ok(Param::made(value.clone(), true))
    }

    /// A buffer: kept with the weights, not trained.
    pub fn buffer(value: &Tensor) -> Result<Param> {
        Ok(Param::made(value.copy()?.detach(), false))
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
