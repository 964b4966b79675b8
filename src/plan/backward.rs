//! The way back: from the derivative by the outputs to that by the batch.
//!
//! Each value collects a gradient from everyone who uses it. The last of them may carry it on: past
//! the activation that made the value (times its derivative), added to what the value before it has
//! collected, all in the end of the same kernel.

use super::forward::Build;
use super::geometry;
use super::program::{Buffer, Call, Ends, Work};
use super::sketch::Op;

/// The gradient at one step's value.
#[derive(Clone, Copy, Default)]
struct Gradient {
    /// Users who have not added theirs.
    left: usize,
    /// What is collected: a buffer of its own, or, for a single one, somebody's as it is.
    sum: Option<Buffer>,
    own: Option<Buffer>,
}

pub(super) struct Gradients<'b, 'a> {
    build: &'b mut Build<'a>,
    at: Vec<Gradient>,
    output: usize,
}

impl<'b, 'a> Gradients<'b, 'a> {
    pub(super) fn new(build: &'b mut Build<'a>, output: usize) -> Gradients<'b, 'a> {
        // What does not lead to the output gets no gradient, and must not be waited for.
        let n = build.steps.len();
        let mut leads = vec![false; n];
        leads[output] = true;
        for i in (0..n).rev() {
            if leads[i] {
                build.steps[i].from.iter().for_each(|f| leads[*f] = true);
            }
        }
        let at = (0..n)
            .map(|i| Gradient {
                left: build.uses[i].iter().filter(|j| leads[**j]).count()
                    + usize::from(i == output),
                ..Gradient::default()
            })
            .collect();
        Gradients { build, at, output }
    }

    /// Writes the calls.
    pub(super) fn run(mut self) {
        let seed = self.build.program.seed;
        self.hand(self.output, seed);
        for stage in (0..self.build.stages.len()).rev() {
            let (step, other, value) = {
                let s = &self.build.stages[stage];
                (s.step, s.other, s.value)
            };
            let Some(gradient) = self.at[value].sum else {
                continue;
            };
            if let Some(branch) = other {
                self.hand(branch, gradient);
            }
            self.back(step, gradient);
        }
        self.build.program.score = match self.at[0].sum {
            Some(buffer) => buffer,
            // Nothing of the batch reaches the output: a gradient of zeros.
            None => {
                let image = self.build.steps[0].image;
                self.build.buffer(image)
            }
        };
        self.build.program.input = self.build.values[0].unwrap_or_default();
    }

    /// From the gradient at a step's value to those at what enters it.
    fn back(&mut self, i: usize, gradient: Buffer) {
        let steps = self.build.steps;
        let step = &steps[i];
        let before = step.from[0];
        let (from, to) = (steps[before].image, step.image);
        if step.op == Op::Add {
            self.hand(before, gradient);
            self.hand(step.from[1], gradient);
            return;
        }
        let work = match step.op {
            Op::Conv { window, groups } => {
                let half = self.build.program.half;
                match geometry::winograd(to, from, window, groups, half) {
                    Some(shape) => self.build.winograd(shape, i, true),
                    None => {
                        let maps = geometry::conv_back(from, to, window, groups);
                        self.build.maps(maps, i, false)
                    }
                }
            }
            Op::Linear => {
                let map = geometry::linear_back(from, to.channels);
                self.build.maps(vec![map], i, false)
            }
            Op::Norm { .. } => Work::NormBack(self.norm_of(i)),
            Op::Average(_) | Op::Adapt => {
                let forward = self.mixture_of(i);
                let back = self.build.program.mixtures[forward].back(from.pixels());
                Work::Mix(self.build.mixture(back))
            }
            Op::Largest(_) => {
                let (forward, winner) = self.winner_of(i);
                let back = self.build.program.mixtures[forward].back(from.pixels());
                Work::Won(self.build.mixture(back), winner)
            }
            Op::Input | Op::Add | Op::Activate(_) | Op::Affine => return,
        };
        let ends = self.ends(before);
        self.build.program.backward.push(Call {
            work,
            x: gradient,
            image: from,
            ends,
        });
        self.complete(before);
    }

    /// The end of a call that makes a part of the gradient at a step's value.
    fn ends(&mut self, step: usize) -> Ends {
        let mut ends = Ends {
            before: self.at[step].sum,
            ..Ends::default()
        };
        self.at[step].left -= 1;
        let to = match self.build.activated[step] {
            Some((before, slope)) if self.at[step].left == 0 => {
                ends.slope = Some(slope);
                ends.after = self.at[before].sum;
                self.at[before].left -= 1;
                self.own(before)
            }
            _ => self.own(step),
        };
        ends.raw = Some(to);
        ends
    }

    /// The step's own buffer, which now holds what is collected.
    fn own(&mut self, step: usize) -> Buffer {
        let image = self.build.steps[step].image;
        let buffer = match self.at[step].own {
            Some(buffer) => buffer,
            None => self.build.buffer(image),
        };
        self.at[step].own = Some(buffer);
        self.at[step].sum = Some(buffer);
        buffer
    }

    /// A part of a gradient that is there already, as a whole.
    fn hand(&mut self, step: usize, gradient: Buffer) {
        let last = self.at[step].left == 1;
        if self.at[step].sum.is_none() && !(last && self.build.activated[step].is_some()) {
            self.at[step].left -= 1;
            self.at[step].sum = Some(gradient);
            return;
        }
        self.pass(step, gradient);
    }

    fn pass(&mut self, step: usize, gradient: Buffer) {
        let image = self.build.steps[step].image;
        let ends = self.ends(step);
        self.build.program.backward.push(Call {
            work: Work::Pass,
            x: gradient,
            image,
            ends,
        });
        self.complete(step);
    }

    /// After the last part of an activation's gradient: the value before it may be complete now,
    /// and an activation itself.
    fn complete(&mut self, step: usize) {
        let Some((before, _)) = self.build.activated[step] else {
            return;
        };
        if self.at[step].left > 0 || self.at[before].left > 0 {
            return;
        }
        if let (Some((further, slope)), Some(sum)) =
            (self.build.activated[before], self.at[before].sum)
        {
            let image = self.build.steps[before].image;
            self.at[further].left -= 1;
            let after = self.at[further].sum;
            let raw = Some(self.own(further));
            self.build.program.backward.push(Call {
                work: Work::Pass,
                x: sum,
                image,
                ends: Ends {
                    slope: Some(slope),
                    after,
                    raw,
                    ..Ends::default()
                },
            });
            self.complete(before);
        }
    }

    fn norm_of(&self, step: usize) -> usize {
        let norms = &self.build.program.norms;
        norms
            .iter()
            .position(|n| n.step == step)
            .unwrap_or_default()
    }

    /// The forward call of a pool: found by the step's place among the stages, which have one call
    /// each.
    fn mixture_of(&self, step: usize) -> usize {
        self.forward_work(step).map_or(0, |work| match work {
            Work::Mix(i) | Work::Largest(i, _) => *i,
            _ => 0,
        })
    }

    fn winner_of(&self, step: usize) -> (usize, Buffer) {
        match self.forward_work(step) {
            Some(Work::Largest(i, winner)) => (*i, *winner),
            _ => (0, 0),
        }
    }

    fn forward_work(&self, step: usize) -> Option<&Work> {
        let stages = &self.build.stages;
        let call = stages.iter().find(|s| s.step == step)?.call;
        self.build.program.forward.get(call).map(|c| &c.work)
    }
}
