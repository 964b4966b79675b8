//! The way there: a sketch's steps as kernel calls.
//!
//! A kernel ends with more than its own sum: it can add another image (the other branch of a
//! residual block), apply an activation, and keep that activation's derivative for the way back. So
//! most steps of a sketch need no call of their own; they are *joined* to the call before.

use super::geometry::{self, MapShape, Mixture};
use super::kernel::Winograd;
use super::program::{Buffer, Call, Ends, Linear, Made, NormShape, Program, Slope, Turned, Work};
use super::sketch::{Curve, Image, Op, Sketch, Step};

/// One kernel call of the forward pass, and the steps that it stands for.
pub(super) struct Stage {
    /// The step that is computed; for an activation by itself, the activation.
    pub step: usize,
    /// The branch that was added.
    pub other: Option<usize>,
    /// The step whose value the call makes before an activation: the step itself, or the sum.
    pub value: usize,
    /// Its place among the forward calls.
    pub call: usize,
}

/// A program while it is made.
pub(super) struct Build<'a> {
    pub steps: &'a [Step],
    pub program: Program,
    /// Who uses each step's value.
    pub uses: Vec<Vec<usize>>,
    /// Where each step's value lies, once it is there.
    pub values: Vec<Option<Buffer>>,
    pub stages: Vec<Stage>,
    /// Of an activation's values: the step before it, and its derivative.
    pub activated: Vec<Option<(usize, Slope)>>,
    joined: Vec<bool>,
}

impl Build<'_> {
    /// The forward calls of a sketch; with `half`, its maps multiply in bf16 where they can.
    pub fn new(sketch: &Sketch, half: bool) -> Build<'_> {
        let steps = &sketch.steps[..];
        let mut uses = vec![Vec::new(); steps.len()];
        for (i, step) in steps.iter().enumerate() {
            step.from.iter().for_each(|from| uses[*from].push(i));
        }
        let first = steps[0].image;
        let mut build = Build {
            steps,
            uses,
            values: vec![None; steps.len()],
            stages: Vec::new(),
            activated: vec![None; steps.len()],
            joined: vec![false; steps.len()],
            program: Program {
                forward: Vec::new(),
                backward: Vec::new(),
                buffers: Vec::new(),
                maps: Vec::new(),
                winograds: Vec::new(),
                mixtures: Vec::new(),
                norms: Vec::new(),
                affines: Vec::new(),
                input: 0,
                score: 0,
                logits: 0,
                seed: 0,
                outputs: steps[sketch.output].image.channels,
                places: geometry::places(first),
                work: 0,
                half,
            },
        };
        build.values[0] = Some(build.buffer(first));
        for i in 1..steps.len() {
            if !build.joined[i] {
                build.stage(i, sketch.output);
            }
        }
        build.program.logits = build.values[sketch.output].unwrap_or_default();
        build.program.seed = build.buffer(steps[sketch.output].image);
        build
    }

    pub(super) fn buffer(&mut self, image: Image) -> Buffer {
        self.lanes(image.size())
    }

    pub(super) fn lanes(&mut self, n: usize) -> Buffer {
        self.program.buffers.push(n);
        self.program.buffers.len() - 1
    }

    fn value(&self, step: usize) -> Buffer {
        self.values[step].unwrap_or_default()
    }

    /// The call for a step, with what can be joined to it.
    fn stage(&mut self, i: usize, output: usize) {
        let step = &self.steps[i];
        if let Op::Activate(_) | Op::Affine = step.op {
            // An activation that no call before could carry: of the batch itself, or a second one
            // of the same values.
            let before = step.from[0];
            let made = self.activation(i);
            let call = Call {
                work: Work::Pass,
                x: self.value(before),
                image: step.image,
                ends: Ends {
                    made: Some(made),
                    ..Ends::default()
                },
            };
            self.program.forward.push(call);
            return;
        }
        let x = self.value(step.from[0]);
        let mut ends = Ends::default();
        let (mut value, mut other) = (i, None);
        if step.op == Op::Add {
            ends.after = Some(self.value(step.from[1]));
        } else if let Some((sum, branch)) = self.sum_after(i, output) {
            self.joined[sum] = true;
            ends.after = Some(self.value(branch));
            (value, other) = (sum, Some(branch));
        }
        let next = self.uses[value].clone();
        let carried = next.iter().copied().find(|j| {
            !self.joined[*j] && matches!(self.steps[*j].op, Op::Activate(_) | Op::Affine)
        });
        let image = step.image;
        if carried.is_none() || next.len() > 1 || value == output {
            let to = self.buffer(image);
            ends.raw = Some(to);
            self.values[value] = Some(to);
        }
        if let Some(j) = carried {
            self.joined[j] = true;
            ends.made = Some(self.activation(j));
        }
        let work = self.work(i);
        self.program.forward.push(Call {
            work,
            x,
            image,
            ends,
        });
        self.stages.push(Stage {
            step: i,
            other,
            value,
            call: self.program.forward.len() - 1,
        });
    }

    /// The sum that is all that follows a step, if its other branch is there already.
    fn sum_after(&self, i: usize, output: usize) -> Option<(usize, usize)> {
        let &[sum] = &self.uses[i][..] else {
            return None;
        };
        let step = &self.steps[sum];
        if step.op != Op::Add || i == output {
            return None;
        }
        let other = if step.from[0] == i {
            step.from[1]
        } else {
            step.from[0]
        };
        (other != i && self.values[other].is_some()).then_some((sum, other))
    }

    /// The values of an activation, or of an affine map and the activation after it.
    fn activation(&mut self, j: usize) -> Made {
        let before = self.steps[j].from[0];
        let (affine, last) = match self.steps[j].op {
            Op::Affine => {
                self.program.affines.push(j);
                let next = match self.uses[j][..] {
                    [k] if matches!(self.steps[k].op, Op::Activate(_)) => k,
                    _ => j,
                };
                (Some(self.program.affines.len() - 1), next)
            }
            _ => (None, j),
        };
        self.joined[last] = true;
        let curve = match self.steps[last].op {
            Op::Activate(curve) => curve,
            _ => Curve::Identity,
        };
        let image = self.steps[last].image;
        let to = self.buffer(image);
        self.values[last] = Some(to);
        let leak = match curve {
            Curve::Relu => Some(0.0),
            Curve::LeakyRelu(slope) if slope > 0.0 => Some(slope),
            _ => None,
        };
        let slope = match (leak, affine) {
            (Some(leak), None) => Slope::Sign(to, leak),
            _ => Slope::Kept(self.buffer(image)),
        };
        self.activated[last] = Some((before, slope));
        Made {
            to,
            slope: match slope {
                Slope::Kept(buffer) => Some(buffer),
                Slope::Sign(..) => None,
            },
            affine,
            curve,
        }
    }

    /// The kernel of a step.
    fn work(&mut self, i: usize) -> Work {
        let step = &self.steps[i];
        let from = self.steps[step.from[0]].image;
        let to = step.image;
        match step.op {
            Op::Conv { window, groups } => {
                let area = window.kernel * window.kernel;
                self.program.work += 2 * to.size() * area * from.channels / groups;
                match geometry::winograd(from, to, window, groups, self.program.half) {
                    Some(shape) => self.winograd(shape, i, false),
                    None => self.maps(geometry::conv(from, to, window, groups), i, true),
                }
            }
            Op::Linear => {
                self.program.work += 2 * from.size() * to.size();
                self.maps(vec![geometry::linear(from, to.channels)], i, true)
            }
            Op::Average(window) => {
                let weight = 1.0 / (window.kernel * window.kernel) as f64;
                Work::Mix(self.mixture(geometry::windows(from, to, window, weight)))
            }
            Op::Adapt => Work::Mix(self.mixture(geometry::adapted(from, to))),
            Op::Largest(window) => {
                let windows = self.mixture(geometry::windows(from, to, window, 1.0));
                Work::Largest(windows, self.buffer(to))
            }
            Op::Norm { groups, eps, each } => {
                let norm = NormShape {
                    step: i,
                    image: to,
                    groups,
                    eps,
                    each,
                    normed: self.buffer(to),
                    inverse: self.lanes(groups),
                };
                self.program.norms.push(norm);
                Work::Norm(self.program.norms.len() - 1)
            }
            Op::Input | Op::Add | Op::Activate(_) | Op::Affine => Work::Pass,
        }
    }

    pub(super) fn maps(&mut self, shapes: Vec<MapShape>, step: usize, biased: bool) -> Work {
        let first = self.program.maps.len();
        // Pairs of inputs must lie side by side, and meet pairs of weights.
        let half = self.program.half && shapes.iter().all(MapShape::is_in_pairs);
        self.program
            .maps
            .extend(shapes.into_iter().map(|shape| Linear {
                shape,
                step,
                biased,
                half,
            }));
        Work::Maps((first..self.program.maps.len()).collect())
    }

    pub(super) fn winograd(&mut self, shape: Winograd, step: usize, turned: bool) -> Work {
        self.program.winograds.push(Turned {
            shape,
            step,
            turned,
            half: self.program.half && shape.inputs % 2 == 0,
        });
        Work::Winograd(self.program.winograds.len() - 1)
    }

    pub(super) fn mixture(&mut self, mixture: Mixture) -> usize {
        self.program.mixtures.push(mixture);
        self.program.mixtures.len() - 1
    }
}
