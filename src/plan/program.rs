//! A network as a list of kernel calls over fixed buffers.

use super::geometry::{MapShape, Mixture};
use super::kernel::Winograd;
use super::sketch::{Curve, Image};

/// A buffer of a block, by its number.
pub(super) type Buffer = usize;

/// What happens to a kernel's sums before they are written; see `kernels/finish.h`.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    pub before: Option<Buffer>,
    pub slope: Option<Slope>,
    pub after: Option<Buffer>,
    pub raw: Option<Buffer>,
    pub made: Option<Made>,
}

/// The derivative of an activation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slope {
    /// Kept by the forward pass.
    Kept(Buffer),
    /// 1 where these values are positive, and this elsewhere: a (leaky) ReLU's own values tell.
    Sign(Buffer, f64),
}

/// Values after an activation.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub to: Buffer,
    /// Where the derivative is kept, if the values do not tell it.
    pub slope: Option<Buffer>,
    /// The affine map before the activation, by its place in [`Program::affines`].
    pub affine: Option<usize>,
    pub curve: Curve,
}

#[derive(Debug)]
pub(super) enum Work {
    /// Affine maps, one a group of channels, by their places in [`Program::maps`].
    Maps(Vec<usize>),
    Winograd(usize),
    /// Nothing but what ends every kernel.
    Pass,
    Mix(usize),
    /// The largest of windows, and the buffer that keeps which won.
    Largest(usize, Buffer),
    Won(usize, Buffer),
    Norm(usize),
    NormBack(usize),
}

/// One call of a kernel.
#[derive(Debug)]
pub(super) struct Call {
    pub work: Work,
    pub x: Buffer,
    /// The image that is made.
    pub image: Image,
    pub ends: Ends,
}

/// An affine map with the step whose weights it takes.
pub(super) struct Linear {
    pub shape: MapShape,
    pub step: usize,
    /// Whether the bias belongs to it: not on the way back.
    pub biased: bool,
    /// Whether it multiplies in bf16.
    pub half: bool,
}

/// A Winograd convolution with the step whose weights it takes; `turned` on the way back.
pub(super) struct Turned {
    pub shape: Winograd,
    pub step: usize,
    pub turned: bool,
    pub half: bool,
}

/// A normalisation with the buffers that the way back needs.
pub(super) struct NormShape {
    pub step: usize,
    pub image: Image,
    pub groups: usize,
    pub eps: f64,
    pub each: bool,
    pub normed: Buffer,
    pub inverse: Buffer,
}

/// The kernel calls of one network for rows of one shape.
pub struct Program {
    pub(super) forward: Vec<Call>,
    pub(super) backward: Vec<Call>,
    /// How many lanes each buffer has.
    pub(super) buffers: Vec<usize>,
    pub(super) maps: Vec<Linear>,
    pub(super) winograds: Vec<Turned>,
    pub(super) mixtures: Vec<Mixture>,
    pub(super) norms: Vec<NormShape>,
    /// The steps whose weights are scales and shifts.
    pub(super) affines: Vec<usize>,
    pub(super) input: Buffer,
    /// The gradient of what the head differentiates by the input; zeros where nothing of the input
    /// reaches the output.
    pub(super) score: Buffer,
    pub(super) logits: Buffer,
    pub(super) seed: Buffer,
    pub(super) outputs: usize,
    /// Where the numbers of a row lie in the input buffer.
    pub(super) places: Vec<i32>,
    /// Multiply-adds of one row, forward and backward.
    pub(super) work: usize,
    /// Whether maps multiply in bf16 where they can.
    pub(super) half: bool,
}

impl Program {
    /// Lanes of all buffers together.
    pub(super) fn lanes(&self) -> usize {
        self.buffers.iter().sum()
    }
}
