//! The trained parameters of an optimiser as one flat tensor, and gradients by them.

use super::{Named, deduplicated};
use crate::error::{Error, Result};
use crate::options;
use crate::tensor::Tensor;

options! {
    /// How an optimiser takes a gradient.
    pub struct StepOptions for "optim::step" {
        /// whether the loss can be differentiated again: where another optimiser needs it too
        retain_graph: bool = false,
        /// whether parameters that the loss does not depend on stay as they are; else they are an
        /// error
        allow_unused: bool = false,
    }
}

/// A gradient by all parameters.
pub struct Gradient {
    /// All entries, `[n]`; 0 where there is none.
    pub flat: tch::Tensor,
    /// Which parameters have one.
    pub present: Vec<bool>,
}

/// A gradient that somebody else has computed.
pub enum Given {
    /// Of each parameter, in the optimiser's order.
    Each(Vec<Option<Tensor>>),
    /// All entries, one after the other.
    Flat(Tensor),
}

/// The trained parameters of a model as one flat tensor of which each is a view.
pub struct Flat {
    /// All values, `[n]`.
    pub values: Tensor,
    params: Named,
    /// Where each parameter begins in it, and where the last one ends.
    starts: Vec<i64>,
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
        let mut starts = vec![0];
        let mut start = 0;
        for (_, p) in &params {
            let shape = p.shape();
            let n: i64 = shape.iter().product();
            let view = values.narrow(0, start, n)?.reshape(&shape)?;
            let mut inner = p.0.borrow_mut();
            inner.replace(view)?;
            inner.owner = Some(owner.to_owned());
            start += n;
            starts.push(start);
        }
        Ok(Flat {
            values,
            params,
            starts,
        })
    }

    /// The gradient of a loss by all parameters that are not frozen; one that gets none at all is
    /// an error, unless the options allow it. `call` is whom errors name: `adam.step`.
    pub fn gradient(&self, call: &str, loss: &Tensor, options: &StepOptions) -> Result<Gradient> {
        if loss.numel() != 1 {
            return Err(Error::shape(format!(
                "{call}: the loss must be a single number, got {:?}",
                loss.shape()
            ))
            .with_hint("reduce it: `.mean()` or `.sum()`"));
        }
        let active: Vec<usize> = (0..self.params.len())
            .filter(|i| !self.params[*i].1.frozen())
            .collect();
        if active.is_empty() {
            return Err(Error::state(format!(
                "{call}: all parameters of the optimiser are frozen"
            ))
            .with_hint("`net.unfreeze()` lets them be trained again"));
        }
        if !loss.requires_grad() {
            return Err(Error::state(format!(
                "{call}: the loss does not depend on the parameters"
            ))
            .with_hint("was it computed from detached values only?"));
        }
        let leaves: Vec<Tensor> = active.iter().map(|i| self.params[*i].1.get()).collect();
        let raw: Vec<&tch::Tensor> = leaves.iter().map(Tensor::raw).collect();
        let found = crate::tensor::differentiate(loss.raw(), &raw, options.retain_graph, false)
            .map_err(|e| e.context(call))?;
        if !options.allow_unused
            && let Some(i) = found.iter().position(Option::is_none)
        {
            let name = &self.params[active[i]].0;
            return Err(Error::state(format!(
                "{call}: parameter `{name}` gets no gradient from this loss"
            ))
            .with_hint(
                "every parameter of the optimiser must take part in the loss; or allow others: #{ allow_unused: true }",
            ));
        }
        let mut each: Vec<Option<tch::Tensor>> = self.params.iter().map(|_| None).collect();
        for (i, gradient) in active.into_iter().zip(found) {
            each[i] = gradient;
        }
        if each.iter().all(Option::is_none) {
            return Err(Error::state(format!(
                "{call}: the loss depends on no parameter of the optimiser"
            )));
        }
        self.joined(each)
    }

    /// A gradient that was computed elsewhere.
    pub fn given(&self, call: &str, given: Given, allow_unused: bool) -> Result<Gradient> {
        let each = match given {
            Given::Flat(flat) => {
                if flat.shape() != [self.len()] {
                    return Err(Error::shape(format!(
                        "{call}: a flat gradient must be [{}], as many numbers as are trained, got {:?}",
                        self.len(),
                        flat.shape()
                    )));
                }
                let flat = flat.detach().like(&self.values)?;
                let piece = |i: usize| flat.narrow(0, self.starts[i], self.size(i)).map(Some);
                (0..self.params.len())
                    .map(piece)
                    .collect::<Result<Vec<_>>>()?
            }
            Given::Each(each) => each,
        };
        if each.len() != self.params.len() {
            return Err(Error::argument(format!(
                "{call}: {} gradients for {} parameters",
                each.len(),
                self.params.len()
            ))
            .with_hint("one for each, in the order of `opt.parameters()`"));
        }
        let one = |(gradient, (name, p)): (Option<Tensor>, &(String, super::Param))| {
            let Some(gradient) = gradient else {
                if allow_unused || p.frozen() {
                    return Ok(None);
                }
                return Err(
                    Error::state(format!("{call}: parameter `{name}` has no gradient"))
                        .with_hint("it stays as it is with #{ allow_unused: true }"),
                );
            };
            let shape = gradient.shape();
            if shape != p.shape() && shape != [gradient.numel() as i64]
                || gradient.numel() as i64 != p.shape().iter().product::<i64>()
            {
                return Err(Error::shape(format!(
                    "{call}: the gradient of `{name}` is {shape:?}, the parameter {:?}",
                    p.shape()
                )));
            }
            Ok((!p.frozen()).then_some(gradient.detach().like(&self.values)?.into()))
        };
        let each: Result<Vec<Option<tch::Tensor>>> =
            each.into_iter().zip(&self.params).map(one).collect();
        self.joined(each?)
    }

    /// A tensor of directions, one for each parameter or flat, as one flat tensor.
    pub fn direction(&self, call: &str, given: Given) -> Result<Tensor> {
        Ok(Tensor::from(self.given(call, given, true)?.flat))
    }

    fn joined(&self, each: Vec<Option<tch::Tensor>>) -> Result<Gradient> {
        let present = each.iter().map(Option::is_some).collect();
        let on = (self.values.kind(), self.values.device());
        let piece = |(i, gradient): (usize, Option<tch::Tensor>)| match gradient {
            Some(gradient) => gradient.f_reshape([-1]),
            None => tch::Tensor::f_zeros([self.size(i)], on),
        };
        let pieces: std::result::Result<Vec<_>, _> =
            each.into_iter().enumerate().map(piece).collect();
        Ok(Gradient {
            flat: tch::Tensor::f_cat(&pieces?, 0)?,
            present,
        })
    }

    /// The parameters with their names.
    pub fn params(&self) -> &Named {
        &self.params
    }

    /// Where a parameter begins.
    pub fn start(&self, i: usize) -> i64 {
        self.starts[i]
    }

    /// How many numbers a parameter has.
    pub fn size(&self, i: usize) -> i64 {
        self.starts[i + 1] - self.starts[i]
    }

    /// How many numbers there are.
    pub fn len(&self) -> i64 {
        self.starts[self.params.len()]
    }

    /// Never: it has parameters.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
