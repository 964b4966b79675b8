//! Differentiation in the language: gradients of any order, products with Jacobians and Hessians,
//! functions mapped over rows.

use rhai::plugin::*;
use rhai::{Array, FnPtr, Map};

use super::arguments::{object_list, options};
use super::closure;
use super::edge::Outcome;
use super::types::type_name;
use crate::aten;
use crate::energy::{Energy, LaplacianOptions};
use crate::error::{Error, Result};
use crate::nn::Network;
use crate::options::Value;
use crate::params::Parameters;
use crate::tensor::{GradOptions, Tensor};

type OfTensor = Box<dyn Fn(&[Tensor]) -> Result<Tensor>>;

/// A closure, a network or an energy as a function of tensors. An energy gives the sum over its
/// rows, so that its derivatives are those of each row.
fn function(owner: &'static str, ctx: &NativeCallContext, value: Dynamic) -> Result<OfTensor> {
    let value = value.flatten_clone();
    if let Some(network) = value.clone().try_cast::<Network>() {
        return Ok(Box::new(move |x| network.forward(&x[0])));
    }
    if let Some(energy) = value.clone().try_cast::<Energy>() {
        return Ok(Box::new(move |x| energy.energy(&x[0])?.sum()));
    }
    let found = type_name(value.type_name());
    let Some(pointer) = value.try_cast::<FnPtr>() else {
        return Err(Error::argument(format!(
            "{owner}: takes a function of tensors, a network or an energy, got {found}"
        ))
        .with_hint("as in |x| x.pow(2).sum()"));
    };
    let call = closure::function(ctx, pointer);
    Ok(Box::new(move |x| {
        let arguments: Vec<Value> = x
            .iter()
            .map(|x| Value::object("tensor", x.clone()))
            .collect();
        let given = call.call(&arguments)?;
        given.downcast::<Tensor>().ok_or_else(|| {
            let kind = given.type_name();
            Error::argument(format!(
                "{owner}: the function must give a tensor, got {kind}"
            ))
        })
    }))
}

fn one(
    owner: &'static str,
    ctx: &NativeCallContext,
    value: Dynamic,
) -> Result<impl Fn(&Tensor) -> Result<Tensor>> {
    let f = function(owner, ctx, value)?;
    Ok(move |x: &Tensor| f(std::slice::from_ref(x)))
}

/// A function mapped over the rows of its inputs.
fn over_rows(f: &OfTensor, inputs: &[Tensor]) -> Result<Tensor> {
    let call = |x: &[Tensor]| Ok(vec![f(x)?]);
    Ok(aten::vmap(&call, inputs)?.swap_remove(0))
}

/// A function of tensors as scripts hold one.
#[allow(deprecated)] // rhai marks native function pointers as volatile; the version is pinned.
fn mapped(call: impl Fn(&[Tensor]) -> Result<Tensor> + 'static) -> Outcome<FnPtr> {
    FnPtr::from_fn("vmap", move |_, arguments| {
        let tensors = arguments.iter().map(|argument| {
            let found = type_name(argument.type_name());
            argument
                .read_lock::<Tensor>()
                .map(|tensor| tensor.clone())
                .ok_or_else(|| Error::argument(format!("vmap: takes tensors, got {found}")))
        });
        let tensors: Vec<Tensor> = tensors.collect::<Result<_>>()?;
        Ok(Dynamic::from(call(&tensors)?))
    })
}

fn pair(names: [&str; 2], values: (Tensor, Tensor)) -> Map {
    let [first, second] = names;
    Map::from([
        (first.into(), Dynamic::from(values.0)),
        (second.into(), Dynamic::from(values.1)),
    ])
}

fn or_nothing(gradient: Option<Tensor>) -> Dynamic {
    gradient.map_or(Dynamic::UNIT, Dynamic::from)
}

#[export_module(manifest)]
pub mod functions {
    /// The gradient of a single number by a tensor made with `.leaf()`, by a weight, or by anything
    /// computed from them. It can be differentiated again (a gradient penalty, score matching)
    /// unless `create_graph` is false. A number that does not depend on the tensor is an error; with
    /// `allow_unused` it gives `()`.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]).leaf();
    /// print(grad((x * x).sum(), x));
    /// //= tensor [2] float32 on cpu
    /// //= [2, 4]
    /// let cubes = grad(x.pow(3).sum(), x);
    /// print(grad(cubes.sum(), x).to_array());          //= [6.0, 12.0]
    /// let other = tensor::of([3]).leaf();
    /// print(grad(x.sum(), other, #{ allow_unused: true }) == ());   //= true
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn grad(
        ctx: NativeCallContext,
        output: Tensor,
        input: Tensor,
        options: Map,
    ) -> Outcome<Dynamic> {
        let options: GradOptions = super::options(&ctx, &options)?;
        let mut found = Tensor::gradients_with(&output, &[&input], &options)?;
        Ok(or_nothing(found.swap_remove(0)))
    }

    /// The gradients of a single number by several tensors, as an array.
    ///
    /// ```rhai
    /// let x = tensor::of([3]).leaf();
    /// let y = tensor::of([4]).leaf();
    /// print(grad((x * y).sum(), [x, y])[0].item());   //= 4.0
    /// ```
    #[rhai_fn(global, return_raw, name = "grad")]
    pub fn grads(
        ctx: NativeCallContext,
        output: Tensor,
        inputs: Array,
        options: Map,
    ) -> Outcome<Array> {
        let options: GradOptions = super::options(&ctx, &options)?;
        let inputs: Vec<Tensor> = object_list("grad", "tensors", &inputs)?;
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        let found = Tensor::gradients_with(&output, &inputs, &options)?;
        Ok(found.into_iter().map(or_nothing).collect())
    }

    /// The gradients of a single number by the weights of a model, in their order.
    ///
    /// ```rhai
    /// let net = nn::mlp([2, 8, 1]);
    /// let loss = net.forward(tensor::randn([4, 2])).mean();
    /// print(grad(loss, net.weights).map(|g| g.shape));   //= [[8, 2], [1, 8]]
    /// ```
    #[rhai_fn(global, return_raw, name = "grad")]
    pub fn grads_of_weights(
        ctx: NativeCallContext,
        output: Tensor,
        weights: Parameters,
        options: Map,
    ) -> Outcome<Array> {
        let options: GradOptions = super::options(&ctx, &options)?;
        if let Some((name, _)) = weights.named().iter().find(|(_, p)| p.frozen()) {
            let error = Error::state(format!("grad: the weight `{name}` is frozen"));
            let others = "or choose others: net.parameters().matching(…)";
            return Err(error
                .with_hint(format!("net.unfreeze({name:?}); {others}"))
                .into());
        }
        let weights: Vec<Tensor> = weights.into_iter().collect();
        let weights: Vec<&Tensor> = weights.iter().collect();
        let found = Tensor::gradients_with(&output, &weights, &options)?;
        Ok(found.into_iter().map(or_nothing).collect())
    }

    /// The Hessian of a function of x that gives a single number, times `v`: `∇²f(x) v`, in the
    /// shape of x, without the Hessian itself. Of an energy it is that of each row. It can be
    /// differentiated again.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print(hvp(|x| x.pow(3).sum(), x, tensor::of([1, 10])).to_array());   //= [6.0, 120.0]
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn hvp(ctx: NativeCallContext, f: Dynamic, x: Tensor, v: Tensor) -> Outcome<Tensor> {
        Ok(crate::tensor::hvp(&one("hvp", &ctx, f)?, &x, &v)?)
    }

    /// The value of a function at x, and its Jacobian times `v`, in forward mode: one pass, and no
    /// graph.
    ///
    /// ```rhai
    /// let found = jvp(|x| x.pow(2), tensor::of([1, 2]), tensor::of([1, 10]));
    /// print(found.value.to_array());   //= [1.0, 4.0]
    /// print(found.jvp.to_array());     //= [2.0, 40.0]
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn jvp(ctx: NativeCallContext, f: Dynamic, x: Tensor, v: Tensor) -> Outcome<Map> {
        let f = function("jvp", &ctx, f)?;
        let call = |x: &[Tensor]| Ok(vec![f(x)?]);
        let (mut value, mut product) = aten::jvp(&call, &[x], &[v])?;
        Ok(pair(
            ["value", "jvp"],
            (value.swap_remove(0), product.swap_remove(0)),
        ))
    }

    /// The value of a function at x, and the transpose of its Jacobian times `v`, which is like the
    /// value. Both can be differentiated again.
    ///
    /// ```rhai
    /// let found = vjp(|x| x.pow(2), tensor::of([1, 2]), tensor::of([1, 10]));
    /// print(found.vjp.to_array());     //= [2.0, 40.0]
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn vjp(ctx: NativeCallContext, f: Dynamic, x: Tensor, v: Tensor) -> Outcome<Map> {
        let found = crate::tensor::vjp(&one("vjp", &ctx, f)?, &x, &v)?;
        Ok(pair(["value", "vjp"], found))
    }

    /// A function of one row, mapped over all rows of x at once: `f` sees a tensor without the first
    /// dimension, and what it gives is stacked. Random numbers differ from row to row. What stops
    /// at single values (`.item()`, `if`) does not work inside.
    ///
    /// ```rhai
    /// let x = tensor::of([[1, 2], [3, 4]]);
    /// print(vmap(|row| row.matmul(row), x).to_array());   //= [5.0, 25.0]
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn vmap(ctx: NativeCallContext, f: Dynamic, x: Tensor) -> Outcome<Tensor> {
        let f = function("vmap", &ctx, f)?;
        Ok(over_rows(&f, &[x])?)
    }

    /// The same as a function, to be called later with one tensor or several.
    ///
    /// ```rhai
    /// let dots = vmap(|a, b| a.matmul(b));
    /// print(dots(tensor::of([[1, 2], [3, 4]]), tensor::ones([2, 2])).to_array());   //= [3.0, 7.0]
    /// ```
    #[rhai_fn(global, return_raw, name = "vmap")]
    pub fn vmap_function(ctx: NativeCallContext, f: Dynamic) -> Outcome<FnPtr> {
        let f = function("vmap", &ctx, f)?;
        mapped(move |inputs| over_rows(&f, inputs))
    }

    /// A function of one row of each of several tensors, mapped over all rows at once.
    ///
    /// ```rhai
    /// let x = tensor::of([[1, 2], [3, 4]]);
    /// let w = tensor::of([[1, 0], [0, 1]]);
    /// print(vmap(|row, w| row.matmul(w), [x, w]).to_array());   //= [1.0, 4.0]
    /// ```
    #[rhai_fn(global, return_raw, name = "vmap")]
    pub fn vmap_several(ctx: NativeCallContext, f: Dynamic, inputs: Array) -> Outcome<Tensor> {
        let f = function("vmap", &ctx, f)?;
        let inputs: Vec<Tensor> = object_list("vmap", "tensors", &inputs)?;
        Ok(over_rows(&f, &inputs)?)
    }

    /// For each row of x, the gradient of the number that `f` gives for it.
    ///
    /// ```rhai
    /// let x = tensor::of([[1, 2], [3, 4]]);
    /// print(vmap_grad(|row| row.pow(3).sum(), x).to_array());   //= [3.0, 12.0, 27.0, 48.0]
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn vmap_grad(ctx: NativeCallContext, f: Dynamic, x: Tensor) -> Outcome<Tensor> {
        let f = function("vmap_grad", &ctx, f)?;
        let call = |x: &[Tensor]| Ok(vec![f(x)?]);
        Ok(aten::vmap_gradient(&call, &x)?)
    }

    /// The Laplacian of an energy, `ΔE(x) = Σ_i ∂²E/∂x_i²`, `[B]`: exact, with one pass back for
    /// each dimension of x, or with `samples` by Hutchinson's estimate. The trace that score
    /// matching needs (Hyvärinen, 2005): of `log p` it is `-ΔE`.
    ///
    /// ```rhai
    /// let e = energy::of(|x| x.pow(3).sum(1));
    /// print(laplacian(e, tensor::of([[1, 2]])).to_array());                      //= [18.0]
    /// print(laplacian(e, tensor::of([[1, 2]]), #{ samples: 4 }).to_array());     //= [18.0]
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn laplacian(
        ctx: NativeCallContext,
        energy: Energy,
        x: Tensor,
        options: Map,
    ) -> Outcome<Tensor> {
        let options: LaplacianOptions = super::options(&ctx, &options)?;
        if options.samples > 0 {
            super::super::tensor::fresh(&ctx);
        }
        Ok(energy.laplacian(&x, &options)?)
    }

    /// Runs a function without recording gradients, and gives what it gives: what is computed inside
    /// counts as constant.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]).leaf();
    /// print(no_grad(|| (x * x).sum()).requires_grad);   //= false
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn no_grad(ctx: NativeCallContext, f: FnPtr) -> Outcome<Dynamic> {
        let _guard = crate::tensor::no_grad();
        f.call_raw(&ctx, None, [])
    }
}
