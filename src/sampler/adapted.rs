//! Step sizes that keep a target while a model trains: what a step should be changes with the energy.
//!
//! Each walk of a training ends with a look at its last step, and the size of the next walk's steps
//! moves a little (a Robbins–Monro iteration with a constant gain, since the energy moves on, too).
//! Within a walk it stays, so that a walk is what its algorithm says. What was learned is part of
//! checkpoints; runs and evaluations use it, and learn nothing.

use std::cell::Cell;
use std::rc::Rc;

/// How much of what is lacking one walk makes good.
const GAIN: f64 = 0.05;

/// The most that one walk changes, as a logarithm: an empty gradient lacks infinitely much.
const MOST: f64 = 0.1;

/// How far from the size that was asked for it may go, as a logarithm: a hundredfold.
const FARTHEST: f64 = 4.605_170_185_988_092;

/// What the size of steps is multiplied by; clones share it.
#[derive(Clone, Default)]
pub(super) struct Adapted(Rc<Cell<Option<f64>>>);

impl Adapted {
    pub(super) fn factor(&self) -> f64 {
        self.0.get().map_or(1.0, f64::exp)
    }

    /// Moves on, where `lack` is the logarithm of what the size lacks; not-a-number is no news.
    pub(super) fn follow(&self, lack: f64) {
        if !lack.is_nan() {
            let moved = self.0.get().unwrap_or(0.0) + (GAIN * lack).clamp(-MOST, MOST);
            self.0.set(Some(moved.clamp(-FARTHEST, FARTHEST)));
        }
    }

    /// The logarithm of the factor, once something was learned.
    pub(super) fn learned(&self) -> Option<f64> {
        self.0.get()
    }

    pub(super) fn relearn(&self, learned: Option<f64>) {
        self.0.set(learned);
    }

    /// What stands behind a size in a description.
    pub(super) fn note(&self) -> &'static str {
        if self.0.get().is_some() {
            " (adapted)"
        } else {
            ""
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::energy::Energy;
    use crate::error::Result;
    use crate::sampler::{Mala, MalaOptions, Sampler, Sgld, SgldOptions};
    use crate::tensor::Tensor;

    /// E(x) = c ‖x‖² / 2.
    fn bowl(c: f64) -> Energy {
        Energy::from_fn(
            move |x| x.pow(2.0)?.sum_dims(&[1], false)?.mul(0.5 * c),
            &[],
        )
    }

    #[test]
    fn sgld_keeps_its_ratio_of_gradient_to_noise() -> Result<()> {
        tch::manual_seed(1);
        let options = SgldOptions {
            steps: 3,
            step_size: Some(0.01),
            noise: Some(0.1),
            adapt: true,
            gradient_to_noise: 0.5,
            ..Default::default()
        };
        let sgld = Sampler::sgld(&options)?;
        // Starts at a fixed distance, so that the gradient's norm is known: c · √d.
        let x0 = Tensor::ones(&[16, 100])?;
        for (c, until) in [(1.0, 400), (8.0, 400)] {
            for _ in 0..until {
                let (_, info) = sgld.sample_with_info(&bowl(c), &x0)?;
                sgld.follow(&info)?;
            }
            let (_, info) = sgld.sample_with_info(&bowl(c), &x0)?;
            let (step, noise) = info.scales.unwrap();
            let score = info.score.unwrap();
            let ratio =
                super::super::diagnostics::gradient_to_noise(&score, step, noise)?.item()?;
            assert!((ratio - 0.5).abs() < 0.03, "{c}: {ratio}");
            // The temperature is as it was.
            assert!((noise * noise / (2.0 * step) - 0.5).abs() < 1e-9);
        }
        assert!(sgld.to_string().contains("(adapted)"), "{sgld}");
        Ok(())
    }

    #[test]
    fn mala_keeps_its_acceptance() -> Result<()> {
        tch::manual_seed(2);
        let options = MalaOptions {
            steps: 5,
            alpha: Some(4.0),
            adapt: true,
            acceptance: 0.6,
            ..Default::default()
        };
        let mala = Sampler::mala(&options)?;
        let mut x = Tensor::zeros(&[200, 20])?;
        let mut seen = 0.0;
        for i in 0..400 {
            let (next, info) = mala.sample_with_info(&bowl(1.0), &x)?;
            mala.follow(&info)?;
            if i >= 300 {
                seen += info.accepted.unwrap().mean()?.item()? / 100.0;
            }
            x = next.detach();
        }
        assert!((seen - 0.6).abs() < 0.03, "{seen}");
        Ok(())
    }

    #[test]
    fn nothing_is_learned_unless_asked_and_an_empty_gradient_does_no_harm() -> Result<()> {
        let x0 = Tensor::ones(&[4, 3])?;
        let plain = Sampler::sgld(&SgldOptions::default())?;
        let (_, info) = plain.sample_with_info(&bowl(1.0), &x0)?;
        plain.follow(&info)?;
        assert!(!plain.to_string().contains("adapted"));
        let options = SgldOptions {
            adapt: true,
            ..Default::default()
        };
        let sgld = Sampler::sgld(&options)?;
        for _ in 0..200 {
            let (_, info) = sgld.sample_with_info(&bowl(0.0), &x0)?;
            sgld.follow(&info)?;
        }
        let (_, info) = sgld.sample_with_info(&bowl(0.0), &x0)?;
        assert!((info.scales.unwrap().0 - 100.0).abs() < 1e-6);
        let silent = SgldOptions {
            adapt: true,
            noise: Some(0.0),
            ..Default::default()
        };
        assert!(Sgld::new(&silent).is_err());
        let all = MalaOptions {
            adapt: true,
            acceptance: 1.0,
            ..Default::default()
        };
        assert!(Mala::new(&all).is_err());
        Ok(())
    }
}
