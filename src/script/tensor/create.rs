//! Making tensors: from numbers, constant, random, joined.

use rhai::plugin::*;
use rhai::{Array, Dynamic};

use super::super::arguments::{int_list, object_list};
use super::super::edge::Outcome;
use super::super::value::data;
use super::fresh;
use crate::error::Result;
use crate::tensor::Tensor;

/// A tensor, number or nested array of numbers as a tensor; `what` wants it.
pub fn nested(what: &str, value: &Dynamic) -> Result<Tensor> {
    data(value)
        .and_then(|v| Tensor::nested(&v))
        .map_err(|e| e.context(what))
}

#[export_module(manifest)]
pub mod functions {
    /// A tensor from a number or an array of numbers, nested for more dimensions; float32 on the
    /// device in use. An array of whole numbers gives floats too: see `tensor::ints`.
    ///
    /// ```rhai
    /// print(tensor::of([[1, 2], [3, 4.5]]));
    /// //= tensor [2, 2] float32 on cpu
    /// //= [[1, 2],
    /// //=  [3, 4.5]]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn of(values: Dynamic) -> Outcome<Tensor> {
        Ok(nested("tensor::of", &values)?)
    }

    /// A one-dimensional tensor of whole numbers (int64): labels, indices.
    ///
    /// ```rhai
    /// print(tensor::ints([3, 1, 2]));
    /// //= tensor [3] int64 on cpu
    /// //= [3, 1, 2]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn ints(values: Array) -> Outcome<Tensor> {
        Ok(Tensor::of_ints(&int_list("tensor::ints", &values)?)?)
    }

    /// A tensor that is trained: a temperature, a mean, a prompt. Use it as any tensor; an optimiser
    /// takes it (alone, or in an array with networks), and energies and layers written as functions
    /// name it in `params`.
    ///
    /// ```rhai
    /// let scale = tensor::parameter(1.0);
    /// let e = energy::of(|x| scale * x.pow(2).sum(1), #{ params: [scale] });
    /// let opt = optim::sgd(e, #{ lr: 0.1 });
    /// opt.step(e.energy(tensor::of([[1, 2]])).sum());   // d/dscale = 5, so it falls by 0.5
    /// print(scale.item());                              //= 0.5
    /// ```
    #[rhai_fn(return_raw)]
    pub fn parameter(value: Dynamic) -> Outcome<Tensor> {
        Ok(nested("tensor::parameter", &value)?.copy()?.leaf()?)
    }

    /// Zeros of a shape; float32.
    ///
    /// ```rhai
    /// print(tensor::zeros([2, 3]).shape);   //= [2, 3]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn zeros(shape: Array) -> Outcome<Tensor> {
        Ok(Tensor::zeros(&int_list("tensor::zeros", &shape)?)?)
    }

    /// Ones of a shape; float32.
    ///
    /// ```rhai
    /// print(tensor::ones([2, 2]).sum());    //= 4
    /// ```
    #[rhai_fn(return_raw)]
    pub fn ones(shape: Array) -> Outcome<Tensor> {
        Ok(Tensor::ones(&int_list("tensor::ones", &shape)?)?)
    }

    /// One number everywhere; float32.
    ///
    /// ```rhai
    /// print(tensor::full([2, 2], 0.5).sum());   //= 2
    /// ```
    #[rhai_fn(return_raw)]
    pub fn full(shape: Array, value: f64) -> Outcome<Tensor> {
        Ok(Tensor::full(&int_list("tensor::full", &shape)?, value)?)
    }

    /// The identity matrix of size n; float32.
    ///
    /// ```rhai
    /// print(tensor::eye(3).sum());          //= 3
    /// ```
    #[rhai_fn(return_raw)]
    pub fn eye(n: i64) -> Outcome<Tensor> {
        Ok(Tensor::eye(n)?)
    }

    /// The numbers start, start + step, … below end; float32.
    ///
    /// ```rhai
    /// print(tensor::arange(0, 1, 0.25).len());   //= 4
    /// ```
    #[rhai_fn(return_raw)]
    pub fn arange(start: f64, end: f64, step: f64) -> Outcome<Tensor> {
        Ok(Tensor::arange(start, end, step)?)
    }

    /// The numbers 0, 1, … below end; float32.
    ///
    /// ```rhai
    /// print(tensor::arange(3));
    /// //= tensor [3] float32 on cpu
    /// //= [0, 1, 2]
    /// ```
    #[rhai_fn(return_raw, name = "arange")]
    pub fn arange_to(end: f64) -> Outcome<Tensor> {
        Ok(Tensor::arange(0.0, end, 1.0)?)
    }

    /// Evenly spaced numbers, both ends included; float32.
    ///
    /// ```rhai
    /// print(tensor::linspace(-1, 1, 5).get(1));   //= -0.5
    /// ```
    #[rhai_fn(return_raw)]
    pub fn linspace(start: f64, end: f64, steps: i64) -> Outcome<Tensor> {
        Ok(Tensor::linspace(start, end, steps)?)
    }

    /// Standard normal numbers of a shape; float32. Drawn from the session's seed: the same in
    /// every run.
    ///
    /// ```rhai
    /// print(tensor::randn([4, 2]).shape);   //= [4, 2]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn randn(ctx: NativeCallContext, shape: Array) -> Outcome<Tensor> {
        fresh(&ctx);
        Ok(Tensor::randn(&int_list("tensor::randn", &shape)?)?)
    }

    /// Uniform numbers in [0, 1) of a shape; float32.
    ///
    /// ```rhai
    /// print(tensor::rand([100]).max().item() < 1);   //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn rand(ctx: NativeCallContext, shape: Array) -> Outcome<Tensor> {
        fresh(&ctx);
        Ok(Tensor::uniform(
            &int_list("tensor::rand", &shape)?,
            0.0,
            1.0,
        )?)
    }

    /// Uniform numbers in [low, high) of a shape; float32.
    ///
    /// ```rhai
    /// print(tensor::uniform([100], -1, 1).min().item() >= -1);   //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn uniform(ctx: NativeCallContext, shape: Array, low: f64, high: f64) -> Outcome<Tensor> {
        fresh(&ctx);
        Ok(Tensor::uniform(
            &int_list("tensor::uniform", &shape)?,
            low,
            high,
        )?)
    }

    /// Whole numbers in [0, high) of a shape; int64.
    ///
    /// ```rhai
    /// print(tensor::randint(10, [5]).dtype);   //= int64
    /// ```
    #[rhai_fn(return_raw)]
    pub fn randint(ctx: NativeCallContext, high: i64, shape: Array) -> Outcome<Tensor> {
        fresh(&ctx);
        Ok(Tensor::randint(
            high,
            &int_list("tensor::randint", &shape)?,
        )?)
    }

    /// The numbers 0 … n − 1 in random order; int64.
    ///
    /// ```rhai
    /// print(tensor::randperm(5).sum());     //= 10
    /// ```
    #[rhai_fn(return_raw)]
    pub fn randperm(ctx: NativeCallContext, n: i64) -> Outcome<Tensor> {
        fresh(&ctx);
        Ok(Tensor::randperm(n)?)
    }

    /// Tensors joined along a dimension that they have.
    ///
    /// ```rhai
    /// print(tensor::cat([tensor::zeros([2, 3]), tensor::ones([1, 3])], 0).shape);   //= [3, 3]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn cat(tensors: Array, dim: i64) -> Outcome<Tensor> {
        Ok(Tensor::cat(
            &object_list("tensor::cat", "tensors", &tensors)?,
            dim,
        )?)
    }

    /// Tensors joined along the first dimension.
    ///
    /// ```rhai
    /// print(tensor::cat([tensor::zeros([2]), tensor::ones([1])]).shape);   //= [3]
    /// ```
    #[rhai_fn(return_raw, name = "cat")]
    pub fn cat_rows(tensors: Array) -> Outcome<Tensor> {
        Ok(Tensor::cat(
            &object_list("tensor::cat", "tensors", &tensors)?,
            0,
        )?)
    }

    /// Tensors of one shape joined along a new dimension.
    ///
    /// ```rhai
    /// print(tensor::stack([tensor::zeros([3]), tensor::ones([3])], 1).shape);   //= [3, 2]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn stack(tensors: Array, dim: i64) -> Outcome<Tensor> {
        Ok(Tensor::stack(
            &object_list("tensor::stack", "tensors", &tensors)?,
            dim,
        )?)
    }

    /// Tensors of one shape joined along a new first dimension.
    ///
    /// ```rhai
    /// print(tensor::stack([tensor::zeros([3]), tensor::ones([3])]).shape);   //= [2, 3]
    /// ```
    #[rhai_fn(return_raw, name = "stack")]
    pub fn stack_rows(tensors: Array) -> Outcome<Tensor> {
        Ok(Tensor::stack(
            &object_list("tensor::stack", "tensors", &tensors)?,
            0,
        )?)
    }

    /// `yes` where the mask is true, `no` elsewhere; shapes broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([-1, 2]);
    /// print(tensor::choose(x > 0, x, x + 1));
    /// //= tensor [2] float32 on cpu
    /// //= [0, 2]
    /// ```
    #[rhai_fn(return_raw, name = "choose")]
    pub fn where_mask(mask: Tensor, yes: Tensor, no: Tensor) -> Outcome<Tensor> {
        Ok(yes.where_mask(&mask, &no)?)
    }
}
