//! Arithmetic between tensors and numbers, in both orders.

use rhai::plugin::*;

use super::super::edge::Outcome;
use super::given;
use crate::tensor::Tensor;

#[export_module(manifest)]
pub mod functions {
    /// Sum of two tensors, element by element; shapes broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x + x).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "+")]
    pub fn add_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.add(&b)?)
    }

    /// Sum of a tensor and a number.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2]) + 10);
    /// //= tensor [2] float32 on cpu
    /// //= [11, 12]
    /// ```
    #[rhai_fn(global, return_raw, name = "+")]
    pub fn add_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.add(given(1, b))?)
    }

    /// Sum of a number and a tensor.
    ///
    /// ```rhai
    /// print((4 + tensor::of([2, 2])).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "+")]
    pub fn add_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.add(given(0, a))?)
    }

    /// Difference of two tensors, element by element; shapes broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x - x).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "-")]
    pub fn sub_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.sub(&b)?)
    }

    /// Difference of a tensor and a number.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2]) - 1);
    /// //= tensor [2] float32 on cpu
    /// //= [0, 1]
    /// ```
    #[rhai_fn(global, return_raw, name = "-")]
    pub fn sub_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.sub(given(1, b))?)
    }

    /// Difference of a number and a tensor.
    ///
    /// ```rhai
    /// print((4 - tensor::of([2, 2])).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "-")]
    pub fn sub_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.neg()?.add(given(0, a))?)
    }

    /// Product of two tensors, element by element; shapes broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x * x).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "*")]
    pub fn mul_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.mul(&b)?)
    }

    /// Product of a tensor and a number.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2]) * 3);
    /// //= tensor [2] float32 on cpu
    /// //= [3, 6]
    /// print((tensor::ints([1, 2]) * 3).dtype);     //= int64
    /// print((tensor::ints([1, 2]) * 3.0).dtype);   //= float32
    /// ```
    #[rhai_fn(global, return_raw, name = "*")]
    pub fn mul_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.mul(given(1, b))?)
    }

    /// Product of a number and a tensor.
    ///
    /// ```rhai
    /// print((4 * tensor::of([2, 2])).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "*")]
    pub fn mul_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.mul(given(0, a))?)
    }

    /// Quotient of two tensors, element by element; shapes broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x / x).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "/")]
    pub fn div_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.div(&b)?)
    }

    /// Quotient of a tensor and a number.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2]) / 2);
    /// //= tensor [2] float32 on cpu
    /// //= [0.5, 1]
    /// ```
    #[rhai_fn(global, return_raw, name = "/")]
    pub fn div_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.div(given(1, b))?)
    }

    /// Quotient of a number and a tensor.
    ///
    /// ```rhai
    /// print((4 / tensor::of([2, 2])).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "/")]
    pub fn div_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.divides(given(0, a))?)
    }

    /// Power of two tensors, element by element; shapes broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x ** x).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "**")]
    pub fn pow_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.pow(&b)?)
    }

    /// Power of a tensor and a number.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2]) ** 3);
    /// //= tensor [2] float32 on cpu
    /// //= [1, 8]
    /// ```
    #[rhai_fn(global, return_raw, name = "**")]
    pub fn pow_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.pow(given(1, b))?)
    }

    /// Power of a number and a tensor.
    ///
    /// ```rhai
    /// print((4 ** tensor::of([2, 2])).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "**")]
    pub fn pow_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.exponent_of(given(0, a))?)
    }

    /// Remainder of two tensors, element by element; shapes broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x % x).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "%")]
    pub fn remainder_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.remainder(&b)?)
    }

    /// Remainder of a tensor and a number.
    ///
    /// ```rhai
    /// print(tensor::of([5, 7]) % 3);
    /// //= tensor [2] float32 on cpu
    /// //= [2, 1]
    /// ```
    #[rhai_fn(global, return_raw, name = "%")]
    pub fn remainder_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.remainder(given(1, b))?)
    }

    /// Remainder of a number and a tensor.
    ///
    /// ```rhai
    /// print((4 % tensor::of([2, 2])).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "%")]
    pub fn remainder_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.remainder_of(given(0, a))?)
    }
}
