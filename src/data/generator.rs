//! A small random generator of our own (splitmix64), for what must be a pure function of a seed:
//! splits, orders, resampling.
//!
//! libtorch's generator belongs to the whole process: a split must neither depend on its state nor
//! disturb it.

use crate::tensor::{Stream, hashed_seed};

/// splitmix64: fast, well mixed, and the same on every machine.
#[derive(Clone)]
pub struct Generator {
    state: u64,
}

impl Generator {
    /// The generator of a seed for one purpose; purposes and indices are independent of each other.
    pub fn new(seed: i64, stream: Stream, purpose: &str, index: u64) -> Generator {
        // FNV-1a turns the purpose into a number; the hash of the seed mixes it well.
        let tag = purpose.bytes().fold(0xCBF2_9CE4_8422_2325u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x100_0000_01B3)
        });
        Generator {
            state: u64::from(hashed_seed(seed as u64, stream, tag.wrapping_add(index))),
        }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A whole number in [0, n); 0 where n is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// Standard normal (Box–Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A list in random order (Fisher–Yates).
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.below(i as u64 + 1) as usize);
        }
    }

    /// The numbers 0 … n−1 in random order.
    pub fn permutation(&mut self, n: i64) -> Vec<i64> {
        let mut order: Vec<i64> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permutations_of_four_are_equally_frequent() {
        let mut g = Generator::new(1, Stream::Data, "test", 0);
        let mut counts = std::collections::HashMap::new();
        for _ in 0..24_000 {
            *counts.entry(g.permutation(4)).or_insert(0) += 1;
        }
        // 1000 expected each; the standard deviation is 31.
        assert_eq!(counts.len(), 24);
        assert!(
            counts.values().all(|c| (850..1150).contains(c)),
            "{counts:?}"
        );
    }

    #[test]
    fn normal_numbers_have_their_moments() {
        let mut g = Generator::new(2, Stream::Data, "test", 0);
        let draws: Vec<f64> = (0..100_000).map(|_| g.normal()).collect();
        let mean = |k: i32| draws.iter().map(|z| z.powi(k)).sum::<f64>() / draws.len() as f64;
        assert!(
            mean(1).abs() < 0.02 && (mean(2) - 1.0).abs() < 0.02 && (mean(4) - 3.0).abs() < 0.15
        );
    }

    #[test]
    fn purposes_and_indices_differ() {
        let first = |purpose, index| Generator::new(0, Stream::Data, purpose, index).bits();
        assert_ne!(first("split", 0), first("order", 0));
        assert_ne!(first("split", 0), first("split", 1));
        assert_eq!(first("split", 1), first("split", 1));
    }
}
