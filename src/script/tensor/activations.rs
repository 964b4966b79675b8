//! Functions of tensors, element by element, that bend, round or bound: activations, whole numbers,
//! clamps.

use rhai::plugin::*;

use super::super::edge::Outcome;
use super::given;
use crate::tensor::Tensor;

#[export_module(manifest)]
pub mod functions {
    /// 1/(1 + e⁻ˣ), element by element.
    ///
    /// ```rhai
    /// print(tensor::of([0]).sigmoid().item());   //= 0.5
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn sigmoid(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.sigmoid()?)
    }

    /// log of the sigmoid, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([0]).log_sigmoid().item() < -0.69);   //= true
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn log_sigmoid(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.log_sigmoid()?)
    }

    /// max(x, 0), element by element.
    ///
    /// ```rhai
    /// print(tensor::of([-1, 2]).relu().sum());   //= 2
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn relu(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.relu()?)
    }

    /// x · sigmoid(x), also called swish, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([0]).silu().item());   //= 0.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn silu(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.silu()?)
    }

    /// Gaussian error linear unit, exact form, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([0]).gelu().item());   //= 0.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn gelu(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.gelu()?)
    }

    /// log(1 + eˣ), element by element.
    ///
    /// ```rhai
    /// print(tensor::of([0]).softplus().item() > 0.69);   //= true
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn softplus(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.softplus()?)
    }

    /// Rounded down, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([1.7]).floor().item());   //= 1.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn floor(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.floor()?)
    }

    /// Rounded up, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([1.2]).ceil().item());   //= 2.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn ceil(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.ceil()?)
    }

    /// Rounded to the nearest, halves to even, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([1.6]).round().item());   //= 2.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn round(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.round()?)
    }

    /// Cut towards 0, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([-1.6]).trunc().item());   //= -1.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn trunc(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.trunc()?)
    }

    /// Where not a number (bool), element by element.
    ///
    /// ```rhai
    /// print(tensor::of([0.0]).log().isnan().any());   //= false
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn isnan(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.isnan()?)
    }

    /// Where infinite (bool), element by element.
    ///
    /// ```rhai
    /// print(tensor::of([0.0]).log().isinf().any());   //= true
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn isinf(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.isinf()?)
    }

    /// Where finite (bool), element by element.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2]).isfinite().all());   //= true
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn isfinite(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.isfinite()?)
    }

    /// x where positive, slope · x elsewhere.
    ///
    /// ```rhai
    /// print(tensor::of([-1, 2]).leaky_relu(0.5).sum());   //= 1.5
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn leaky_relu(t: &mut Tensor, slope: f64) -> Outcome<Tensor> {
        Ok(t.leaky_relu(slope)?)
    }

    /// x where positive, alpha (eˣ − 1) elsewhere.
    ///
    /// ```rhai
    /// print(tensor::of([2]).elu(1.0).item());   //= 2.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn elu(t: &mut Tensor, alpha: f64) -> Outcome<Tensor> {
        Ok(t.elu(alpha)?)
    }

    /// Power, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2]).pow(3).sum());   //= 9
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn pow(t: &mut Tensor, exponent: f64) -> Outcome<Tensor> {
        Ok(t.pow(exponent)?)
    }

    /// Bounded to [low, high].
    ///
    /// ```rhai
    /// print(tensor::of([-3, 0.5, 3]).clamp(-1, 1).sum());   //= 0.5
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn clamp(t: &mut Tensor, low: f64, high: f64) -> Outcome<Tensor> {
        let (least, most) = (given(1, low), given(2, high));
        if low > high {
            return Ok(t.clamp(Some(low), Some(high))?);
        }
        Ok(t.clamp_to(Some(least), Some(most))?)
    }

    /// Bounded below.
    ///
    /// ```rhai
    /// print(tensor::of([-3, 2]).clamp_min(0).sum());   //= 2
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn clamp_min(t: &mut Tensor, low: f64) -> Outcome<Tensor> {
        Ok(t.clamp_to(Some(given(1, low)), None)?)
    }

    /// Bounded above.
    ///
    /// ```rhai
    /// print(tensor::of([-3, 2]).clamp_max(0).sum());   //= -3
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn clamp_max(t: &mut Tensor, high: f64) -> Outcome<Tensor> {
        Ok(t.clamp_to(None, Some(given(1, high)))?)
    }

    /// The larger of two, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([1, 5]).maximum(tensor::of([3, 3])).sum());   //= 8
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn maximum(t: &mut Tensor, other: Tensor) -> Outcome<Tensor> {
        Ok(t.maximum(&other)?)
    }

    /// The smaller of two, element by element.
    ///
    /// ```rhai
    /// print(tensor::of([1, 5]).minimum(tensor::of([3, 3])).sum());   //= 4
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn minimum(t: &mut Tensor, other: Tensor) -> Outcome<Tensor> {
        Ok(t.minimum(&other)?)
    }
}
