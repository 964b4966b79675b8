//! Normal numbers as a function of a key, a step, a chain and a coordinate (Philox, Salmon et al.,
//! 2011; Box and Muller's transform).
//!
//! They depend on no thread and no order, so a chain that is written out and one that is not walk
//! with the same noise. The key comes from libtorch's generator, so runs are functions of their
//! seed as before.

#![allow(unsafe_code)] // The kernel gets a tensor's memory.

use super::kernel::Real;
use crate::error::Result;
use crate::tensor::{Device, InsideVmap, Kind, Tensor};

/// What tells one walk's noise from another's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key(pub(super) u64);

impl Key {
    /// A key drawn from libtorch's generator on the CPU.
    pub fn draw() -> Result<Key> {
        let drawn =
            tch::Tensor::f_randint_low(i64::MIN, i64::MAX, [1], (Kind::Int64, Device::Cpu))?;
        Ok(Key(drawn.f_int64_value(&[0])? as u64))
    }
}

/// `x + scale · n` for rows `[B, …]`, with the noise of this key and step. Elsewhere than on the
/// CPU, and for element types that kernels do not know, libtorch's generator makes it.
pub fn add_noise(x: &Tensor, scale: f64, key: Key, step: usize) -> Result<Tensor> {
    let known = matches!(x.kind(), Kind::Float | Kind::Double);
    let ours = x.device() == Device::Cpu && known && !InsideVmap::now();
    if !ours || x.is_empty() {
        let mut noise = x.raw().f_empty_like()?;
        return Ok(noise.f_normal_(0.0, scale)?.f_add(x.raw())?.into());
    }
    let noise = x.raw().f_detach()?.f_contiguous()?.f_zeros_like()?;
    match noise.kind() {
        Kind::Float => fill::<f32>(&noise, scale, key, step),
        _ => fill::<f64>(&noise, scale, key, step),
    }
    Ok(x.raw().f_add(&noise)?.into())
}

/// Adds noise to a contiguous tensor of its own.
fn fill<T: Real>(x: &tch::Tensor, scale: f64, key: Key, step: usize) {
    let rows = x.size()[0];
    let width = x.numel() as i64 / rows.max(1);
    // Safety: the tensor is contiguous, of this element type, on the CPU, and ours alone.
    unsafe {
        (T::table().add_noise)(
            x.data_ptr().cast(),
            rows,
            width,
            0,
            key.0,
            step as u32,
            T::of(scale),
        );
    }
}
