//! Functions of tensors, element by element, and matrix products.

use rhai::plugin::*;

use super::super::edge::Outcome;
use super::fresh;
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
        Ok(t.clamp(Some(low), Some(high))?)
    }

    /// Bounded below.
    ///
    /// ```rhai
    /// print(tensor::of([-3, 2]).clamp_min(0).sum());   //= 2
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn clamp_min(t: &mut Tensor, low: f64) -> Outcome<Tensor> {
        Ok(t.clamp(Some(low), None)?)
    }

    /// Bounded above.
    ///
    /// ```rhai
    /// print(tensor::of([-3, 2]).clamp_max(0).sum());   //= -3
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn clamp_max(t: &mut Tensor, high: f64) -> Outcome<Tensor> {
        Ok(t.clamp(None, Some(high))?)
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

    /// Indices drawn with these weights, with replacement: [n] or [B, n] to int64 [draws] or [B, draws].
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
