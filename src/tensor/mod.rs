//! Tensors: libtorch's, behind a handle that is cheap to clone and whose every operation is
//! fallible.
//!
//! Names and defaults are PyTorch's. No method panics: errors name the operation and show the
//! shapes.

mod autograd;
mod identity;
mod index;
mod ops;
mod random;
mod reduce;
mod shape;
mod show;
mod value;

use std::cell::Cell;

pub use autograd::{GradOptions, hvp, vjp};
pub(crate) use autograd::{InsideVmap, backward, differentiable, differentiate, gradient_or_zeros};
pub use index::Place;
pub use ops::Operand;
pub use random::{Stream, hashed_seed, seed};
pub use tch::{Device, Kind};

use crate::error::{Error, ErrorKind, Result, defaults, room};

/// From so many values on, this many times their memory must be free before they become numbers:
/// what follows copies, sorts and pairs them, in vectors of its own.
const MANY: usize = 1 << 22;
const ROOM: usize = 8;

/// A tensor. Clones share storage and gradient history.
pub struct Tensor(tch::Tensor);

thread_local! {
    static DEVICE: Cell<Device> = const { Cell::new(Device::Cpu) };
}

/// The device on which new tensors are made when none is named.
pub fn default_device() -> Device {
    DEVICE.get()
}

/// Chooses the device on which new tensors are made.
pub fn set_default_device(device: Device) {
    DEVICE.set(device);
}

/// Reads a device name: `auto`, `cpu`, `cuda`, `cuda:1`. A device that is not there is an error.
pub fn parse_device(name: &str) -> Result<Device> {
    let cuda = |index: usize| {
        let count = if tch::Cuda::is_available() {
            tch::Cuda::device_count() as usize
        } else {
            0
        };
        if count == 0 {
            return Err(Error::new(
                ErrorKind::Device,
                "device `cuda`: no usable CUDA device on this machine",
            )
            .with_hint("run with `--device cpu`; `jemscript doctor` says what is missing"));
        }
        if index >= count {
            return Err(Error::new(
                ErrorKind::Device,
                format!("device `cuda:{index}`: there are {count} CUDA devices, counted from 0"),
            ));
        }
        Ok(Device::Cuda(index))
    };
    match name {
        "cpu" => Ok(Device::Cpu),
        "auto" => Ok(if tch::Cuda::is_available() {
            Device::Cuda(0)
        } else {
            Device::Cpu
        }),
        "cuda" => cuda(0),
        other => match other.strip_prefix("cuda:").and_then(|i| i.parse().ok()) {
            Some(index) => cuda(index),
            None => Err(Error::argument(format!("unknown device `{other}`"))
                .with_hint("devices are: auto, cpu, cuda, cuda:0, cuda:1, …")),
        },
    }
}

/// A device as users write it.
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".to_owned(),
        Device::Cuda(i) => format!("cuda:{i}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

const KINDS: [(&str, Kind); 12] = [
    ("float32", Kind::Float),
    ("float64", Kind::Double),
    ("float16", Kind::Half),
    ("bfloat16", Kind::BFloat16),
    ("int64", Kind::Int64),
    ("int32", Kind::Int),
    ("uint8", Kind::Uint8),
    ("int16", Kind::Int16),
    ("int8", Kind::Int8),
    ("bool", Kind::Bool),
    ("complex64", Kind::ComplexFloat),
    ("complex128", Kind::ComplexDouble),
];

/// Reads an element type by PyTorch's name.
pub fn parse_kind(name: &str) -> Result<Kind> {
    KINDS
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, k)| *k)
        .ok_or_else(|| {
            Error::unknown(
                &format!("unknown element type `{name}`"),
                name,
                KINDS.iter().map(|(n, _)| *n),
            )
        })
}

/// An element type by PyTorch's name.
pub fn kind_name(kind: Kind) -> &'static str {
    KINDS
        .iter()
        .find(|(_, k)| *k == kind)
        .map_or("other", |(n, _)| n)
}

/// No gradient history is recorded while the guard lives.
pub fn no_grad() -> tch::NoGradGuard {
    tch::no_grad_guard()
}

impl Clone for Tensor {
    fn clone(&self) -> Tensor {
        Tensor(self.0.shallow_clone())
    }
}

impl From<tch::Tensor> for Tensor {
    fn from(raw: tch::Tensor) -> Tensor {
        Tensor(raw)
    }
}

impl From<Tensor> for tch::Tensor {
    fn from(tensor: Tensor) -> tch::Tensor {
        tensor.0
    }
}

impl Tensor {
    /// The tensor of the `tch` crate inside.
    pub fn raw(&self) -> &tch::Tensor {
        &self.0
    }

    /// Wraps the outcome of an operation: an error names it and shows the operands' shapes.
    pub(crate) fn wrap(
        name: &str,
        operands: &[&Tensor],
        outcome: std::result::Result<tch::Tensor, tch::TchError>,
    ) -> Result<Tensor> {
        outcome.map(Tensor).map_err(|error| {
            let shapes: Vec<String> = operands.iter().map(|t| t.brief()).collect();
            let error = Error::from(error);
            let message = format!(
                "{name}: {} (operands: {})",
                error.message(),
                shapes.join(", ")
            );
            error.with_message(message)
        })
    }

    /// The shape.
    pub fn shape(&self) -> Vec<i64> {
        self.0.size()
    }

    /// The number of dimensions.
    pub fn ndim(&self) -> usize {
        self.0.dim()
    }

    /// The length of the first dimension (1 for a number).
    pub fn len(&self) -> i64 {
        self.0.size().first().copied().unwrap_or(1)
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.numel() == 0
    }

    /// The number of elements.
    pub fn numel(&self) -> usize {
        self.0.numel()
    }

    /// The element type.
    pub fn kind(&self) -> Kind {
        self.0.kind()
    }

    /// The device.
    pub fn device(&self) -> Device {
        self.0.device()
    }

    /// Whether elements are floating-point numbers.
    pub fn is_float(&self) -> bool {
        matches!(
            self.kind(),
            Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16
        )
    }

    /// Whether elements are complex numbers.
    pub fn is_complex(&self) -> bool {
        matches!(
            self.kind(),
            Kind::ComplexHalf | Kind::ComplexFloat | Kind::ComplexDouble
        )
    }

    /// Shape, and type and device where they are not float32 on the CPU: `[64, 10]`, `[64] int64`.
    pub fn brief(&self) -> String {
        let mut text = format!("{:?}", self.shape());
        if self.kind() != Kind::Float {
            text += &format!(" {}", kind_name(self.kind()));
        }
        if self.device() != Device::Cpu {
            text += &format!(" {}", device_name(self.device()));
        }
        text
    }

    /// A tensor from numbers, float32 on the default device.
    pub fn of_slice(values: &[f64], shape: &[i64]) -> Result<Tensor> {
        Tensor::from_f64(values, shape, Kind::Float, default_device())
    }

    /// A tensor from numbers, of a type and on a device.
    pub fn from_f64(values: &[f64], shape: &[i64], kind: Kind, device: Device) -> Result<Tensor> {
        let wanted: i64 = shape.iter().product();
        if wanted != values.len() as i64 {
            return Err(Error::shape(format!(
                "tensor: {} numbers do not fill shape {shape:?}",
                values.len()
            )));
        }
        let flat = tch::Tensor::f_from_slice(values)?;
        Ok(Tensor(
            flat.f_to_device(device)?.f_to_kind(kind)?.f_view(shape)?,
        ))
    }

    /// A tensor of whole numbers (int64), on the default device.
    pub fn of_ints(values: &[i64]) -> Result<Tensor> {
        Ok(Tensor(
            tch::Tensor::f_from_slice(values)?.f_to_device(default_device())?,
        ))
    }

    /// A single number (float32, no dimensions), on the default device.
    pub fn scalar(value: f64) -> Result<Tensor> {
        Tensor::of_slice(&[value], &[])
    }

    /// Zeros, float32 on the default device.
    pub fn zeros(shape: &[i64]) -> Result<Tensor> {
        Tensor::full(shape, 0.0)
    }

    /// Ones, float32 on the default device.
    pub fn ones(shape: &[i64]) -> Result<Tensor> {
        Tensor::full(shape, 1.0)
    }

    /// One number everywhere, float32 on the default device.
    pub fn full(shape: &[i64], value: f64) -> Result<Tensor> {
        check_shape("zeros", shape)?;
        // Memory first: where there is none, `tch` panics in a call that takes a number, see
        // script/net.rs.
        let mut made = tch::Tensor::f_empty(shape, (Kind::Float, default_device()))?;
        Ok(Tensor(made.f_fill_(value)?))
    }

    /// The numbers `start, start + step, …` below `end`; float32.
    pub fn arange(start: f64, end: f64, step: f64) -> Result<Tensor> {
        if step == 0.0
            || !(start.is_finite() && end.is_finite() && step.is_finite())
            || (end - start) / step > 1e9
        {
            return Err(Error::argument(format!(
                "arange({start}, {end}, {step}): no such range"
            )));
        }
        Ok(Tensor(tch::Tensor::f_arange_start_step(
            start,
            end,
            step,
            (Kind::Float, default_device()),
        )?))
    }

    /// `steps` numbers from `start` to `end`, both included; float32.
    pub fn linspace(start: f64, end: f64, steps: i64) -> Result<Tensor> {
        check_shape("linspace", &[steps])?;
        Ok(Tensor(tch::Tensor::f_linspace(
            start,
            end,
            steps,
            (Kind::Float, default_device()),
        )?))
    }

    /// The identity matrix of size `n`; float32.
    pub fn eye(n: i64) -> Result<Tensor> {
        check_shape("eye", &[n, n])?;
        Ok(Tensor(tch::Tensor::f_eye(
            n,
            (Kind::Float, default_device()),
        )?))
    }

    /// The same values on a device.
    pub fn to_device(&self, device: Device) -> Result<Tensor> {
        Ok(Tensor(self.0.f_to_device(device)?))
    }

    /// The same values as another type.
    pub fn to_kind(&self, kind: Kind) -> Result<Tensor> {
        let real = !matches!(
            kind,
            Kind::ComplexHalf | Kind::ComplexFloat | Kind::ComplexDouble
        );
        if self.is_complex() && real {
            return Err(Error::argument("to: the imaginary part would be lost")
                .with_hint("take torch::real(z) or torch::abs(z)"));
        }
        Ok(Tensor(self.0.f_to_kind(kind)?))
    }

    /// The same values on another tensor's device and of its type.
    pub fn like(&self, other: &Tensor) -> Result<Tensor> {
        self.to_device(other.device())?.to_kind(other.kind())
    }

    /// The same values without gradient history.
    pub fn detach(&self) -> Tensor {
        // `detach` of a defined tensor cannot fail.
        Tensor(self.0.detach())
    }

    /// A detached copy that gradients can be taken for.
    pub fn leaf(&self) -> Result<Tensor> {
        Ok(Tensor(self.0.f_detach()?.f_requires_grad_(true)?))
    }

    /// Whether gradients flow to this tensor.
    pub fn requires_grad(&self) -> bool {
        self.0.requires_grad()
    }

    /// A copy with storage of its own.
    pub fn copy(&self) -> Result<Tensor> {
        let mut fresh = self.0.f_empty_like()?;
        fresh.f_copy_(&self.0)?;
        Ok(Tensor(fresh))
    }

    /// All values, row by row, as `f64`.
    pub fn to_vec(&self) -> Result<Vec<f64>> {
        if self.is_complex() {
            return Err(
                Error::argument("a complex number is not one plain number").with_hint(
                    "take torch::real(z), torch::imag(z), torch::abs(z) or torch::angle(z)",
                ),
            );
        }
        let flat = self
            .0
            .f_detach()?
            .f_to_device(Device::Cpu)?
            .f_to_kind(Kind::Double)?
            .f_contiguous()?
            .f_view([-1])?;
        if flat.numel() >= MANY {
            drop(room::<f64>(flat.numel().saturating_mul(ROOM))?);
        }
        let mut values = defaults(flat.numel())?;
        if !values.is_empty() {
            flat.f_copy_data(&mut values, flat.numel())?;
        }
        Ok(values)
    }

    /// All values, row by row, as whole numbers.
    pub fn to_ints(&self) -> Result<Vec<i64>> {
        Ok(self.to_vec()?.into_iter().map(|v| v as i64).collect())
    }

    /// The one number inside.
    pub fn item(&self) -> Result<f64> {
        if self.numel() != 1 {
            return Err(Error::shape(format!(
                "item: needs a tensor of one element, got {:?}",
                self.shape()
            ))
            .with_hint("reduce it first: `.mean()`, `.sum()`, or take one element by index"));
        }
        Ok(self.to_vec()?[0])
    }

    /// What tells this tensor from others in this process: where its values lie, and how they are
    /// looked at.
    pub fn address(&self) -> u64 {
        let sizes = self
            .0
            .size()
            .into_iter()
            .chain(self.0.stride())
            .map(|n| n as u64);
        let flags = (self.kind() as u64) << 2 | u64::from(self.requires_grad());
        hashed(
            &[self.0.data_ptr() as u64, flags]
                .into_iter()
                .chain(sizes)
                .collect::<Vec<_>>(),
        )
    }

    /// A checksum of type, shape and values, going on from another one.
    pub fn checksum(&self, before: u32) -> Result<u32> {
        let plain = self.detach().to_device(Device::Cpu)?.contiguous()?;
        let mut sum = crc32c::crc32c_append(
            before,
            format!("{:?} {:?}", plain.kind(), plain.shape()).as_bytes(),
        );
        let width = plain.kind().elt_size_in_bytes();
        // In pieces: a copy of the largest data sets would take their memory twice.
        let flat = plain.reshape(&[-1])?;
        for piece in flat.split(CHECKSUM_PIECE, 0)? {
            let mut bytes = crate::error::defaults(piece.numel() * width)?;
            if !bytes.is_empty() {
                piece.raw().f_copy_data_u8(&mut bytes, piece.numel())?;
            }
            sum = crc32c::crc32c_append(sum, &bytes);
        }
        Ok(sum)
    }
}

/// Elements that are copied at once for a checksum.
const CHECKSUM_PIECE: i64 = 1 << 20;

/// Numbers as one (FNV-1a): identities made of several parts.
pub(crate) fn hashed(parts: &[u64]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// No negative sizes, and no more elements than memory could ever hold.
pub(crate) fn check_shape(name: &str, shape: &[i64]) -> Result<()> {
    if shape.iter().any(|n| *n < 0) {
        return Err(Error::shape(format!(
            "{name}: sizes must not be negative, got {shape:?}"
        )));
    }
    let elements = shape
        .iter()
        .try_fold(1i64, |n, k| n.checked_mul(*k))
        .unwrap_or(i64::MAX);
    if elements > (1 << 36) {
        return Err(Error::shape(format!(
            "{name}: {shape:?} has more elements than memory can hold"
        )));
    }
    Ok(())
}
