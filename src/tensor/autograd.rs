//! Gradients, and what is made of them: every way from a script or a loss to libtorch's
//! differentiation leads through [`backward`].

use std::cell::Cell;

use super::Tensor;
use crate::error::{Error, Result};
use crate::options;

options! {
    /// Options of [`Tensor::gradients`].
    pub struct GradOptions for "grad" {
        /// whether the gradients can be differentiated again: for gradient penalties and score
        /// matching
        create_graph: bool = true,
        /// whether what they came from can be differentiated again; as `create_graph` unless given
        retain_graph: Option<bool> = None,
        /// whether a tensor on which the number does not depend gives () and not an error
        allow_unused: bool = false,
    }
}

impl Tensor {
    /// `∂ output / ∂ inputs`; the output must be a single number. `None` where it does not depend
    /// on an input, which is an error unless `allow_unused`.
    pub fn gradients_with(
        output: &Tensor,
        inputs: &[&Tensor],
        options: &GradOptions,
    ) -> Result<Vec<Option<Tensor>>> {
        if InsideVmap::now() {
            return Err(
                Error::state("grad: a gradient cannot be recorded inside `vmap`")
                    .with_hint("vmap_grad(f, x) gives the gradient of each row's number"),
            );
        }
        single("grad", output)?;
        if !output.requires_grad() && !options.allow_unused {
            return Err(Error::state(
                "grad: the number does not depend on anything that gradients are recorded for",
            )
            .with_hint("write `let x = x.leaf();` before computing with it"));
        }
        let raw: Vec<&tch::Tensor> = inputs.iter().map(|t| &t.0).collect();
        let retain = options.retain_graph.unwrap_or(options.create_graph);
        let found = differentiate(&output.0, &raw, retain, options.create_graph)?;
        let which = |i: usize| match inputs.len() {
            1 => String::new(),
            _ => format!(" {i}"),
        };
        let unused = |i: usize| {
            Error::state(format!(
                "grad: the number does not depend on the tensor{}",
                which(i)
            ))
            .with_hint(
                "was it computed from another tensor, or is there a `detach` on the way? \
                     #{ allow_unused: true } gives () for it",
            )
        };
        let checked = found
            .into_iter()
            .enumerate()
            .map(|(i, gradient)| match gradient {
                None if !options.allow_unused => Err(unused(i)),
                gradient => Ok(gradient.map(Tensor)),
            });
        checked.collect()
    }

    /// The same where each input takes part. `create_graph` keeps the result differentiable.
    pub fn gradients(
        output: &Tensor,
        inputs: &[&Tensor],
        create_graph: bool,
    ) -> Result<Vec<Tensor>> {
        let options = GradOptions {
            create_graph,
            ..Default::default()
        };
        Ok(Tensor::gradients_with(output, inputs, &options)?
            .into_iter()
            .flatten()
            .collect())
    }
}

/// The value of a function at x, and its Jacobian's transpose times `v`, in one pass back.
pub fn vjp(
    f: &dyn Fn(&Tensor) -> Result<Tensor>,
    x: &Tensor,
    v: &Tensor,
) -> Result<(Tensor, Tensor)> {
    tch::with_grad(|| {
        let x = differentiable(x)?;
        let value = f(&x)?;
        if value.shape() != v.shape() {
            return Err(Error::shape(format!(
                "vjp: the weights must be like the function's value {:?}, got {:?}",
                value.shape(),
                v.shape()
            )));
        }
        let weighted = value.mul(v)?.sum()?;
        let product = Tensor::gradients(&weighted, &[&x], true)?.swap_remove(0);
        Ok((value, product))
    })
}

/// The Hessian of a function that gives a single number, times `v`: a gradient of a gradient.
pub fn hvp(f: &dyn Fn(&Tensor) -> Result<Tensor>, x: &Tensor, v: &Tensor) -> Result<Tensor> {
    if x.shape() != v.shape() {
        return Err(Error::shape(format!(
            "hvp: the direction must be like x {:?}, got {:?}",
            x.shape(),
            v.shape()
        )));
    }
    tch::with_grad(|| {
        let x = differentiable(x)?;
        let value = f(&x)?;
        single("hvp", &value)?;
        let gradient = Tensor::gradients(&value, &[&x], true)?.swap_remove(0);
        gradient_or_zeros(&gradient.mul(v)?.sum()?, &x)
    })
}

/// The gradient of a number by x; zeros where it does not depend on it, as the gradient of what is
/// linear.
pub(crate) fn gradient_or_zeros(number: &Tensor, x: &Tensor) -> Result<Tensor> {
    let zeros = || Ok(Tensor(x.0.f_zeros_like()?.f_detach()?));
    if !number.requires_grad() {
        return zeros();
    }
    let options = GradOptions {
        allow_unused: true,
        ..Default::default()
    };
    let found = Tensor::gradients_with(number, &[x], &options)?.swap_remove(0);
    found.map_or_else(zeros, Ok)
}

/// The tensor itself where it has a history, so that what comes out can be differentiated through
/// it; else a copy to differentiate by.
pub(crate) fn differentiable(x: &Tensor) -> Result<Tensor> {
    match x.requires_grad() {
        true => Ok(x.clone()),
        false => x.leaf(),
    }
}

fn single(owner: &str, output: &Tensor) -> Result<()> {
    if output.numel() == 1 {
        return Ok(());
    }
    Err(Error::shape(format!(
        "{owner}: needs a single number to differentiate, got {:?}",
        output.shape()
    ))
    .with_hint("reduce it first: `.sum()` or `.mean()`"))
}

thread_local! {
    static INSIDE_VMAP: Cell<usize> = const { Cell::new(0) };
}

/// While it lives, plain gradients are refused: libtorch would record nothing.
pub(crate) struct InsideVmap(());

impl InsideVmap {
    pub(crate) fn enter() -> InsideVmap {
        INSIDE_VMAP.set(INSIDE_VMAP.get() + 1);
        InsideVmap(())
    }

    /// Whether tensors may be rows of hidden batches, whose memory is not theirs to be read.
    pub(crate) fn now() -> bool {
        INSIDE_VMAP.get() > 0
    }
}

impl Drop for InsideVmap {
    fn drop(&mut self) {
        INSIDE_VMAP.set(INSIDE_VMAP.get() - 1);
    }
}

/// `∂ output / ∂ inputs`: the one way to libtorch's differentiation, since it ends the process
/// (SIGSEGV) where an output has no history. Inputs that the output does not depend on give `None`;
/// where it depends on nothing, all do.
pub(crate) fn backward(
    output: &tch::Tensor,
    inputs: &[&tch::Tensor],
    create_graph: bool,
) -> Result<Vec<Option<tch::Tensor>>> {
    differentiate(output, inputs, create_graph, create_graph)
}

/// The same; with `retain_graph` the output can be differentiated again, also where the result
/// cannot.
pub(crate) fn differentiate(
    output: &tch::Tensor,
    inputs: &[&tch::Tensor],
    retain_graph: bool,
    create_graph: bool,
) -> Result<Vec<Option<tch::Tensor>>> {
    if output.numel() != 1 {
        return Err(Error::shape(format!(
            "a gradient needs a single number to differentiate, got {:?}",
            output.size()
        )));
    }
    if !output.requires_grad() || inputs.is_empty() {
        return Ok(inputs.iter().map(|_| None).collect());
    }
    if let Some(constant) = inputs.iter().position(|x| !x.requires_grad()) {
        return Err(Error::state(format!(
            "a gradient was asked for with respect to a constant (input {constant})"
        ))
        .with_hint("write `let x = x.leaf();` before computing with it"));
    }
    let found = tch::Tensor::f_run_backward(&[output], inputs, retain_graph, create_graph)
        .map_err(spent)?;
    Ok(found
        .into_iter()
        .map(|g| g.defined().then_some(g))
        .collect())
}

/// libtorch's error where what a gradient needs is there no more, in our words.
fn spent(error: tch::TchError) -> Error {
    let text = error.to_string();
    if text.contains("backward through the graph a second time") {
        return Error::state("the graph of this number is gone: it was differentiated before")
            .with_hint(
                "keep it where it was differentiated first: #{ retain_graph: true } in grad, opt.step or opt.accumulate",
            );
    }
    if text.contains("modified by an inplace operation") {
        return Error::state("weights that this number was computed with have changed since")
            .with_hint(
                "take all gradients first, then step: a.accumulate(x, #{ retain_graph: true }); b.accumulate(y); a.step(); b.step()",
            );
    }
    Error::from(error)
}
