//! Parameters and state: what layers own, what optimisers train, what checkpoints keep ([`State`]).
//!
//! A layer owns [`Param`] handles. An optimiser gathers the handles of what it trains into one flat
//! tensor ([`Flat`]), of which they become views: an update, a norm or an average is then one
//! operation whatever the number of layers.

mod frozen;
mod state;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

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
}

impl Inner {
    /// Takes the memory of a tensor in place of the present one. The tensor itself stays: scripts
    /// and TorchScript modules that hold it hold the weight, whatever becomes of it.
    fn replace(&mut self, value: Tensor) -> Result<()> {
        self.value
            .raw()
            .shallow_clone()
            .f_set_data(value.detach().raw())?;
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
