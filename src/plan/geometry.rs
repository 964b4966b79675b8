//! Which inputs an output is made of: the runs of convolutions, forward and backward, and the
//! windows of pools.

use super::kernel::{Run, Winograd};
use super::sketch::{Image, Window};

/// The runs of an affine map between images, and where its weights lie in the layer's tensor.
pub(super) struct MapShape {
    pub pixels: usize,
    /// Channels that are made, from which one on, of how many.
    pub out: usize,
    pub offset: usize,
    pub stride: usize,
    pub runs: Vec<Run>,
    pub first: Vec<i32>,
    /// Places in the layer's weight, which add up: of each row, of each channel that is made.
    pub rows: Vec<i64>,
    pub columns: Vec<i64>,
}

impl MapShape {
    /// Multiply-adds of an image, those with padding among them.
    pub(super) fn work(&self) -> usize {
        self.pixels * self.rows.len() * self.out
    }

    /// Whether inputs and weights come in pairs.
    pub(super) fn is_in_pairs(&self) -> bool {
        let even = |n: i32| n % 2 == 0;
        self.rows.len().is_multiple_of(2)
            && self
                .runs
                .iter()
                .all(|r| even(r.x) && even(r.w) && even(r.len))
    }
}

/// Runs, pixel by pixel; those that go on where the last one ended become one.
struct Runs {
    runs: Vec<Run>,
    first: Vec<i32>,
}

impl Runs {
    fn new() -> Runs {
        Runs {
            runs: Vec::new(),
            first: vec![0],
        }
    }

    fn push(&mut self, x: usize, w: usize, len: usize) {
        let (x, w, len) = (x as i32, w as i32, len as i32);
        let begun = self.runs.len() as i32 > *self.first.last().unwrap_or(&0);
        match self.runs.last_mut() {
            Some(last) if begun && last.x + last.len == x && last.w + last.len == w => {
                last.len += len;
            }
            _ => self.runs.push(Run { x, w, len }),
        }
    }

    fn end_pixel(&mut self) {
        self.first.push(self.runs.len() as i32);
    }
}

/// The maps of a convolution, one a group.
pub(super) fn conv(from: Image, to: Image, w: Window, groups: usize) -> Vec<MapShape> {
    let (inputs, outputs) = (from.channels / groups, to.channels / groups);
    let area = w.kernel * w.kernel;
    (0..groups)
        .map(|g| {
            let mut runs = Runs::new();
            for y in 0..to.height {
                for x in 0..to.width {
                    for a in 0..w.kernel {
                        for b in 0..w.kernel {
                            let at = |o: usize, tap: usize, n: usize| {
                                (o * w.stride + tap * w.dilation)
                                    .checked_sub(w.padding)
                                    .filter(|i| *i < n)
                            };
                            if let (Some(i), Some(j)) =
                                (at(y, a, from.height), at(x, b, from.width))
                            {
                                let pixel = i * from.width + j;
                                let tap = a * w.kernel + b;
                                runs.push(pixel * from.channels + g * inputs, tap * inputs, inputs);
                            }
                        }
                    }
                    runs.end_pixel();
                }
            }
            let rows = (0..area)
                .flat_map(|tap| (0..inputs).map(move |i| (i * area + tap) as i64))
                .collect();
            let columns = (0..outputs)
                .map(|o| ((g * outputs + o) * inputs * area) as i64)
                .collect();
            MapShape {
                pixels: to.pixels(),
                out: outputs,
                offset: g * outputs,
                stride: to.channels,
                runs: runs.runs,
                first: runs.first,
                rows,
                columns,
            }
        })
        .collect()
}

/// The maps back: from gradients at a convolution's outputs to those at its inputs.
pub(super) fn conv_back(from: Image, to: Image, w: Window, groups: usize) -> Vec<MapShape> {
    let (inputs, outputs) = (from.channels / groups, to.channels / groups);
    let area = w.kernel * w.kernel;
    // Taps whose outputs lie side by side shall have their weights side by side, too: those that
    // are a stride apart follow each other, from the last to the first.
    let order: Vec<usize> = (0..w.stride)
        .flat_map(|r| {
            (0..w.kernel)
                .rev()
                .filter(move |tap| (w.kernel - 1 - tap) % w.stride == r)
        })
        .collect();
    (0..groups)
        .map(|g| {
            let mut runs = Runs::new();
            for y in 0..from.height {
                for x in 0..from.width {
                    for (i, a) in order.iter().enumerate() {
                        for (j, b) in order.iter().enumerate() {
                            // The output that this tap brought the input to, if there is one.
                            let at = |p: usize, tap: usize, n: usize| {
                                (p + w.padding)
                                    .checked_sub(tap * w.dilation)
                                    .filter(|o| o.is_multiple_of(w.stride))
                                    .map(|o| o / w.stride)
                                    .filter(|o| *o < n)
                            };
                            if let (Some(r), Some(c)) = (at(y, *a, to.height), at(x, *b, to.width))
                            {
                                let pixel = r * to.width + c;
                                let tap = i * w.kernel + j;
                                runs.push(
                                    pixel * to.channels + g * outputs,
                                    tap * outputs,
                                    outputs,
                                );
                            }
                        }
                    }
                    runs.end_pixel();
                }
            }
            let tap = |t: usize| order[t / w.kernel] * w.kernel + order[t % w.kernel];
            let rows = (0..area)
                .flat_map(|t| (0..outputs).map(move |o| (o, t)))
                .map(|(o, t)| ((g * outputs + o) * inputs * area + tap(t)) as i64)
                .collect();
            let columns = (0..inputs).map(|i| (i * area) as i64).collect();
            MapShape {
                pixels: from.pixels(),
                out: inputs,
                offset: g * inputs,
                stride: from.channels,
                runs: runs.runs,
                first: runs.first,
                rows,
                columns,
            }
        })
        .collect()
}

/// Where the numbers of an image lie in a block, in the order of a tensor's row (channel by
/// channel).
pub(super) fn places(image: Image) -> Vec<i32> {
    let pixels = image.pixels();
    (0..image.size())
        .map(|i| ((i % pixels) * image.channels + i / pixels) as i32)
        .collect()
}

/// The other way round: where a number of a block lies in a tensor's row.
fn in_row(image: Image) -> Vec<i64> {
    let (pixels, channels) = (image.pixels(), image.channels);
    (0..image.size())
        .map(|e| ((e % channels) * pixels + e / channels) as i64)
        .collect()
}

/// An affine map of a whole image to features: one run.
pub(super) fn linear(from: Image, out: usize) -> MapShape {
    let size = from.size();
    MapShape {
        pixels: 1,
        out,
        offset: 0,
        stride: out,
        runs: vec![Run {
            x: 0,
            w: 0,
            len: size as i32,
        }],
        first: vec![0, 1],
        rows: in_row(from),
        columns: (0..out).map(|o| (o * size) as i64).collect(),
    }
}

/// The map back, to an image as one pixel of many channels.
pub(super) fn linear_back(from: Image, out: usize) -> MapShape {
    let size = from.size();
    MapShape {
        pixels: 1,
        out: size,
        offset: 0,
        stride: size,
        runs: vec![Run {
            x: 0,
            w: 0,
            len: out as i32,
        }],
        first: vec![0, 1],
        rows: (0..out).map(|o| (o * size) as i64).collect(),
        columns: in_row(from),
    }
}

/// A 3×3 convolution that Winograd's transform pays for: below some channels the transforms cost
/// more than they save. In bf16 (`half`) products cost half, and transforms what they did.
pub(super) fn winograd(
    from: Image,
    to: Image,
    w: Window,
    groups: usize,
    half: bool,
) -> Option<Winograd> {
    let plain = w.kernel == 3 && w.stride == 1 && w.padding == 1 && w.dilation == 1 && groups == 1;
    let least = if half { 128 * 128 } else { 16 * 16 };
    if !plain || from.channels * to.channels < least {
        return None;
    }
    let all = to.height.div_ceil(2) * to.width.div_ceil(2);
    // The sixteen planes of inputs and outputs of the tiles at hand stay in the second cache where
    // they can. Where the weights alone fill it, more tiles share each weight that is read.
    let bytes = 16 * (from.channels + to.channels) * super::kernel::LANES * 4;
    let weights = 16 * 4 * from.channels * to.channels;
    let least = if weights > 1 << 20 { 16 } else { 4 };
    let tiles = (400_000 / bytes).max(least).min(all);
    Some(Winograd {
        height: to.height as i32,
        width: to.width as i32,
        inputs: from.channels as i32,
        outputs: to.channels as i32,
        tiles: tiles as i32,
    })
}

/// For each pixel that is made, the pixels that enter, with their weights.
#[derive(Clone, Debug, Default)]
pub(super) struct Mixture {
    pub first: Vec<i32>,
    pub pixel: Vec<i32>,
    pub weight: Vec<f64>,
}

impl Mixture {
    fn of(parts: Vec<Vec<(usize, f64)>>) -> Mixture {
        let mut made = Mixture {
            first: vec![0],
            ..Mixture::default()
        };
        for part in parts {
            for (pixel, weight) in part {
                made.pixel.push(pixel as i32);
                made.weight.push(weight);
            }
            made.first.push(made.pixel.len() as i32);
        }
        made
    }

    /// The same sums the other way: for each of `n` pixels that enter, those that it is a part of.
    pub(super) fn back(&self, n: usize) -> Mixture {
        let mut parts = vec![Vec::new(); n];
        for to in 0..self.first.len() - 1 {
            for k in self.first[to] as usize..self.first[to + 1] as usize {
                parts[self.pixel[k] as usize].push((to, self.weight[k]));
            }
        }
        Mixture::of(parts)
    }
}

/// The pixels in each place of a window, each with the same weight.
pub(super) fn windows(from: Image, to: Image, w: Window, weight: f64) -> Mixture {
    let at = |o: usize, tap: usize, n: usize| {
        (o * w.stride + tap)
            .checked_sub(w.padding)
            .filter(|i| *i < n)
    };
    let part = |y: usize, x: usize| {
        let taps = (0..w.kernel).flat_map(|a| (0..w.kernel).map(move |b| (a, b)));
        taps.filter_map(|(a, b)| {
            let (i, j) = (at(y, a, from.height)?, at(x, b, from.width)?);
            Some((i * from.width + j, weight))
        })
        .collect()
    };
    Mixture::of(
        (0..to.pixels())
            .map(|p| part(p / to.width, p % to.width))
            .collect(),
    )
}

/// Means of windows whose borders are as even as whole pixels allow (PyTorch's adaptive pool).
pub(super) fn adapted(from: Image, to: Image) -> Mixture {
    let range = |o: usize, n: usize, m: usize| (o * n / m)..((o + 1) * n).div_ceil(m);
    let part = |y: usize, x: usize| {
        let (rows, columns) = (
            range(y, from.height, to.height),
            range(x, from.width, to.width),
        );
        let weight = 1.0 / (rows.len() * columns.len()) as f64;
        rows.flat_map(|i| columns.clone().map(move |j| (i * from.width + j, weight)))
            .collect()
    };
    Mixture::of(
        (0..to.pixels())
            .map(|p| part(p / to.width, p % to.width))
            .collect(),
    )
}
