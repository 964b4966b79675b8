//! Arithmetic and functions of one or two tensors, element by element, and matrix products.

use super::{Kind, Tensor, kind_name};
use crate::error::{Error, Result};

/// The right-hand side of an operation: a tensor or a number.
#[derive(Clone)]
pub enum Operand {
    /// A tensor; shapes broadcast.
    Tensor(Tensor),
    /// A number.
    Number(f64),
    /// A whole number: keeps whole-number tensors whole.
    Int(i64),
}

impl From<&Tensor> for Operand {
    fn from(t: &Tensor) -> Operand {
        Operand::Tensor(t.clone())
    }
}
impl From<Tensor> for Operand {
    fn from(t: Tensor) -> Operand {
        Operand::Tensor(t)
    }
}
impl From<f64> for Operand {
    fn from(x: f64) -> Operand {
        Operand::Number(x)
    }
}
impl From<i64> for Operand {
    fn from(x: i64) -> Operand {
        Operand::Int(x)
    }
}

macro_rules! binary {
    ($( $(#[$doc:meta])* $name:ident, $tensor:ident, $scalar:ident; )*) => { impl Tensor { $(
        $(#[$doc])*
        pub fn $name(&self, other: impl Into<Operand>) -> Result<Tensor> {
            match other.into() {
                Operand::Tensor(t) => Tensor::wrap(stringify!($name), &[self, &t], self.0.$tensor(&t.0)),
                Operand::Number(x) => Tensor::wrap(stringify!($name), &[self], self.0.$scalar(x)),
                Operand::Int(x) => Tensor::wrap(stringify!($name), &[self], self.0.$scalar(x)),
            }
        }
    )* } };
}

binary! {
    /// Sum, element by element.
    add, f_add, f_add_scalar;
    /// Difference, element by element.
    sub, f_sub, f_sub_scalar;
    /// Product, element by element.
    mul, f_mul, f_mul_scalar;
    /// Quotient, element by element.
    div, f_div, f_div_scalar;
    /// Power, element by element.
    pow, f_pow, f_pow_tensor_scalar;
    /// Remainder with the sign of the divisor.
    remainder, f_remainder_tensor, f_remainder;
    /// 1 where equal (bool).
    eq, f_eq_tensor, f_eq;
    /// 1 where not equal (bool).
    ne, f_ne_tensor, f_ne;
    /// 1 where less (bool).
    lt, f_lt_tensor, f_lt;
    /// 1 where less or equal (bool).
    le, f_le_tensor, f_le;
    /// 1 where greater (bool).
    gt, f_gt_tensor, f_gt;
    /// 1 where greater or equal (bool).
    ge, f_ge_tensor, f_ge;
}

impl From<Operand> for tch::Scalar {
    /// A number; a tensor has no place where this is asked for, and counts as 0.
    fn from(number: Operand) -> tch::Scalar {
        match number {
            Operand::Int(x) => x.into(),
            Operand::Number(x) => x.into(),
            Operand::Tensor(_) => 0i64.into(),
        }
    }
}

/// Operations with the number on the left.
impl Tensor {
    /// `number / self`.
    pub fn divides(&self, number: Operand) -> Result<Tensor> {
        let factor: tch::Scalar = number.into();
        Tensor::wrap(
            "div",
            &[self],
            self.0.f_reciprocal().and_then(|t| t.f_mul_scalar(factor)),
        )
    }

    /// `number ** self`.
    pub fn exponent_of(&self, number: Operand) -> Result<Tensor> {
        Tensor::wrap(
            "pow",
            &[self],
            tch::Tensor::f_pow_scalar(tch::Scalar::from(number), &self.0),
        )
    }

    /// `number % self`, with the sign of self.
    pub fn remainder_of(&self, number: Operand) -> Result<Tensor> {
        Tensor::wrap(
            "remainder",
            &[self],
            tch::Tensor::f_remainder_scalar_tensor(tch::Scalar::from(number), &self.0),
        )
    }
}

macro_rules! unary {
    ($( $(#[$doc:meta])* $name:ident, $raw:ident; )*) => { impl Tensor { $(
        $(#[$doc])*
        pub fn $name(&self) -> Result<Tensor> {
            Tensor::wrap(stringify!($name), &[self], self.0.$raw())
        }
    )* } };
}

unary! {
    /// −x.
    neg, f_neg;
    /// |x|.
    abs, f_abs;
    /// −1, 0 or 1.
    sign, f_sign;
    /// eˣ.
    exp, f_exp;
    /// eˣ − 1, accurate near 0.
    expm1, f_expm1;
    /// Natural logarithm.
    log, f_log;
    /// log(1 + x), accurate near 0.
    log1p, f_log1p;
    /// Logarithm to base 2.
    log2, f_log2;
    /// Logarithm to base 10.
    log10, f_log10;
    /// √x.
    sqrt, f_sqrt;
    /// 1/√x.
    rsqrt, f_rsqrt;
    /// x².
    square, f_square;
    /// 1/x.
    reciprocal, f_reciprocal;
    /// Sine.
    sin, f_sin;
    /// Cosine.
    cos, f_cos;
    /// Tangent.
    tan, f_tan;
    /// Inverse sine.
    asin, f_asin;
    /// Inverse cosine.
    acos, f_acos;
    /// Inverse tangent.
    atan, f_atan;
    /// Hyperbolic sine.
    sinh, f_sinh;
    /// Hyperbolic cosine.
    cosh, f_cosh;
    /// Hyperbolic tangent.
    tanh, f_tanh;
    /// Error function.
    erf, f_erf;
    /// 1/(1 + e⁻ˣ).
    sigmoid, f_sigmoid;
    /// log of the sigmoid.
    log_sigmoid, f_log_sigmoid;
    /// max(x, 0).
    relu, f_relu;
    /// x · sigmoid(x).
    silu, f_silu;
    /// log(1 + eˣ).
    softplus, f_softplus;
    /// Rounded down.
    floor, f_floor;
    /// Rounded up.
    ceil, f_ceil;
    /// Rounded to the nearest, halves to even.
    round, f_round;
    /// Cut towards 0.
    trunc, f_trunc;
    /// 1 where not a number (bool).
    isnan, f_isnan;
    /// 1 where infinite (bool).
    isinf, f_isinf;
    /// 1 where finite (bool).
    isfinite, f_isfinite;
    /// 1 where 0 or false (bool).
    logical_not, f_logical_not;
}

impl Tensor {
    /// Gaussian error linear unit, exact form.
    pub fn gelu(&self) -> Result<Tensor> {
        Tensor::wrap("gelu", &[self], self.0.f_gelu("none"))
    }

    /// x where positive, `slope · x` elsewhere.
    pub fn leaky_relu(&self, slope: f64) -> Result<Tensor> {
        // tch's `leaky_relu` has the slope fixed at .01. Its derivative, `grad · (1 or slope by the
        // sign of x)`, takes one: with x for `grad`, and the sign from a detached x, that is the
        // function itself, in one operation.
        Tensor::wrap(
            "leaky_relu",
            &[self],
            self.detach().0.f_leaky_relu_backward(&self.0, slope, false),
        )
    }

    /// x where positive, `alpha (eˣ − 1)` elsewhere.
    pub fn elu(&self, alpha: f64) -> Result<Tensor> {
        if alpha == 1.0 {
            return Tensor::wrap("elu", &[self], self.0.f_elu());
        }
        // The binding has no α. `elu` rather than `expm1`, whose gradient is computed from its
        // value: 0 from −17 on.
        self.relu()?
            .add(self.clamp(None, Some(0.0))?.elu(1.0)?.mul(alpha)?)
    }

    /// The larger of two, element by element.
    pub fn maximum(&self, other: &Tensor) -> Result<Tensor> {
        Tensor::wrap("maximum", &[self, other], self.0.f_maximum(&other.0))
    }

    /// The smaller of two, element by element.
    pub fn minimum(&self, other: &Tensor) -> Result<Tensor> {
        Tensor::wrap("minimum", &[self, other], self.0.f_minimum(&other.0))
    }

    /// Bounded below, above, or both.
    pub fn clamp(&self, low: Option<f64>, high: Option<f64>) -> Result<Tensor> {
        if let (Some(l), Some(h)) = (low, high)
            && (l > h || l.is_nan() || h.is_nan())
        {
            return Err(Error::argument(format!(
                "clamp: the lower bound {l} is above the upper bound {h}"
            )));
        }
        self.clamp_to(low.map(Operand::Number), high.map(Operand::Number))
    }

    /// The same for numbers whose type counts: whole bounds keep tensors of whole numbers whole.
    pub fn clamp_to(&self, low: Option<Operand>, high: Option<Operand>) -> Result<Tensor> {
        let scalar = |bound: Option<Operand>| bound.map(tch::Scalar::from);
        let outcome = match (scalar(low), scalar(high)) {
            (Some(l), Some(h)) => self.0.f_clamp(l, h),
            (Some(l), None) => self.0.f_clamp_min(l),
            (None, Some(h)) => self.0.f_clamp_max(h),
            (None, None) => return Ok(self.clone()),
        };
        Tensor::wrap("clamp", &[self], outcome)
    }

    /// Both not 0 (bool).
    pub fn logical_and(&self, other: &Tensor) -> Result<Tensor> {
        Tensor::wrap(
            "logical_and",
            &[self, other],
            self.0.f_logical_and(&other.0),
        )
    }

    /// One of them not 0 (bool).
    pub fn logical_or(&self, other: &Tensor) -> Result<Tensor> {
        Tensor::wrap("logical_or", &[self, other], self.0.f_logical_or(&other.0))
    }

    /// Matrix product, with PyTorch's rules for vectors and batches.
    pub fn matmul(&self, other: &Tensor) -> Result<Tensor> {
        let outcome = self.0.f_matmul(&other.0);
        if outcome.is_err() && self.kind() == other.kind() && self.device() == other.device() {
            return Err(Error::shape(format!(
                "matmul: cannot multiply {:?} by {:?}",
                self.shape(),
                other.shape()
            ))
            .with_hint("the last size of the left must equal the second-last of the right"));
        }
        Tensor::wrap("matmul", &[self, other], outcome)
    }

    /// Scalar product of two vectors.
    pub fn dot(&self, other: &Tensor) -> Result<Tensor> {
        Tensor::wrap("dot", &[self, other], self.0.f_dot(&other.0))
    }

    /// `this` where the mask is true, `other` elsewhere.
    pub fn where_mask(&self, mask: &Tensor, other: &Tensor) -> Result<Tensor> {
        Tensor::wrap(
            "where",
            &[mask, self, other],
            self.0.f_where_self(&mask.as_mask("where")?.0, &other.0),
        )
    }

    /// A number wherever the mask is true.
    pub fn masked_fill(&self, mask: &Tensor, value: f64) -> Result<Tensor> {
        if !self.is_float() && value.fract() != 0.0 {
            return Err(Error::argument(format!(
                "masked_fill: {value} does not fit a tensor of {}",
                kind_name(self.kind())
            ))
            .with_hint("make it a tensor of floats first: `.to(\"float32\")`"));
        }
        Tensor::wrap(
            "masked_fill",
            &[self, mask],
            self.0.f_masked_fill(&mask.as_mask("masked_fill")?.0, value),
        )
    }

    /// This tensor as a mask. Numbers are none: a probability of 0.3 is not "true".
    fn as_mask(&self, name: &str) -> Result<&Tensor> {
        if self.kind() == Kind::Bool {
            return Ok(self);
        }
        Err(
            Error::argument(format!("{name}: a mask must be bool, got {}", self.brief()))
                .with_hint("compare first: `mask > 0`"),
        )
    }

    /// Softmax along a dimension.
    pub fn softmax(&self, dim: i64) -> Result<Tensor> {
        Tensor::wrap("softmax", &[self], self.0.f_softmax(dim, None::<Kind>))
    }

    /// Logarithm of the softmax along a dimension.
    pub fn log_softmax(&self, dim: i64) -> Result<Tensor> {
        Tensor::wrap(
            "log_softmax",
            &[self],
            self.0.f_log_softmax(dim, None::<Kind>),
        )
    }

    /// Labels `[B]` as rows `[B, classes]` of 0 and 1 (int64).
    pub fn one_hot(&self, classes: i64) -> Result<Tensor> {
        Tensor::wrap(
            "one_hot",
            &[self],
            self.0.f_to_kind(Kind::Int64)?.f_one_hot(classes),
        )
    }

    /// Inverse of a square matrix.
    pub fn inverse(&self) -> Result<Tensor> {
        Tensor::wrap("inverse", &[self], tch::Tensor::f_linalg_inv(&self.0))
    }

    /// Determinant of a square matrix.
    pub fn det(&self) -> Result<Tensor> {
        Tensor::wrap("det", &[self], tch::Tensor::f_linalg_det(&self.0))
    }

    /// Lower Cholesky factor of a symmetric positive definite matrix.
    pub fn cholesky(&self) -> Result<Tensor> {
        Tensor::wrap("cholesky", &[self], self.0.f_linalg_cholesky(false))
    }
}
