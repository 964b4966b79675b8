//! A block of sixteen images through a program.

#![allow(unsafe_code)] // Kernels get raw pointers into the block's own buffers.

use super::kernel::{Finish, LANES, Lane, Map, Norm, Real, Stage, Winograd};
use super::program::{Buffer, Call, Ends, Program, Slope, Work};
use super::team::{Shared, Team, begin, each_part};
use super::weights::{Pack, Weights};
use crate::error::{Error, Result};

/// The buffers of one block.
pub(super) struct Block<T> {
    buffers: Vec<Vec<Lane<T>>>,
    scratch: Vec<Lane<T>>,
    /// Who shares its calls.
    pub(super) team: Team,
}

impl<T: Real> Block<T> {
    /// Buffers for a program.
    pub(super) fn new(program: &Program) -> Block<T> {
        let lanes = |n: usize| vec![Lane([T::default(); LANES]); n];
        // Safety: the kernel only computes a size.
        let scratch = program
            .winograds
            .iter()
            .map(|w| unsafe { (T::table().winograd_scratch)(&w.shape) })
            .max()
            .unwrap_or(0);
        // Where the inputs of maps in bf16 are rounded to.
        let halved = |call: &Call| match &call.work {
            Work::Maps(maps) if maps.iter().any(|i| program.maps[*i].half) => {
                program.buffers[call.x].div_ceil(2) * LANES
            }
            _ => 0,
        };
        let calls = program.forward.iter().chain(&program.backward);
        let scratch = scratch.max(calls.map(halved).max().unwrap_or(0));
        Block {
            buffers: program.buffers.iter().map(|n| lanes(*n)).collect(),
            scratch: lanes(scratch.div_ceil(LANES)),
            team: Team::ONE,
        }
    }

    /// The numbers of a buffer.
    pub(super) fn numbers(&self, buffer: Buffer) -> *const T {
        self.buffers[buffer].as_ptr().cast()
    }

    pub(super) fn numbers_mut(&mut self, buffer: Buffer) -> *mut T {
        self.buffers[buffer].as_mut_ptr().cast()
    }

    /// One number of one image.
    pub(super) fn number(&self, buffer: Buffer, place: usize, image: usize) -> T {
        self.buffers[buffer][place].0[image]
    }

    /// Runs calls one after the other.
    pub(super) fn run(&mut self, calls: &[Call], program: &Program, weights: &Weights<T>) {
        for call in calls {
            self.call(call, program, weights);
        }
    }

    fn call(&mut self, call: &Call, program: &Program, weights: &Weights<T>) {
        let x = self.numbers(call.x);
        let finish = self.finish(&call.ends, program, weights);
        let (pixels, channels) = (call.image.pixels() as i32, call.image.channels as i32);
        let table = T::table();
        // Safety: `check` has seen that every buffer of every call has the size that its kernel
        // reads or writes, and the runs of maps stay inside them.
        unsafe {
            match &call.work {
                Work::Maps(maps) => self.maps(maps, call, &finish, program, weights),
                Work::Winograd(i) => self.winograd(*i, x, &finish, program, weights),
                Work::Pass => (table.pass)(x, pixels, channels, &finish),
                Work::Mix(i) => {
                    let m = &program.mixtures[*i];
                    let (first, pixel) = (m.first.as_ptr(), m.pixel.as_ptr());
                    (table.mix)(
                        x,
                        pixels,
                        channels,
                        first,
                        pixel,
                        m.weight.as_ptr(),
                        &finish,
                    );
                }
                Work::Largest(i, winner) => {
                    let m = &program.mixtures[*i];
                    let (first, pixel) = (m.first.as_ptr(), m.pixel.as_ptr());
                    let winner = self.numbers_mut(*winner);
                    (table.largest)(x, pixels, channels, first, pixel, winner, &finish);
                }
                Work::Won(i, winner) => {
                    let m = &program.mixtures[*i];
                    let (first, pixel) = (m.first.as_ptr(), m.pixel.as_ptr());
                    let winner = self.numbers(*winner);
                    (table.won)(x, pixels, channels, first, pixel, winner, &finish);
                }
                Work::Norm(i) => (table.normalise)(&self.norm(*i, program, weights), x, &finish),
                Work::NormBack(i) => {
                    (table.normalise_back)(&self.norm(*i, program, weights), x, &finish);
                }
            }
        }
    }

    /// Affine maps, one a group of channels.
    ///
    /// # Safety
    /// `check` has seen that they fit.
    unsafe fn maps(
        &mut self,
        maps: &[usize],
        call: &Call,
        finish: &Finish<T>,
        program: &Program,
        weights: &Weights<T>,
    ) {
        let x = self.numbers(call.x);
        let finish: *const Finish<T> = finish;
        for (group, i) in maps.iter().enumerate() {
            let linear = &program.maps[*i];
            let bias = &weights.biases[linear.step];
            let bias = if linear.biased && !bias.is_empty() {
                bias[linear.shape.offset..].as_ptr()
            } else {
                std::ptr::null()
            };
            let map = Map::of(linear);
            let parts = self.team.parts(linear.shape.work());
            match (&weights.maps[*i], T::halves()) {
                (Pack::Full(pack), _) => {
                    let apply = T::table().apply;
                    let shared = Shared::of((&raw const map, x, pack.as_ptr(), bias, finish));
                    each_part(parts, |part| {
                        let (map, x, pack, bias, finish) = shared.get();
                        // Safety: as promised by the caller.
                        unsafe { apply(map, x, pack, bias, finish, part as i32, parts as i32) }
                    });
                }
                (Pack::Half(pack), Some(halves)) => {
                    let to: *mut u32 = self.scratch.as_mut_ptr().cast();
                    if group == 0 {
                        // Safety: the scratch holds the halved input of any call.
                        unsafe { (halves.halve)(x.cast(), program.buffers[call.x], to) }
                    }
                    let (to, pack) = (to.cast_const(), pack.as_ptr());
                    let shared = Shared::of((&raw const map, to, pack, bias.cast(), finish.cast()));
                    each_part(parts, |part| {
                        let (map, x, pack, bias, finish) = shared.get();
                        // Safety: as above.
                        unsafe {
                            (halves.apply)(map, x, pack, bias, finish, part as i32, parts as i32)
                        }
                    });
                }
                (Pack::Half(_), None) => {}
            }
        }
    }

    /// A convolution by Winograd's transform, chunk by chunk.
    ///
    /// # Safety
    /// `check` has seen that it fits.
    unsafe fn winograd(
        &mut self,
        i: usize,
        x: *const T,
        finish: &Finish<T>,
        program: &Program,
        weights: &Weights<T>,
    ) {
        let turned = &program.winograds[i];
        let shape = &turned.shape;
        let bias = &weights.biases[turned.step];
        let bias = if turned.turned || bias.is_empty() {
            std::ptr::null()
        } else {
            bias.as_ptr()
        };
        // Safety: the kernel only computes a size.
        let room = unsafe { (T::table().winograd_scratch)(shape) }.div_ceil(LANES);
        let chunks = shape.chunks();
        let parts = self.team.parts(shape.work());
        // Chunks need not wait for each other, but each needs a scratch of its own.
        let even = chunks.is_multiple_of(parts) || chunks >= 4 * parts;
        let apart = parts > 1 && chunks >= parts && even;
        if apart && self.scratch.len() < room * parts {
            self.scratch
                .resize(room * parts, Lane([T::default(); LANES]));
        }
        let finish: *const Finish<T> = finish;
        let shared = Shared::of((x, bias, self.scratch.as_mut_ptr(), finish));
        let pack = &weights.winograds[i];
        let stage = |chunk: usize, stage: usize, (part, parts): (usize, usize), own: usize| {
            let (x, bias, scratch, finish) = shared.get();
            let at = Stage {
                chunk: chunk as i32,
                stage: stage as i32,
                part: part as i32,
                parts: parts as i32,
            };
            // Safety: as promised by the caller; there are as many scratches as chunks at work.
            unsafe {
                let scratch = scratch.add(own * room);
                match (pack, T::halves()) {
                    (Pack::Full(pack), _) => {
                        let (pack, scratch) = (pack.as_ptr(), scratch.cast());
                        (T::table().winograd)(shape, x, pack, bias, scratch, finish, &at);
                    }
                    (Pack::Half(pack), Some(halves)) => {
                        let (x, bias, finish) = (x.cast(), bias.cast(), finish.cast());
                        let (pack, scratch) = (pack.as_ptr(), scratch.cast());
                        (halves.winograd)(shape, x, pack, bias, scratch, finish, &at);
                    }
                    (Pack::Half(_), None) => {}
                }
            }
        };
        if apart {
            each_part(parts, |part| {
                for chunk in begin(part, parts, chunks)..begin(part + 1, parts, chunks) {
                    (0..Winograd::STAGES).for_each(|s| stage(chunk, s, (0, 1), part));
                }
            });
            return;
        }
        let parts = self.team.parts(shape.work() / chunks.max(1));
        for chunk in 0..chunks {
            for s in 0..Winograd::STAGES {
                each_part(parts, |part| stage(chunk, s, (part, parts), 0));
            }
        }
    }

    fn norm(&mut self, i: usize, program: &Program, weights: &Weights<T>) -> Norm<T> {
        let n = &program.norms[i];
        let (scale, bias) = (&weights.scales[n.step], &weights.biases[n.step]);
        let affine = !scale.is_empty();
        let null = std::ptr::null();
        Norm {
            pixels: n.image.pixels() as i32,
            channels: n.image.channels as i32,
            groups: n.groups as i32,
            each: i32::from(n.each),
            weight: if affine { scale.as_ptr() } else { null },
            bias: if affine { bias.as_ptr() } else { null },
            normed: self.numbers_mut(n.normed),
            inverse: self.numbers_mut(n.inverse),
            eps: T::of(n.eps),
        }
    }

    fn finish(&mut self, ends: &Ends, program: &Program, weights: &Weights<T>) -> Finish<T> {
        let null = std::ptr::null;
        let read = |buffer: Option<Buffer>| buffer.map_or(null(), |b| self.numbers(b));
        let (times, sign, leak) = match ends.slope {
            Some(Slope::Kept(buffer)) => (Some(buffer), None, 0.0),
            Some(Slope::Sign(buffer, leak)) => (None, Some(buffer), leak),
            None => (None, None, 0.0),
        };
        let (before, after) = (read(ends.before), read(ends.after));
        let (times, sign) = (read(times), read(sign));
        let made = ends.made.as_ref();
        let affine = made.and_then(|m| m.affine).map(|i| program.affines[i]);
        let (activation, number) = made.map_or((0, 0.0), |m| m.curve.code());
        let mut write =
            |buffer: Option<Buffer>| buffer.map_or(std::ptr::null_mut(), |b| self.numbers_mut(b));
        Finish {
            before,
            times,
            sign,
            after,
            raw: write(ends.raw),
            made: write(made.map(|m| m.to)),
            slope: write(made.and_then(|m| m.slope)),
            scale: affine.map_or(null(), |i| weights.scales[i].as_ptr()),
            shift: affine.map_or(null(), |i| weights.biases[i].as_ptr()),
            leak: T::of(leak),
            number: T::of(number),
            activation,
        }
    }
}

impl Map {
    fn of(linear: &super::program::Linear) -> Map {
        let s = &linear.shape;
        Map {
            pixels: s.pixels as i32,
            out: s.out as i32,
            offset: s.offset as i32,
            stride: s.stride as i32,
            depth: s.rows.len() as i32,
            // Weights that fill the second cache are read once for all pixels, not once for each.
            outer: i32::from(s.rows.len() * s.out * 4 > 128 << 10),
            runs: s.runs.as_ptr(),
            first: s.first.as_ptr(),
        }
    }
}

/// Whether every call reads and writes inside its buffers: a plan that does not fit is never used.
pub(super) fn check(program: &Program) -> Result<()> {
    let wrong = |what: &str| {
        Err(Error::state(format!(
            "plan: {what} does not fit its buffer"
        )))
    };
    let size = |b: Buffer| program.buffers.get(b).copied().unwrap_or(0);
    for call in program.forward.iter().chain(&program.backward) {
        let n = call.image.size();
        let e = &call.ends;
        let slope = e.slope.map(|s| match s {
            Slope::Kept(b) | Slope::Sign(b, _) => b,
        });
        let made = e.made.iter().flat_map(|m| [Some(m.to), m.slope]);
        let all = [e.before, slope, e.after, e.raw].into_iter().chain(made);
        if all.flatten().any(|b| size(b) != n) {
            return wrong("an end");
        }
        let reads = size(call.x);
        let fits = match &call.work {
            Work::Maps(maps) => maps.iter().all(|i| {
                let s = &program.maps[*i].shape;
                let rows = s.rows.len() as i32;
                s.pixels * s.stride == n
                    && s.offset + s.out <= s.stride
                    && s.first.len() == s.pixels + 1
                    && s.runs.iter().all(|r| {
                        r.x >= 0
                            && r.w >= 0
                            && (r.x + r.len) as usize <= reads
                            && r.w + r.len <= rows
                    })
            }),
            Work::Winograd(i) => {
                let w = &program.winograds[*i].shape;
                let pixels = (w.height * w.width) as usize;
                pixels * w.inputs as usize == reads && pixels * w.outputs as usize == n
            }
            Work::Pass => reads == n,
            Work::Mix(i) => mixture_fits(program, *i, call, reads),
            Work::Largest(i, winner) => {
                size(*winner) == n && mixture_fits(program, *i, call, reads)
            }
            Work::Won(i, winner) => {
                size(*winner) == reads && mixture_fits(program, *i, call, reads)
            }
            Work::Norm(i) | Work::NormBack(i) => {
                let norm = &program.norms[*i];
                reads == n
                    && size(norm.normed) == n
                    && size(norm.inverse) == norm.groups
                    && call.image.channels.is_multiple_of(norm.groups)
            }
        };
        if !fits {
            return wrong("a kernel");
        }
    }
    let ends = size(program.logits) == program.outputs && size(program.seed) == program.outputs;
    let row = program.places.len();
    if !ends || size(program.input) != row || size(program.score) != row {
        return wrong("an input or output");
    }
    Ok(())
}

fn mixture_fits(program: &Program, i: usize, call: &Call, reads: usize) -> bool {
    let m = &program.mixtures[i];
    let channels = call.image.channels;
    m.first.len() == call.image.pixels() + 1
        && m.pixel
            .iter()
            .all(|p| (*p as usize + 1) * channels <= reads)
}
