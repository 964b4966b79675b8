//! Parameters and state: what layers own, what optimisers train, what checkpoints keep ([`State`]).
//!
//! A layer owns [`Param`] handles. An optimiser gathers the handles of what it trains into one flat
//! tensor ([`Flat`]), of which they become views: an update, a norm or an average is then one
//! operation whatever the number of layers.

mod frozen;
mod state;

use std::cell::RefCell;
use std::rc::Rc;

pub(crate) use frozen::{FROZEN, frozen};
pub use state::{Cautious, Factors, Snapshot, State, load_named, save_named};

use crate::error::{Error, Result};
use crate::tensor::{Tensor, no_grad};

/// A handle to one tensor of weights (trained) or one buffer (kept, not trained: running means).
#[derive(Clone)]
pub struct Param(Rc<RefCell<Inner>>);

struct Inner {
    value: Tensor,
    trainable: bool,
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
        let moved = if inner.trainable {
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

/// The trained parameters of a model as one flat tensor of which each is a view.
pub struct Flat {
    /// All values, `[n]`.
    pub values: Tensor,
    params: Named,
}

impl Flat {
    /// Gathers the trained parameters for an owner (`adam`). None at all, or one that another owner
    /// holds, is an error.
    pub fn gather(owner: &str, named: Named) -> Result<Flat> {
        let params: Named = deduplicated(named)
            .into_iter()
            .filter(|(_, p)| p.trainable())
            .collect();
        if params.is_empty() {
            return Err(Error::state(format!("{owner}: nothing to train, the model has no parameters")).with_hint(
                "for an energy written as a closure, name what it uses: energy::of(f, #{ params: [net] })",
            ));
        }
        for (name, p) in &params {
            if let Some(other) = &p.0.borrow().owner {
                return Err(Error::state(format!(
                    "{owner}: parameter `{name}` is already trained by {other}"
                ))
                .with_hint("give each optimiser its own network, or train both with one"));
            }
        }
        let kind = params[0].1.get().kind();
        let device = params[0].1.get().device();
        if let Some((name, p)) = params
            .iter()
            .find(|(_, p)| p.get().kind() != kind || p.get().device() != device)
        {
            return Err(Error::state(format!(
                "{owner}: parameter `{name}` is {}, the first one is another type or device",
                p.get().brief()
            )));
        }
        let pieces: Result<Vec<Tensor>> = params
            .iter()
            .map(|(_, p)| p.get().detach().reshape(&[-1]))
            .collect();
        let values = Tensor::cat(&pieces?, 0)?;
        let mut start = 0;
        for (_, p) in &params {
            let shape = p.shape();
            let n: i64 = shape.iter().product();
            let view = values.narrow(0, start, n)?.reshape(&shape)?.leaf()?;
            let mut inner = p.0.borrow_mut();
            inner.replace(view)?;
            inner.owner = Some(owner.to_owned());
            start += n;
        }
        Ok(Flat { values, params })
    }

    /// The gradient of a loss by all parameters as one flat tensor; a parameter that gets none at
    /// all is an error.
    pub fn gradient(&self, owner: &str, loss: &Tensor) -> Result<Tensor> {
        if loss.numel() != 1 {
            return Err(Error::shape(format!(
                "{owner}.step: the loss must be a single number, got {:?}",
                loss.shape()
            ))
            .with_hint("reduce it: `.mean()` or `.sum()`"));
        }
        if !loss.requires_grad() {
            return Err(Error::state(format!(
                "{owner}.step: the loss does not depend on the parameters"
            ))
            .with_hint("was it computed from detached values only?"));
        }
        let leaves: Vec<Tensor> = self.params.iter().map(|(_, p)| p.get()).collect();
        let raw: Vec<&tch::Tensor> = leaves.iter().map(Tensor::raw).collect();
        let found = crate::tensor::backward(loss.raw(), &raw, false)?;
        let mut pieces = Vec::with_capacity(found.len());
        for (gradient, (name, _)) in found.into_iter().zip(&self.params) {
            let gradient = gradient.ok_or_else(|| {
                Error::state(format!(
                    "{owner}.step: parameter `{name}` gets no gradient from this loss"
                ))
                .with_hint("every parameter of the optimiser must take part in the loss")
            })?;
            pieces.push(gradient.f_reshape([-1])?);
        }
        Ok(Tensor::from(tch::Tensor::f_cat(&pieces, 0)?))
    }

    /// The parameters with their names.
    pub fn params(&self) -> &Named {
        &self.params
    }
}

impl Drop for Flat {
    fn drop(&mut self) {
        // The parameters stay views of the flat tensor; a new optimiser may take them.
        for (_, p) in &self.params {
            p.0.borrow_mut().owner = None;
        }
    }
}
