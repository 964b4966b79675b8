//! Elementary functions of plain numbers: those of tensors, with the same names.

use rhai::plugin::*;

use super::edge::{Outcome, was_whole};
use super::format::{Format, number};
use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, Tensor};

#[export_module(manifest)]
pub mod functions {
    /// The square root, √x.
    ///
    /// ```rhai
    /// print(sqrt(4));   //= 2.0
    /// ```
    #[rhai_fn(global, name = "sqrt")]
    pub fn sqrt_number(x: f64) -> f64 {
        x.sqrt()
    }

    /// The exponential function, eˣ.
    ///
    /// ```rhai
    /// print(exp(0));   //= 1.0
    /// ```
    #[rhai_fn(global, name = "exp")]
    pub fn exp_number(x: f64) -> f64 {
        x.exp()
    }

    /// eˣ − 1, accurate near 0.
    ///
    /// ```rhai
    /// print(expm1(0));   //= 0.0
    /// ```
    #[rhai_fn(global, name = "expm1")]
    pub fn expm1_number(x: f64) -> f64 {
        x.exp_m1()
    }

    /// Natural logarithm.
    ///
    /// ```rhai
    /// print(log(exp(2)));   //= 2.0
    /// ```
    #[rhai_fn(global, name = "log")]
    pub fn log_number(x: f64) -> f64 {
        x.ln()
    }

    /// log(1 + x), accurate near 0.
    ///
    /// ```rhai
    /// print(log1p(0));   //= 0.0
    /// ```
    #[rhai_fn(global, name = "log1p")]
    pub fn log1p_number(x: f64) -> f64 {
        x.ln_1p()
    }

    /// Logarithm to base 2.
    ///
    /// ```rhai
    /// print(log2(8));   //= 3.0
    /// ```
    #[rhai_fn(global, name = "log2")]
    pub fn log2_number(x: f64) -> f64 {
        x.log2()
    }

    /// Logarithm to base 10.
    ///
    /// ```rhai
    /// print(log10(100));   //= 2.0
    /// ```
    #[rhai_fn(global, name = "log10")]
    pub fn log10_number(x: f64) -> f64 {
        x.log10()
    }

    /// One over the square root, 1/√x.
    ///
    /// ```rhai
    /// print(rsqrt(4));   //= 0.5
    /// ```
    #[rhai_fn(global, name = "rsqrt")]
    pub fn rsqrt_number(x: f64) -> f64 {
        1.0 / x.sqrt()
    }

    /// One over the number, 1/x.
    ///
    /// ```rhai
    /// print(4.reciprocal());   //= 0.25
    /// ```
    #[rhai_fn(global, name = "reciprocal")]
    pub fn reciprocal_number(x: f64) -> f64 {
        1.0 / x
    }

    /// The sine, of radians.
    ///
    /// ```rhai
    /// print(sin(0));   //= 0.0
    /// ```
    #[rhai_fn(global, name = "sin")]
    pub fn sin_number(x: f64) -> f64 {
        x.sin()
    }

    /// The cosine, of radians.
    ///
    /// ```rhai
    /// print(cos(PI));   //= -1.0
    /// ```
    #[rhai_fn(global, name = "cos")]
    pub fn cos_number(x: f64) -> f64 {
        x.cos()
    }

    /// The tangent, of radians.
    ///
    /// ```rhai
    /// print(tan(0));   //= 0.0
    /// ```
    #[rhai_fn(global, name = "tan")]
    pub fn tan_number(x: f64) -> f64 {
        x.tan()
    }

    /// Inverse sine.
    ///
    /// ```rhai
    /// print(asin(0));   //= 0.0
    /// ```
    #[rhai_fn(global, name = "asin")]
    pub fn asin_number(x: f64) -> f64 {
        x.asin()
    }

    /// Inverse cosine.
    ///
    /// ```rhai
    /// print(acos(1));   //= 0.0
    /// ```
    #[rhai_fn(global, name = "acos")]
    pub fn acos_number(x: f64) -> f64 {
        x.acos()
    }

    /// Inverse tangent.
    ///
    /// ```rhai
    /// print(atan(0));   //= 0.0
    /// ```
    #[rhai_fn(global, name = "atan")]
    pub fn atan_number(x: f64) -> f64 {
        x.atan()
    }

    /// Hyperbolic sine.
    ///
    /// ```rhai
    /// print(sinh(0));   //= 0.0
    /// ```
    #[rhai_fn(global, name = "sinh")]
    pub fn sinh_number(x: f64) -> f64 {
        x.sinh()
    }

    /// Hyperbolic cosine.
    ///
    /// ```rhai
    /// print(cosh(0));   //= 1.0
    /// ```
    #[rhai_fn(global, name = "cosh")]
    pub fn cosh_number(x: f64) -> f64 {
        x.cosh()
    }

    /// Hyperbolic tangent.
    ///
    /// ```rhai
    /// print(tanh(0));   //= 0.0
    /// ```
    #[rhai_fn(global, name = "tanh")]
    pub fn tanh_number(x: f64) -> f64 {
        x.tanh()
    }

    /// The greatest whole number that is not above x.
    ///
    /// ```rhai
    /// print(floor(1.7));   //= 1.0
    /// ```
    #[rhai_fn(global, name = "floor")]
    pub fn floor_number(x: f64) -> f64 {
        x.floor()
    }

    /// The least whole number that is not below x.
    ///
    /// ```rhai
    /// print(ceil(1.2));   //= 2.0
    /// ```
    #[rhai_fn(global, name = "ceil")]
    pub fn ceil_number(x: f64) -> f64 {
        x.ceil()
    }

    /// The number without what stands behind its point.
    ///
    /// ```rhai
    /// print(trunc(-1.7));   //= -1.0
    /// ```
    #[rhai_fn(global, name = "trunc")]
    pub fn trunc_number(x: f64) -> f64 {
        x.trunc()
    }

    /// The nearest whole number; halves go to the even one, as in Python.
    ///
    /// ```rhai
    /// print([round(2.5), round(-0.7)]);   //= [2.0, -1.0]
    /// ```
    #[rhai_fn(global, name = "round")]
    pub fn round_number(x: f64) -> f64 {
        x.round_ties_even()
    }

    /// Error function.
    ///
    /// ```rhai
    /// print(erf(0));   //= 0.0
    /// ```
    #[rhai_fn(global, return_raw, name = "erf")]
    pub fn erf_number(x: f64) -> Outcome<f64> {
        Ok(as_tensor(x, Tensor::erf)?)
    }

    /// 1/(1 + e⁻ˣ).
    ///
    /// ```rhai
    /// print(sigmoid(0));   //= 0.5
    /// ```
    #[rhai_fn(global, return_raw, name = "sigmoid")]
    pub fn sigmoid_number(x: f64) -> Outcome<f64> {
        Ok(as_tensor(x, Tensor::sigmoid)?)
    }

    /// log of the sigmoid.
    ///
    /// ```rhai
    /// print(log_sigmoid(0) < -0.69);   //= true
    /// ```
    #[rhai_fn(global, return_raw, name = "log_sigmoid")]
    pub fn log_sigmoid_number(x: f64) -> Outcome<f64> {
        Ok(as_tensor(x, Tensor::log_sigmoid)?)
    }

    /// max(x, 0).
    ///
    /// ```rhai
    /// print([relu(-1), relu(2)]);   //= [0.0, 2.0]
    /// ```
    #[rhai_fn(global, return_raw, name = "relu")]
    pub fn relu_number(x: f64) -> Outcome<f64> {
        Ok(as_tensor(x, Tensor::relu)?)
    }

    /// x · sigmoid(x), also called swish.
    ///
    /// ```rhai
    /// print(silu(0));   //= 0.0
    /// ```
    #[rhai_fn(global, return_raw, name = "silu")]
    pub fn silu_number(x: f64) -> Outcome<f64> {
        Ok(as_tensor(x, Tensor::silu)?)
    }

    /// Gaussian error linear unit, exact form.
    ///
    /// ```rhai
    /// print(gelu(0));   //= 0.0
    /// ```
    #[rhai_fn(global, return_raw, name = "gelu")]
    pub fn gelu_number(x: f64) -> Outcome<f64> {
        Ok(as_tensor(x, Tensor::gelu)?)
    }

    /// log(1 + eˣ).
    ///
    /// ```rhai
    /// print(softplus(0) > 0.69);   //= true
    /// ```
    #[rhai_fn(global, return_raw, name = "softplus")]
    pub fn softplus_number(x: f64) -> Outcome<f64> {
        Ok(as_tensor(x, Tensor::softplus)?)
    }

    /// A number rounded to so many digits behind its point; below 0, before it.
    ///
    /// ```rhai
    /// print(round(3.14159, 2));    //= 3.14
    /// print(round(1234, -2));      //= 1200.0
    /// ```
    #[rhai_fn(global, name = "round")]
    pub fn round_digits(x: f64, digits: i64) -> f64 {
        rounded(x, digits)
    }

    /// Power of a number; of whole numbers, with an exponent from 0 on, a whole number.
    ///
    /// ```rhai
    /// print(2.pow(3));         //= 8
    /// print(2.0.pow(-1));      //= 0.5
    /// ```
    #[rhai_fn(global, return_raw, name = "pow")]
    pub fn pow_number(x: f64, exponent: f64) -> Outcome<Dynamic> {
        if was_whole(0) && was_whole(1) && exponent >= 0.0 {
            let found = u32::try_from(exponent as i64).ok();
            let found = found.and_then(|e| (x as i64).checked_pow(e));
            return found.map(Dynamic::from_int).ok_or_else(|| {
                let text = format!("pow: {x} to the power {exponent} is beyond whole numbers");
                Error::argument(text)
                    .with_hint("write a float: 2.0.pow(100)")
                    .into()
            });
        }
        Ok(Dynamic::from_float(x.powf(exponent)))
    }

    /// The number times itself, x²; of a whole number, a whole number.
    ///
    /// ```rhai
    /// print(square(3));    //= 9
    /// ```
    #[rhai_fn(global, return_raw, name = "square")]
    pub fn square_number(x: f64) -> Outcome<Dynamic> {
        Ok(kept(x * x))
    }

    /// A number held between two others.
    ///
    /// ```rhai
    /// print(clamp(3, 0, 1));   //= 1.0
    /// ```
    #[rhai_fn(global, return_raw, name = "clamp")]
    pub fn clamp_number(x: f64, low: f64, high: f64) -> Outcome<f64> {
        if low.is_nan() || high.is_nan() || low > high {
            let text = format!("clamp: from {low} to {high} is no interval");
            return Err(Error::argument(text).into());
        }
        Ok(x.clamp(low, high))
    }

    /// The quotient of whole numbers, rounded down: what `//` is in Python. `/` gives a float.
    ///
    /// ```rhai
    /// print(floor_div(7, 2));      //= 3
    /// print((-7).floor_div(2));    //= -4
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn floor_div(a: i64, b: i64) -> Outcome<i64> {
        let rest = a
            .checked_rem(b)
            .ok_or_else(|| Error::argument(format!("floor_div: {a} cannot be divided by {b}")))?;
        Ok(a / b - i64::from(rest != 0 && (rest < 0) != (b < 0)))
    }

    /// Whether a number is not a number.
    ///
    /// ```rhai
    /// print(isnan(0.0 / 0.0));     //= true
    /// ```
    #[rhai_fn(global, name = "isnan")]
    pub fn isnan_number(x: f64) -> bool {
        x.is_nan()
    }

    /// Whether a number is infinite.
    ///
    /// ```rhai
    /// print(isinf(1.0 / 0.0));     //= true
    /// ```
    #[rhai_fn(global, name = "isinf")]
    pub fn isinf_number(x: f64) -> bool {
        x.is_infinite()
    }

    /// Whether a number is neither infinite nor not a number.
    ///
    /// ```rhai
    /// print(isfinite(1));  //= true
    /// ```
    #[rhai_fn(global, name = "isfinite")]
    pub fn isfinite_number(x: f64) -> bool {
        x.is_finite()
    }

    /// A number as text, in a format of Python: `"[[fill]align][sign][0][width][,][.precision][type]"`
    /// with the types `d`, `e`, `f`, `g` and `%`.
    ///
    /// ```rhai
    /// print(fmt(3.14159, ".3f"));      //= 3.142
    /// print(fmt(0.1234, ".1%"));       //= 12.3%
    /// print(fmt(42, "06d") + "|" + fmt(1e-5, ">10.2e"));    //= 000042|  1.00e-05
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn fmt(x: f64, format: &str) -> Outcome<String> {
        let whole = was_whole(0);
        Ok(number(x, whole, &Format::of(format)?)?)
    }
}

/// A function of tensors, of one number.
fn as_tensor(x: f64, function: fn(&Tensor) -> Result<Tensor>) -> Result<f64> {
    function(&Tensor::from_f64(&[x], &[], Kind::Double, Device::Cpu)?)?.item()
}

/// A whole number where the argument was one.
fn kept(x: f64) -> Dynamic {
    match was_whole(0) && x.abs() < 9e15 {
        true => Dynamic::from_int(x as i64),
        false => Dynamic::from_float(x),
    }
}

/// Halves, as they are written in decimals, go to the even digit.
fn rounded(x: f64, digits: i64) -> f64 {
    if digits >= 0 {
        let digits = usize::try_from(digits).unwrap_or(usize::MAX).min(400);
        return format!("{x:.digits$}").parse().unwrap_or(x);
    }
    let unit = 10f64.powi(i32::try_from(digits.unsigned_abs()).unwrap_or(400));
    if unit.is_finite() {
        (x / unit).round_ties_even() * unit
    } else {
        0.0
    }
}
