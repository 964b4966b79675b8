//! Activation functions as layers; tensors have them as methods too.

use rhai::plugin::*;

use super::super::edge::Outcome;
use crate::nn::{Activation, Network};

#[export_module(manifest)]
pub mod functions {
    /// max(x, 0). The energy of a network of such layers is piecewise linear in x: its score jumps.
    /// Samplers fare better with smooth ones, such as `nn::silu`.
    ///
    /// ```rhai
    /// print(nn::relu().forward(tensor::of([-2, 3])));
    /// //= tensor [2] float32 on cpu
    /// //= [0, 3]
    /// ```
    pub fn relu() -> Network {
        Activation::Relu.into()
    }

    /// x where positive, `slope · x` elsewhere. JEM's wide residual network has a slope of .2.
    ///
    /// ```rhai
    /// print(nn::leaky_relu(0.5).forward(tensor::of([-2, 3])));
    /// //= tensor [2] float32 on cpu
    /// //= [-1, 3]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn leaky_relu(slope: f64) -> Outcome<Network> {
        Ok(Activation::leaky_relu(slope)?.into())
    }

    /// Leaky ReLU with PyTorch's slope of .01.
    ///
    /// ```rhai
    /// print(nn::leaky_relu().forward(tensor::of([-100])).item());   //= -1.0
    /// ```
    #[rhai_fn(name = "leaky_relu")]
    pub fn leaky_relu_plain() -> Network {
        Activation::LeakyRelu(0.01).into()
    }

    /// x · sigmoid(x), also called swish (Elfwing et al., 2018). Smooth: the usual choice for
    /// energies.
    ///
    /// ```rhai
    /// print(nn::silu().forward(tensor::of([0])).item());   //= 0.0
    /// ```
    pub fn silu() -> Network {
        Activation::Silu.into()
    }

    /// x · Φ(x), with the exact normal distribution function Φ (Hendrycks and Gimpel, 2016).
    ///
    /// ```rhai
    /// print(nn::gelu().forward(tensor::of([0])).item());   //= 0.0
    /// ```
    pub fn gelu() -> Network {
        Activation::Gelu.into()
    }

    /// x where positive, `alpha (eˣ − 1)` elsewhere (Clevert et al., 2016).
    ///
    /// ```rhai
    /// print(nn::elu(2).forward(tensor::of([-100, 3])));
    /// //= tensor [2] float32 on cpu
    /// //= [-2, 3]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn elu(alpha: f64) -> Outcome<Network> {
        Ok(Activation::elu(alpha)?.into())
    }

    /// ELU with PyTorch's alpha of 1.
    ///
    /// ```rhai
    /// print(nn::elu().forward(tensor::of([-100])).item());   //= -1.0
    /// ```
    #[rhai_fn(name = "elu")]
    pub fn elu_plain() -> Network {
        Activation::Elu(1.0).into()
    }

    /// The hyperbolic tangent, into (−1, 1).
    ///
    /// ```rhai
    /// print(nn::tanh().forward(tensor::of([100])).item());   //= 1.0
    /// ```
    pub fn tanh() -> Network {
        Activation::Tanh.into()
    }

    /// 1/(1 + e⁻ˣ), into (0, 1).
    ///
    /// ```rhai
    /// print(nn::sigmoid().forward(tensor::of([0])).item());   //= 0.5
    /// ```
    pub fn sigmoid() -> Network {
        Activation::Sigmoid.into()
    }

    /// log(1 + eˣ), a smooth ReLU.
    ///
    /// ```rhai
    /// print(nn::softplus().forward(tensor::of([0])).exp().round().item());   //= 2.0
    /// ```
    pub fn softplus() -> Network {
        Activation::Softplus.into()
    }

    /// x itself: a place holder where a layer is wanted.
    ///
    /// ```rhai
    /// let norm = "none";
    /// let layer = if norm == "batch" { nn::batch_norm2d(8) } else { nn::identity() };
    /// print(layer.forward(tensor::of([1, 2])).sum());   //= 3
    /// ```
    pub fn identity() -> Network {
        Activation::Identity.into()
    }
}
