//! Sums, means, extremes, norms; gradients.

use rhai::Array;
use rhai::plugin::*;

use super::super::arguments::int_list;
use super::super::edge::Outcome;
use crate::tensor::Tensor;

#[export_module(manifest)]
pub mod functions {
    /// Sum of all elements.
    ///
    /// ```rhai
    /// print(tensor::of([[1, 2], [3, 4]]).sum());   //= 10
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn sum(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.sum()?)
    }

    /// Sum along a dimension.
    ///
    /// ```rhai
    /// print(tensor::of([[1, 2], [3, 4]]).sum(1).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "sum", pure)]
    pub fn sum_dim(t: &mut Tensor, dim: i64) -> Outcome<Tensor> {
        Ok(t.sum_dims(&[dim], false)?)
    }

    /// Sum along several dimensions.
    ///
    /// ```rhai
    /// print(tensor::ones([2, 3, 4]).sum([1, 2]).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "sum", pure)]
    pub fn sum_dims(t: &mut Tensor, dims: Array) -> Outcome<Tensor> {
        Ok(t.sum_dims(&int_list("sum", &dims)?, false)?)
    }

    /// Sum along dimensions, which stay as 1 if `keep`.
    ///
    /// ```rhai
    /// print(tensor::ones([2, 3]).sum([1], true).shape);   //= [2, 1]
    /// ```
    #[rhai_fn(global, return_raw, name = "sum", pure)]
    pub fn sum_keep(t: &mut Tensor, dims: Array, keep: bool) -> Outcome<Tensor> {
        Ok(t.sum_dims(&int_list("sum", &dims)?, keep)?)
    }

    /// Mean of all elements.
    ///
    /// ```rhai
    /// print(tensor::of([[1, 2], [3, 4]]).mean());   //= 2.5
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn mean(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.mean()?)
    }

    /// Mean along a dimension.
    ///
    /// ```rhai
    /// print(tensor::of([[1, 2], [3, 4]]).mean(1).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "mean", pure)]
    pub fn mean_dim(t: &mut Tensor, dim: i64) -> Outcome<Tensor> {
        Ok(t.mean_dims(&[dim], false)?)
    }

    /// Mean along several dimensions.
    ///
    /// ```rhai
    /// print(tensor::ones([2, 3, 4]).mean([1, 2]).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "mean", pure)]
    pub fn mean_dims(t: &mut Tensor, dims: Array) -> Outcome<Tensor> {
        Ok(t.mean_dims(&int_list("mean", &dims)?, false)?)
    }

    /// Mean along dimensions, which stay as 1 if `keep`.
    ///
    /// ```rhai
    /// print(tensor::ones([2, 3]).mean([1], true).shape);   //= [2, 1]
    /// ```
    #[rhai_fn(global, return_raw, name = "mean", pure)]
    pub fn mean_keep(t: &mut Tensor, dims: Array, keep: bool) -> Outcome<Tensor> {
        Ok(t.mean_dims(&int_list("mean", &dims)?, keep)?)
    }

    /// Standard deviation (n − 1) of all elements.
    ///
    /// ```rhai
    /// print(tensor::of([[1, 1], [1, 1]]).std());   //= 0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn std(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.std()?)
    }

    /// Standard deviation (n − 1) along a dimension.
    ///
    /// ```rhai
    /// print(tensor::of([[1, 1], [1, 1]]).std(1).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "std", pure)]
    pub fn std_dim(t: &mut Tensor, dim: i64) -> Outcome<Tensor> {
        Ok(t.std_dims(&[dim], false)?)
    }

    /// Standard deviation (n − 1) along several dimensions.
    ///
    /// ```rhai
    /// print(tensor::ones([2, 3, 4]).std([1, 2]).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "std", pure)]
    pub fn std_dims(t: &mut Tensor, dims: Array) -> Outcome<Tensor> {
        Ok(t.std_dims(&int_list("std", &dims)?, false)?)
    }

    /// Standard deviation (n − 1) along dimensions, which stay as 1 if `keep`.
    ///
    /// ```rhai
    /// print(tensor::ones([2, 3]).std([1], true).shape);   //= [2, 1]
    /// ```
    #[rhai_fn(global, return_raw, name = "std", pure)]
    pub fn std_keep(t: &mut Tensor, dims: Array, keep: bool) -> Outcome<Tensor> {
        Ok(t.std_dims(&int_list("std", &dims)?, keep)?)
    }

    /// Variance (n − 1) of all elements.
    ///
    /// ```rhai
    /// print(tensor::of([[1, 1], [1, 1]]).variance());   //= 0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn variance(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.var()?)
    }

    /// Variance (n − 1) along a dimension.
    ///
    /// ```rhai
    /// print(tensor::of([[1, 1], [1, 1]]).variance(1).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "variance", pure)]
    pub fn variance_dim(t: &mut Tensor, dim: i64) -> Outcome<Tensor> {
        Ok(t.var_dims(&[dim], false)?)
    }

    /// Variance (n − 1) along several dimensions.
    ///
    /// ```rhai
    /// print(tensor::ones([2, 3, 4]).variance([1, 2]).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "variance", pure)]
    pub fn variance_dims(t: &mut Tensor, dims: Array) -> Outcome<Tensor> {
        Ok(t.var_dims(&int_list("variance", &dims)?, false)?)
    }

    /// Variance (n − 1) along dimensions, which stay as 1 if `keep`.
    ///
    /// ```rhai
    /// print(tensor::ones([2, 3]).variance([1], true).shape);   //= [2, 1]
    /// ```
    #[rhai_fn(global, return_raw, name = "variance", pure)]
    pub fn variance_keep(t: &mut Tensor, dims: Array, keep: bool) -> Outcome<Tensor> {
        Ok(t.var_dims(&int_list("variance", &dims)?, keep)?)
    }

    /// Largest element.
    ///
    /// ```rhai
    /// print(tensor::of([[1, 2], [3, 4]]).max());   //= 4
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn max(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.max()?)
    }

    /// Largest along a dimension.
    ///
    /// ```rhai
    /// print(tensor::of([[1, 2], [3, 4]]).max(0).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "max", pure)]
    pub fn max_dim(t: &mut Tensor, dim: i64) -> Outcome<Tensor> {
        Ok(t.max_dim(dim, false)?)
    }

    /// Index of the largest along a dimension (int64).
    ///
    /// ```rhai
    /// print(tensor::of([[1, 2], [4, 3]]).argmax(1));
    /// //= tensor [2] int64 on cpu
    /// //= [1, 0]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn argmax(t: &mut Tensor, dim: i64) -> Outcome<Tensor> {
        Ok(t.argmax(dim)?)
    }

    /// Smallest element.
    ///
    /// ```rhai
    /// print(tensor::of([[1, 2], [3, 4]]).min());   //= 1
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn min(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.min()?)
    }

    /// Smallest along a dimension.
    ///
    /// ```rhai
    /// print(tensor::of([[1, 2], [3, 4]]).min(0).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "min", pure)]
    pub fn min_dim(t: &mut Tensor, dim: i64) -> Outcome<Tensor> {
        Ok(t.min_dim(dim, false)?)
    }

    /// Index of the smallest along a dimension (int64).
    ///
    /// ```rhai
    /// print(tensor::of([[1, 2], [4, 3]]).argmin(1));
    /// //= tensor [2] int64 on cpu
    /// //= [0, 1]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn argmin(t: &mut Tensor, dim: i64) -> Outcome<Tensor> {
        Ok(t.argmin(dim)?)
    }

    /// Product of all elements.
    ///
    /// ```rhai
    /// print(tensor::of([2, 3]).prod());   //= 6
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn prod(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.prod()?)
    }

    /// log Σ eˣ along a dimension, without overflow.
    ///
    /// ```rhai
    /// print(tensor::of([[1000, 1000]]).logsumexp(1).item() > 1000);   //= true
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn logsumexp(t: &mut Tensor, dim: i64) -> Outcome<Tensor> {
        Ok(t.logsumexp(dim)?)
    }

    /// Euclidean norm of all elements.
    ///
    /// ```rhai
    /// print(tensor::of([3, 4]).norm());   //= 5
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn norm(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.norm()?)
    }

    /// Euclidean norm along a dimension.
    ///
    /// ```rhai
    /// print(tensor::of([[3, 4]]).norm(1).item());   //= 5.0
    /// ```
    #[rhai_fn(global, return_raw, name = "norm", pure)]
    pub fn norm_dim(t: &mut Tensor, dim: i64) -> Outcome<Tensor> {
        Ok(t.norm_dims(&[dim], false)?)
    }

    /// Whether all elements are not 0.
    ///
    /// ```rhai
    /// print((tensor::of([1, 2]) > 0).all());   //= true
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn all(t: &mut Tensor) -> Outcome<bool> {
        Ok(t.all()?)
    }

    /// Whether any element is not 0.
    ///
    /// ```rhai
    /// print((tensor::of([1, 2]) > 3).any());   //= false
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn any(t: &mut Tensor) -> Outcome<bool> {
        Ok(t.any()?)
    }

    /// Running sum along a dimension.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2, 3]).cumsum(0));
    /// //= tensor [3] float32 on cpu
    /// //= [1, 3, 6]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn cumsum(t: &mut Tensor, dim: i64) -> Outcome<Tensor> {
        Ok(t.cumsum(dim)?)
    }

    /// Running product along a dimension.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2, 3]).cumprod(0)[2]);   //= 6
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn cumprod(t: &mut Tensor, dim: i64) -> Outcome<Tensor> {
        Ok(t.cumprod(dim)?)
    }

    /// Values sorted along the last dimension, smallest first.
    ///
    /// ```rhai
    /// print(tensor::of([3, 1, 2]).sort()[0]);   //= 1
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn sort(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.sort(-1, false)?)
    }

    /// Indices that sort along the last dimension, smallest first (int64).
    ///
    /// ```rhai
    /// print(tensor::of([3, 1, 2]).argsort()[0]);   //= 1
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn argsort(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.argsort(-1, false)?)
    }

    /// The k largest along the last dimension.
    ///
    /// ```rhai
    /// print(tensor::of([3, 1, 2]).topk(2).sum());   //= 5
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn topk(t: &mut Tensor, k: i64) -> Outcome<Tensor> {
        Ok(t.topk(k)?)
    }

    /// The quantile q in [0, 1] of all elements, with linear interpolation.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2, 3]).quantile(0.5));   //= 2
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn quantile(t: &mut Tensor, q: f64) -> Outcome<Tensor> {
        Ok(t.quantile(q)?)
    }

    /// How often each whole number from 0 to bins − 1 occurs.
    ///
    /// ```rhai
    /// print(tensor::ints([0, 2, 2]).bincount(3));
    /// //= tensor [3] int64 on cpu
    /// //= [1, 0, 2]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn bincount(t: &mut Tensor, bins: i64) -> Outcome<Tensor> {
        Ok(t.bincount(bins)?)
    }
}
