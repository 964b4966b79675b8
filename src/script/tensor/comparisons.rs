//! Comparisons between tensors and numbers, in both orders, and the operators `-x`, `!x`, `&`, `|`.

use rhai::plugin::*;

use super::super::edge::Outcome;
use super::number;
use crate::tensor::Tensor;

#[export_module(manifest)]
pub mod functions {
    /// Where two tensors are equal (bool), element by element.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x == x).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "==")]
    pub fn eq_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.eq(&b)?)
    }

    /// Where a tensor is equal to a number (bool).
    ///
    /// ```rhai
    /// print((tensor::of([1, 2, 3]) == 2).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "==")]
    pub fn eq_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.eq(number(&a, b))?)
    }

    /// The same with the number first.
    ///
    /// ```rhai
    /// print((2 == tensor::of([1, 2, 3])).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "==")]
    pub fn eq_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.eq(number(&b, a))?)
    }

    /// Where two tensors are different (bool), element by element.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x != x).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "!=")]
    pub fn ne_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.ne(&b)?)
    }

    /// Where a tensor differs from a number (bool).
    ///
    /// ```rhai
    /// print((tensor::of([1, 2, 3]) != 2).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "!=")]
    pub fn ne_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.ne(number(&a, b))?)
    }

    /// The same with the number first.
    ///
    /// ```rhai
    /// print((2 != tensor::of([1, 2, 3])).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "!=")]
    pub fn ne_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.ne(number(&b, a))?)
    }

    /// Where the left tensor is less than the right one (bool), element by element; shapes
    /// broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x < x).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "<")]
    pub fn lt_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.lt(&b)?)
    }

    /// Where a tensor is less than a number (bool).
    ///
    /// ```rhai
    /// print((tensor::of([1, 2, 3]) < 2).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "<")]
    pub fn lt_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.lt(number(&a, b))?)
    }

    /// The same with the number first.
    ///
    /// ```rhai
    /// print((2 < tensor::of([1, 2, 3])).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "<")]
    pub fn lt_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.gt(number(&b, a))?)
    }

    /// Where the left tensor is at most the right one (bool), element by element; shapes broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x <= x).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "<=")]
    pub fn le_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.le(&b)?)
    }

    /// Where a tensor is at most a number (bool).
    ///
    /// ```rhai
    /// print((tensor::of([1, 2, 3]) <= 2).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "<=")]
    pub fn le_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.le(number(&a, b))?)
    }

    /// The same with the number first.
    ///
    /// ```rhai
    /// print((2 <= tensor::of([1, 2, 3])).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "<=")]
    pub fn le_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.ge(number(&b, a))?)
    }

    /// Where the left tensor is greater than the right one (bool), element by element; shapes
    /// broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x > x).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = ">")]
    pub fn gt_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.gt(&b)?)
    }

    /// Where a tensor is greater than a number (bool).
    ///
    /// ```rhai
    /// print((tensor::of([1, 2, 3]) > 2).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = ">")]
    pub fn gt_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.gt(number(&a, b))?)
    }

    /// The same with the number first.
    ///
    /// ```rhai
    /// print((2 > tensor::of([1, 2, 3])).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = ">")]
    pub fn gt_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.lt(number(&b, a))?)
    }

    /// Where the left tensor is at least the right one (bool), element by element; shapes
    /// broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x >= x).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = ">=")]
    pub fn ge_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.ge(&b)?)
    }

    /// Where a tensor is at least a number (bool).
    ///
    /// ```rhai
    /// print((tensor::of([1, 2, 3]) >= 2).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = ">=")]
    pub fn ge_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.ge(number(&a, b))?)
    }

    /// The same with the number first.
    ///
    /// ```rhai
    /// print((2 >= tensor::of([1, 2, 3])).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = ">=")]
    pub fn ge_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.le(number(&b, a))?)
    }

    /// The negative.
    ///
    /// ```rhai
    /// print((-tensor::of([1, 2])).sum());   //= -3
    /// ```
    #[rhai_fn(global, return_raw, name = "-")]
    pub fn negative(a: Tensor) -> Outcome<Tensor> {
        Ok(a.neg()?)
    }

    /// True where 0 or false.
    ///
    /// ```rhai
    /// print((!tensor::of([0, 2])).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "!")]
    pub fn not(a: Tensor) -> Outcome<Tensor> {
        Ok(a.logical_not()?)
    }

    /// True where both are not 0. Written `&`: `&&` is for single truth values.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2, 3]);
    /// print(((x > 1) & (x < 3)).sum());   //= 1
    /// ```
    #[rhai_fn(global, return_raw, name = "&")]
    pub fn and(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.logical_and(&b)?)
    }

    /// True where one of them is not 0. Written `|`.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2, 3]);
    /// print(((x < 2) | (x > 2)).sum());   //= 2
    /// ```
    #[rhai_fn(global, return_raw, name = "|")]
    pub fn or(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.logical_or(&b)?)
    }
}
