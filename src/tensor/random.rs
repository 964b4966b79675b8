//! Random tensors, and the rule that one seed decides everything.
//!
//! libtorch has one generator for the process. It is seeded anew at every step with a hash of
//! (seed, stream, step), so that a resumed run needs no saved generator state, and neighbouring
//! seeds share no noise.

use super::{Kind, Tensor, check_shape, default_device};
use crate::error::{Error, Result};

/// What a random number is for; streams of one seed are independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Weights at the start.
    Init = 1,
    /// The order of the data and splits.
    Data = 2,
    /// Everything inside a training step.
    Train = 3,
    /// Evaluation and pictures.
    Evaluate = 4,
}

/// The low 32 bits of splitmix64 over (seed, stream, step). libtorch's CPU generator reads only 32
/// bits of a seed, so they must depend on all of the three.
pub fn hashed_seed(seed: u64, stream: Stream, step: u64) -> u32 {
    let mix = |z: u64| {
        let z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    mix(mix(mix(seed) ^ stream as u64) ^ step) as u32
}

/// Seeds libtorch's generators for one step of one stream.
pub fn seed(seed: u64, stream: Stream, step: u64) {
    tch::manual_seed(i64::from(hashed_seed(seed, stream, step)));
}

impl Tensor {
    /// Standard normal numbers, float32 on the default device.
    pub fn randn(shape: &[i64]) -> Result<Tensor> {
        check_shape("randn", shape)?;
        Ok(Tensor(tch::Tensor::f_randn(
            shape,
            (Kind::Float, default_device()),
        )?))
    }

    /// Uniform numbers in [low, high), float32 on the default device.
    pub fn uniform(shape: &[i64], low: f64, high: f64) -> Result<Tensor> {
        check_shape("uniform", shape)?;
        let unit = tch::Tensor::f_rand(shape, (Kind::Float, default_device()))?;
        Ok(Tensor(unit.f_mul_scalar(high - low)?.f_add_scalar(low)?))
    }

    /// Whole numbers in [0, high), int64 on the default device.
    pub fn randint(high: i64, shape: &[i64]) -> Result<Tensor> {
        check_shape("randint", shape)?;
        if high < 1 {
            return Err(Error::argument(format!(
                "randint: the upper end must be at least 1, got {high}"
            )));
        }
        Ok(Tensor(tch::Tensor::f_randint(
            high,
            shape,
            (Kind::Int64, default_device()),
        )?))
    }

    /// The numbers 0 … n−1 in random order, int64 on the default device.
    pub fn randperm(n: i64) -> Result<Tensor> {
        check_shape("randperm", &[n])?;
        Ok(Tensor(tch::Tensor::f_randperm(
            n,
            (Kind::Int64, default_device()),
        )?))
    }

    /// Standard normal numbers of this shape, type and device.
    pub fn randn_like(&self) -> Result<Tensor> {
        Tensor::wrap("randn_like", &[self], self.0.f_randn_like())
    }

    /// Uniform numbers in [0, 1) of this shape, type and device.
    pub fn rand_like(&self) -> Result<Tensor> {
        Tensor::wrap("rand_like", &[self], self.0.f_rand_like())
    }

    /// 0 or 1, with these probabilities of 1.
    pub fn bernoulli(&self) -> Result<Tensor> {
        Tensor::wrap("bernoulli", &[self], self.0.f_bernoulli())
    }

    /// Row indices drawn with these weights: `[n]` or `[B, n]` to int64 `[draws]` or `[B, draws]`.
    pub fn multinomial(&self, draws: i64, replacement: bool) -> Result<Tensor> {
        Tensor::wrap(
            "multinomial",
            &[self],
            self.0.f_multinomial(draws, replacement),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_seeds_steps_and_streams_differ() {
        let mut all: Vec<u32> = Vec::new();
        for s in 0..20 {
            for t in 0..200 {
                all.push(hashed_seed(s, Stream::Train, t));
                all.push(hashed_seed(s, Stream::Data, t));
            }
        }
        let n = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), n);
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers() -> Result<()> {
        seed(3, Stream::Init, 7);
        let a = Tensor::randn(&[4])?.to_vec()?;
        seed(3, Stream::Init, 7);
        assert_eq!(a, Tensor::randn(&[4])?.to_vec()?);
        Ok(())
    }
}
