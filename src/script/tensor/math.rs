//! Elementary functions of tensors, element by element.

use rhai::plugin::*;

use super::super::edge::Outcome;
use crate::tensor::Tensor;

#[export_module(manifest)]
pub mod functions {
    /// −x, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2]).neg().sum());   //= -3
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn neg(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.neg()?)
    }

    /// |x|, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([-1, 2]).abs().sum());   //= 3
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn abs(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.abs()?)
    }

    /// −1, 0 or 1, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([-5, 2]).sign().sum());   //= 0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn sign(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.sign()?)
    }

    /// eˣ, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([0]).exp().item());   //= 1.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn exp(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.exp()?)
    }

    /// eˣ − 1, accurate near 0, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([0]).expm1().item());   //= 0.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn expm1(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.expm1()?)
    }

    /// Natural logarithm, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([1]).log().item());   //= 0.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn log(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.log()?)
    }

    /// log(1 + x), accurate near 0, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([0]).log1p().item());   //= 0.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn log1p(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.log1p()?)
    }

    /// Logarithm to base 2, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([8]).log2().item());   //= 3.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn log2(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.log2()?)
    }

    /// Logarithm to base 10, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([100]).log10().item());   //= 2.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn log10(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.log10()?)
    }

    /// √x, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([9]).sqrt().item());   //= 3.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn sqrt(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.sqrt()?)
    }

    /// 1/√x, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([4]).rsqrt().item());   //= 0.5
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn rsqrt(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.rsqrt()?)
    }

    /// x², element by element.
    ///
    /// ```rhai
    /// print(tensor::of([3]).square().item());   //= 9.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn square(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.square()?)
    }

    /// 1/x, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([4]).reciprocal().item());   //= 0.25
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn reciprocal(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.reciprocal()?)
    }

    /// Sine, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([0]).sin().item());   //= 0.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn sin(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.sin()?)
    }

    /// Cosine, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([0]).cos().item());   //= 1.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn cos(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.cos()?)
    }

    /// Tangent, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([0]).tan().item());   //= 0.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn tan(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.tan()?)
    }

    /// Inverse sine, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([0]).asin().item());   //= 0.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn asin(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.asin()?)
    }

    /// Inverse cosine, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([1]).acos().item());   //= 0.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn acos(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.acos()?)
    }

    /// Inverse tangent, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([0]).atan().item());   //= 0.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn atan(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.atan()?)
    }

    /// Hyperbolic sine, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([0]).sinh().item());   //= 0.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn sinh(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.sinh()?)
    }

    /// Hyperbolic cosine, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([0]).cosh().item());   //= 1.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn cosh(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.cosh()?)
    }

    /// Hyperbolic tangent, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([0]).tanh().item());   //= 0.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn tanh(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.tanh()?)
    }

    /// Error function, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([0]).erf().item());   //= 0.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn erf(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.erf()?)
    }
}
