//! Weights in the order in which kernels read them; laid out once a chain.

#![allow(unsafe_code)] // Kernels read tensors and write packs; sizes are checked first.

use super::geometry::MapShape;
use super::kernel::{Real, Winograd};
use super::program::Program;
use super::sketch::{Sketch, Step};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Weights as a kernel reads them.
pub(super) enum Pack<T> {
    Full(Vec<T>),
    /// Two bf16 numbers each.
    Half(Vec<u32>),
}

impl<T: Real> Pack<T> {
    /// Room for `n` numbers: what is there, where it is of that size.
    fn full(&mut self, n: usize) -> &mut [T] {
        if !matches!(self, Pack::Full(all) if all.len() == n) {
            *self = Pack::Full(vec![T::default(); n]);
        }
        match self {
            Pack::Full(all) => all,
            Pack::Half(_) => &mut [],
        }
    }

    /// Rounds to bf16: some planes of `depth` rows for `out` channels.
    fn halve(&mut self, depth: usize, out: usize, planes: usize) -> Result<()> {
        let (Pack::Full(all), Some(halves)) = (&*self, T::halves()) else {
            return Err(wrong_size());
        };
        let size = depth * out;
        if all.len() != planes * size || !depth.is_multiple_of(2) {
            return Err(wrong_size());
        }
        let mut pairs = vec![0u32; all.len() / 2];
        for (from, to) in all.chunks(size).zip(pairs.chunks_mut(size / 2)) {
            // Safety: `T::halves` is there for float32 only, and both have the sizes that are read.
            unsafe {
                (halves.halve_weights)(
                    from.as_ptr().cast(),
                    depth as i32,
                    out as i32,
                    to.as_mut_ptr(),
                );
            }
        }
        *self = Pack::Half(pairs);
        Ok(())
    }
}

/// All weights of a program.
pub(super) struct Weights<T> {
    /// One for each of [`Program::maps`].
    pub maps: Vec<Pack<T>>,
    /// One for each of [`Program::winograds`].
    pub winograds: Vec<Pack<T>>,
    /// Of each step: its bias (an affine map's, or a normalisation's).
    pub biases: Vec<Vec<T>>,
    /// Of each step: scale of an affine step, weight of a normalisation.
    pub scales: Vec<Vec<T>>,
}

impl<T: Real> Weights<T> {
    /// Room for the weights of a program.
    pub(super) fn new(program: &Program, steps: usize) -> Weights<T> {
        let room = |n: usize| Pack::Full(vec![T::default(); n]);
        Weights {
            maps: program.maps.iter().map(|_| room(0)).collect(),
            winograds: program.winograds.iter().map(|_| room(0)).collect(),
            biases: vec![Vec::new(); steps],
            scales: vec![Vec::new(); steps],
        }
    }

    /// Takes the weights of a sketch that is like the program's.
    pub(super) fn load(&mut self, program: &Program, sketch: &Sketch) -> Result<()> {
        for (i, step) in sketch.steps.iter().enumerate() {
            self.load_vectors(program, i, step)?;
        }
        for (map, pack) in program.maps.iter().zip(&mut self.maps) {
            let weight = numbers(&sketch.steps[map.step].weights[0])?;
            let n = map.shape.rows.len() * map.shape.out;
            lay_out(&map.shape, &weight, pack.full(n))?;
            if map.half {
                pack.halve(map.shape.rows.len(), map.shape.out, 1)?;
            }
        }
        for (winograd, pack) in program.winograds.iter().zip(&mut self.winograds) {
            let weight = numbers(&sketch.steps[winograd.step].weights[0])?;
            let (shape, inputs) = (&winograd.shape, winograd.shape.inputs as usize);
            let outputs = shape.outputs as usize;
            winograd_lay_out(
                shape,
                &weight,
                winograd.turned,
                pack.full(16 * inputs * outputs),
            )?;
            if winograd.half {
                pack.halve(inputs, outputs, 16)?;
            }
        }
        Ok(())
    }

    /// Biases, scales and shifts.
    fn load_vectors(&mut self, program: &Program, i: usize, step: &Step) -> Result<()> {
        let vector = |k: usize| step.weights.get(k).map(numbers).transpose();
        self.biases[i] = vector(1)?.unwrap_or_default();
        let norm = program.norms.iter().find(|n| n.step == i);
        if norm.is_some() || program.affines.contains(&i) {
            self.scales[i] = vector(0)?.unwrap_or_default();
        }
        // One number a place lies in a block pixel by pixel, in a tensor channel by channel.
        if let Some(norm) = norm.filter(|n| n.each) {
            let places = super::geometry::places(norm.image);
            for numbers in [&mut self.scales[i], &mut self.biases[i]] {
                let rows = std::mem::take(numbers);
                let mut moved = rows.clone();
                rows.iter()
                    .zip(&places)
                    .for_each(|(v, place)| moved[*place as usize] = *v);
                *numbers = moved;
            }
        }
        Ok(())
    }
}

/// A tensor's numbers.
pub(super) fn numbers<T: Real>(tensor: &Tensor) -> Result<Vec<T>> {
    let raw = tensor.raw().f_detach()?.f_contiguous()?;
    let mut all = vec![T::default(); raw.numel()];
    if raw.kind() != T::KIND {
        return Err(Error::state("plan: weights of another element type"));
    }
    raw.f_copy_data_u8(bytes(&mut all), raw.numel())?;
    Ok(all)
}

fn bytes<T: Real>(all: &mut [T]) -> &mut [u8] {
    let n = std::mem::size_of_val(all);
    // Safety: floats have no padding, and any bytes are a float.
    unsafe { std::slice::from_raw_parts_mut(all.as_mut_ptr().cast(), n) }
}

fn wrong_size() -> Error {
    Error::state("plan: weights of another size than was planned")
}

fn lay_out<T: Real>(shape: &MapShape, weight: &[T], pack: &mut [T]) -> Result<()> {
    let last = |places: &[i64]| places.iter().max().copied().unwrap_or(0);
    let reach = last(&shape.rows) + last(&shape.columns);
    if reach as usize >= weight.len() || pack.len() != shape.rows.len() * shape.columns.len() {
        return Err(wrong_size());
    }
    // Safety: the last place that is read lies inside `weight`, and `pack` has room for all.
    unsafe {
        (T::table().lay_out)(
            pack.as_mut_ptr(),
            weight.as_ptr(),
            shape.rows.as_ptr(),
            shape.rows.len() as i32,
            shape.columns.as_ptr(),
            shape.out as i32,
        );
    }
    Ok(())
}

fn winograd_lay_out<T: Real>(
    shape: &Winograd,
    weight: &[T],
    turned: bool,
    pack: &mut [T],
) -> Result<()> {
    let pairs = (shape.inputs * shape.outputs) as usize;
    if weight.len() != pairs * 9 || pack.len() != pairs * 16 {
        return Err(wrong_size());
    }
    // Safety: sizes are those that the kernel reads and writes.
    unsafe {
        (T::table().winograd_lay_out)(shape, weight.as_ptr(), turned, pack.as_mut_ptr());
    }
    Ok(())
}
