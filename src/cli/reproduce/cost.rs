//! What a reproduction costs: floating-point operations counted from the network and the recipe,
//! and hours from an assumed rate.
//!
//! The unit is a pass, the forward pass of one image. A gradient with respect to the image costs
//! about one more, one with respect to image and weights about two more:
//! `step = chains · steps · 2 + (labelled + p(x) + chains) · 3 · gradients`.

use std::fmt::Write as _;

use super::recipe::{Recipe, Set, Size};
use crate::cli::dry_run::duration;
use crate::nn::thousands;

/// Operations a second that a GPU of the H100's class is taken to sustain in these convolutions:
/// 12 % and 40 % of its peak of 495 · 10¹² in TF32.
const SUSTAINED: [f64; 2] = [60e12, 200e12];

/// More operations than this are no matter of a processor: about a day of one with many cores.
pub(super) const OF_A_GPU: f64 = 2e16;

/// A training, as the command line has changed it.
pub(super) struct Cost {
    pub(super) recipe: Recipe,
    pub(super) set: Set,
    pub(super) depth: u64,
    pub(super) width: u64,
    pub(super) size: Size,
    /// Images of the training part.
    pub(super) images: u64,
}

impl Cost {
    /// Multiplications with addition in one pass.
    fn pass(&self) -> u64 {
        convolutions(self.depth, self.width, self.set.classes())
            .iter()
            .map(|c| c.weights * c.places)
            .sum()
    }

    fn iterations(&self) -> u64 {
        self.size.epochs * (self.images / self.size.batch.max(1))
    }

    /// Passes of one step: of its chains, and of its loss with the gradient.
    fn passes(&self) -> (u64, u64) {
        let s = self.size;
        (
            2 * s.steps * s.p_x_batch,
            3 * s.gradients * (s.batch + 2 * s.p_x_batch),
        )
    }

    /// Floating-point operations of the training.
    pub(super) fn operations(&self) -> f64 {
        let (chains, loss) = self.passes();
        2.0 * self.pass() as f64 * (chains + loss) as f64 * self.iterations() as f64
    }

    /// The estimate with all that it rests on.
    pub(super) fn text(&self) -> String {
        let n = |v: u64| thousands(v as i64);
        let ((chains, loss), s) = (self.passes(), self.size);
        let all = self.operations();
        let [slow, fast] = SUSTAINED.map(|rate| duration(all / rate));
        let mut text = format!(
            "cost of {} on {}, WRN-{}-{}: an estimate, nothing was measured for it\n",
            self.recipe.title(),
            self.set.title(),
            self.depth,
            self.width
        );
        let _ = writeln!(
            text,
            "  one forward pass of an image   {:.2} GFLOP (counted from the layers; a multiplication with addition is two)",
            2e-9 * self.pass() as f64
        );
        if chains > 0 {
            let _ = writeln!(
                text,
                "  chains of a step               {} passes: {} steps, {} chains, forward and back to the image",
                n(chains),
                s.steps,
                s.p_x_batch
            );
        }
        let _ = writeln!(
            text,
            "  loss of a step                 {} passes: {} images, forward and back to the weights{}",
            n(loss),
            s.batch + 2 * s.p_x_batch,
            if s.gradients > 1 { ", twice" } else { "" }
        );
        let _ = writeln!(
            text,
            "  iterations                     {}: {} epochs of {} images in batches of {}",
            n(self.iterations()),
            s.epochs,
            n(self.images),
            s.batch
        );
        let _ = writeln!(
            text,
            "  training                       {all:.2e} floating-point operations"
        );
        let _ = writeln!(
            text,
            "  on one GPU of the H100's class {fast} to {slow}: assumes 200 to 60 TFLOP/s sustained, 40 to 12 % of the \
             495 that its data sheet gives for TF32;\n{:33}validation, checkpoints, data and the evaluation come on top",
            ""
        );
        text
    }
}

/// The weights of a convolution, and the places at which they are multiplied.
struct Convolution {
    weights: u64,
    places: u64,
    #[cfg(test)]
    biases: u64,
}

/// The convolutions of the wide residual network in JEM's form, for images of 32×32, and its affine
/// map: the stride is that of a block's second convolution.
fn convolutions(depth: u64, width: u64, classes: u64) -> Vec<Convolution> {
    let conv = |from: u64, to: u64, kernel: u64, side: u64| Convolution {
        weights: from * to * kernel * kernel,
        places: side * side,
        #[cfg(test)]
        biases: to,
    };
    let mut all = vec![conv(3, 16, 3, 32)];
    let (mut from, mut side) = (16, 32);
    for (layer, channels) in [16, 32, 64].into_iter().enumerate() {
        let to = channels * width;
        for block in 0..depth.saturating_sub(4) / 6 {
            let small = if layer > 0 && block == 0 {
                side / 2
            } else {
                side
            };
            all.push(conv(from, to, 3, side));
            all.push(conv(to, to, 3, small));
            if from != to || small != side {
                all.push(conv(from, to, 1, small));
            }
            (from, side) = (to, small);
        }
    }
    all.push(conv(from, classes, 1, 1));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Network, WideResNet, WideResNetOptions};

    fn full(recipe: Recipe) -> Cost {
        Cost {
            recipe,
            set: Set::Cifar10,
            depth: 28,
            width: 10,
            size: recipe.size(),
            images: 45_000,
        }
    }

    /// The same walk counts the parameters of the networks that are trained.
    #[test]
    fn the_walk_is_that_of_the_network() -> crate::Result<()> {
        for (depth, width) in [(10, 1), (10, 2), (16, 1)] {
            let net = Network::of(WideResNet::new(
                depth,
                width,
                &WideResNetOptions::default(),
            )?);
            let counted: u64 = convolutions(depth as u64, width as u64, 10)
                .iter()
                .map(|c| c.weights + c.biases)
                .sum();
            assert_eq!(counted as i64, net.parameter_count(), "{depth}-{width}");
        }
        let full: u64 = convolutions(28, 10, 10)
            .iter()
            .map(|c| c.weights + c.biases)
            .sum();
        assert_eq!(full, 36_471_338);
        Ok(())
    }

    #[test]
    fn a_step_of_the_paper_is_counted() {
        let jem = full(Recipe::Jem);
        // 64 chains, 20 steps, two passes; 192 images, three passes; 200 · ⌊45,000 / 64⌋ steps.
        assert_eq!(jem.passes(), (2_560, 576));
        assert_eq!(jem.iterations(), 140_600);
        // By hand, from the table of layers: 5.9 · 10⁹ multiplications, as the stride comes second.
        assert!(
            (5.5e9..6.5e9).contains(&(jem.pass() as f64)),
            "{}",
            jem.pass()
        );
        assert_eq!(full(Recipe::CrossEntropy).passes(), (0, 192));
        let text = jem.text();
        assert!(
            text.contains("an estimate") && text.contains("140,600"),
            "{text}"
        );
    }
}
