//! Functions of tensors that look at more than one element: products, softmax, matrices, and random
//! draws.

use rhai::plugin::*;

use super::super::edge::Outcome;
use super::fresh;
use crate::tensor::Tensor;

#[export_module(manifest)]
pub mod functions {
    /// Matrix product, with PyTorch's rules for vectors and batches.
    ///
    /// ```rhai
    /// print(tensor::ones([2, 3]).matmul(tensor::ones([3, 4])).shape);   //= [2, 4]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn matmul(t: &mut Tensor, other: Tensor) -> Outcome<Tensor> {
        Ok(t.matmul(&other)?)
    }

    /// Scalar product of two vectors.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2]).dot(tensor::of([3, 4])));   //= 11
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn dot(t: &mut Tensor, other: Tensor) -> Outcome<Tensor> {
        Ok(t.dot(&other)?)
    }

    /// A number wherever the mask is true.
    ///
    /// ```rhai
    /// let x = tensor::of([1, -2]);
    /// print(x.masked_fill(x < 0, 0).sum());   //= 1
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn masked_fill(t: &mut Tensor, mask: Tensor, value: f64) -> Outcome<Tensor> {
        Ok(t.masked_fill(&mask, value)?)
    }

    /// Softmax along a dimension.
    ///
    /// ```rhai
    /// print(tensor::of([[0, 0]]).softmax(1));
    /// //= tensor [1, 2] float32 on cpu
    /// //= [[0.5, 0.5]]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn softmax(t: &mut Tensor, dim: i64) -> Outcome<Tensor> {
        Ok(t.softmax(dim)?)
    }

    /// Logarithm of the softmax along a dimension, without overflow.
    ///
    /// ```rhai
    /// print(tensor::of([[0, 0]]).log_softmax(1).exp().sum());   //= 1
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn log_softmax(t: &mut Tensor, dim: i64) -> Outcome<Tensor> {
        Ok(t.log_softmax(dim)?)
    }

    /// Labels [B] as rows [B, classes] of 0 and 1 (int64).
    ///
    /// ```rhai
    /// print(tensor::ints([2, 0]).one_hot(3));
    /// //= tensor [2, 3] int64 on cpu
    /// //= [[0, 0, 1],
    /// //=  [1, 0, 0]]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn one_hot(t: &mut Tensor, classes: i64) -> Outcome<Tensor> {
        Ok(t.one_hot(classes)?)
    }

    /// Inverse of a square matrix.
    ///
    /// ```rhai
    /// print((2 * tensor::eye(2)).inverse().sum());   //= 1
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn inverse(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.inverse()?)
    }

    /// Determinant of a square matrix.
    ///
    /// ```rhai
    /// print((2 * tensor::eye(2)).det().item());   //= 4.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn det(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.det()?)
    }

    /// Lower Cholesky factor of a symmetric positive definite matrix.
    ///
    /// ```rhai
    /// print((4 * tensor::eye(2)).cholesky().sum());   //= 4
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn cholesky(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.cholesky()?)
    }

    /// Standard normal numbers of this shape, type and device.
    ///
    /// ```rhai
    /// print(tensor::zeros([2, 3]).randn_like().shape);   //= [2, 3]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn randn_like(ctx: NativeCallContext, t: &mut Tensor) -> Outcome<Tensor> {
        fresh(&ctx);
        Ok(t.randn_like()?)
    }

    /// Uniform numbers in [0, 1) of this shape, type and device.
    ///
    /// ```rhai
    /// print(tensor::zeros([2, 3]).rand_like().max().item() < 1);   //= true
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn rand_like(ctx: NativeCallContext, t: &mut Tensor) -> Outcome<Tensor> {
        fresh(&ctx);
        Ok(t.rand_like()?)
    }

    /// 0 or 1, with these probabilities of 1.
    ///
    /// ```rhai
    /// print(tensor::ones([5]).bernoulli().sum());   //= 5
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn bernoulli(ctx: NativeCallContext, t: &mut Tensor) -> Outcome<Tensor> {
        fresh(&ctx);
        Ok(t.bernoulli()?)
    }

    /// Indices drawn with these weights, with replacement: [n] or [B, n] to int64 [draws] or [B,
    /// draws].
    ///
    /// ```rhai
    /// print(tensor::of([0, 1]).multinomial(3));
    /// //= tensor [3] int64 on cpu
    /// //= [1, 1, 1]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn multinomial(ctx: NativeCallContext, t: &mut Tensor, draws: i64) -> Outcome<Tensor> {
        fresh(&ctx);
        Ok(t.multinomial(draws, true)?)
    }
}
