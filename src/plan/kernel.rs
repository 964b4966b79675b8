//! The kernels' tables of functions: the C++ of `kernels/`, compiled once for each instruction set.

#![allow(unsafe_code)] // Foreign functions; their callers are in `pass.rs`, `weights.rs`, `written.rs` and `noise.rs`.

use std::sync::OnceLock;

use crate::tensor::Kind;

/// Images in a block.
pub const LANES: usize = 16;

/// One number of each of sixteen images.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Lane<T>(pub [T; LANES]);

/// A stretch of inputs that meets a stretch of weights.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Run {
    /// The first input: pixel · channels + channel.
    pub x: i32,
    /// The first row of weights.
    pub w: i32,
    /// How many.
    pub len: i32,
}

/// An affine map between images; see `kernels/linear.h`.
#[repr(C)]
pub struct Map {
    pub pixels: i32,
    pub out: i32,
    pub offset: i32,
    pub stride: i32,
    pub depth: i32,
    pub outer: i32,
    pub runs: *const Run,
    pub first: *const i32,
}

/// A 3×3 convolution by Winograd's transform; see `kernels/winograd.h`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Winograd {
    pub height: i32,
    pub width: i32,
    pub inputs: i32,
    pub outputs: i32,
    pub tiles: i32,
}

/// What is done of such a convolution.
#[repr(C)]
pub struct Stage {
    pub chunk: i32,
    pub stage: i32,
    /// This part of so many.
    pub part: i32,
    pub parts: i32,
}

impl Winograd {
    /// To planes, products, from planes: each needs all of the one before.
    pub(super) const STAGES: usize = 3;

    fn all_tiles(&self) -> usize {
        (self.height as usize).div_ceil(2) * (self.width as usize).div_ceil(2)
    }

    /// How many times `tiles` it takes.
    pub(super) fn chunks(&self) -> usize {
        self.all_tiles().div_ceil(self.tiles as usize)
    }

    /// Multiply-adds of an image.
    pub(super) fn work(&self) -> usize {
        16 * self.all_tiles() * self.inputs as usize * self.outputs as usize
    }
}

/// What happens to a number before it is written; see `kernels/finish.h`.
#[repr(C)]
pub struct Finish<T> {
    pub before: *const T,
    pub times: *const T,
    pub sign: *const T,
    pub after: *const T,
    pub raw: *mut T,
    pub made: *mut T,
    pub slope: *mut T,
    pub scale: *const T,
    pub shift: *const T,
    pub leak: T,
    pub number: T,
    pub activation: i32,
}

/// Normalisation over groups of channels; see `kernels/pointwise.h`.
#[repr(C)]
pub struct Norm<T> {
    pub pixels: i32,
    pub channels: i32,
    pub groups: i32,
    pub each: i32,
    pub weight: *const T,
    pub bias: *const T,
    pub normed: *mut T,
    pub inverse: *mut T,
    pub eps: T,
}

/// One Langevin step's numbers; see `kernels/chain.h`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Stride {
    pub step: f64,
    pub noise: f64,
    pub low: f64,
    pub high: f64,
    pub bound: f64,
    pub key: u64,
    pub number: u32,
    pub chain: u32,
}

type Indices = *const i32;

/// The functions; see `kernels/table.h`.
#[repr(C)]
pub struct Table<T> {
    /// Of the output, one part of so many.
    pub apply:
        unsafe extern "C" fn(*const Map, *const T, *const T, *const T, *const Finish<T>, i32, i32),
    pub lay_out: unsafe extern "C" fn(*mut T, *const T, *const i64, i32, *const i64, i32),
    pub winograd_scratch: unsafe extern "C" fn(*const Winograd) -> usize,
    pub winograd: unsafe extern "C" fn(
        *const Winograd,
        *const T,
        *const T,
        *const T,
        *mut T,
        *const Finish<T>,
        *const Stage,
    ),
    pub winograd_lay_out: unsafe extern "C" fn(*const Winograd, *const T, bool, *mut T),
    pub pass: unsafe extern "C" fn(*const T, i32, i32, *const Finish<T>),
    pub mix:
        unsafe extern "C" fn(*const T, i32, i32, Indices, Indices, *const f64, *const Finish<T>),
    pub largest:
        unsafe extern "C" fn(*const T, i32, i32, Indices, Indices, *mut T, *const Finish<T>),
    pub won: unsafe extern "C" fn(*const T, i32, i32, Indices, Indices, *const T, *const Finish<T>),
    pub normalise: unsafe extern "C" fn(*const Norm<T>, *const T, *const Finish<T>),
    pub normalise_back: unsafe extern "C" fn(*const Norm<T>, *const T, *const Finish<T>),
    pub gather: unsafe extern "C" fn(*const T, i32, i32, Indices, *mut T),
    pub scatter: unsafe extern "C" fn(*const T, i32, i32, Indices, *mut T),
    pub head: unsafe extern "C" fn(i32, *const T, i32, *const i64, *mut T, *mut T),
    pub langevin: unsafe extern "C" fn(*mut T, *const T, i32, Indices, *const Stride),
    pub add_noise: unsafe extern "C" fn(*mut T, i64, i64, u32, u64, u32, T),
}

/// Affine maps in bf16; see `kernels/bf16.cpp`.
#[repr(C)]
pub struct Halves {
    pub halve: unsafe extern "C" fn(*const f32, usize, *mut u32),
    pub apply: unsafe extern "C" fn(
        *const Map,
        *const u32,
        *const u32,
        *const f32,
        *const Finish<f32>,
        i32,
        i32,
    ),
    pub halve_weights: unsafe extern "C" fn(*const f32, i32, i32, *mut u32),
    pub winograd: unsafe extern "C" fn(
        *const Winograd,
        *const f32,
        *const u32,
        *const f32,
        *mut f32,
        *const Finish<f32>,
        *const Stage,
    ),
}

#[cfg(target_arch = "x86_64")]
unsafe extern "C" {
    static jemscript_kernels_bf16: Option<&'static Halves>;
}

/// The maps in bf16, where the processor multiplies such numbers by itself: elsewhere they would be
/// several times as slow as those in float32.
pub fn halves() -> Option<&'static Halves> {
    #[cfg(target_arch = "x86_64")]
    if set() == Set::Avx512 && is_x86_feature_detected!("avx512bf16") {
        // Safety: a constant of a linked object file; null where the compiler did not know bf16.
        return unsafe { jemscript_kernels_bf16 };
    }
    None
}

/// An element type that kernels know: float32, and float64 to check them by.
pub trait Real: Copy + Default + Send + Sync + PartialEq + 'static {
    /// Its name in libtorch.
    const KIND: Kind;
    /// The nearest number of this type.
    fn of(x: f64) -> Self;
    /// The kernels for this processor.
    fn table() -> &'static Table<Self>;
    /// The maps in bf16 for this type, where there are any.
    fn halves() -> Option<&'static Halves> {
        halves().filter(|_| Self::KIND == Kind::Float)
    }
}

/// An instruction set for which there are kernels.
#[derive(Clone, Copy, PartialEq)]
enum Set {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// The best that the processor has. `JEMSCRIPT_KERNELS=avx2` or `plain` asks for less: to compare,
/// and to test what other machines run.
fn set() -> Set {
    static FOUND: OnceLock<Set> = OnceLock::new();
    *FOUND.get_or_init(|| {
        #[cfg(target_arch = "x86_64")]
        {
            let wish = std::env::var("JEMSCRIPT_KERNELS").unwrap_or_default();
            let most = match wish.as_str() {
                "plain" => 0,
                "avx2" => 1,
                _ => 2,
            };
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl");
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if most >= 2 && avx512 {
                return Set::Avx512;
            }
            if most >= 1 && avx2 {
                return Set::Avx2;
            }
        }
        Set::Plain
    })
}

/// The instruction set of the kernels in use, by name.
pub fn instruction_set() -> &'static str {
    match set() {
        Set::Plain => "plain",
        #[cfg(target_arch = "x86_64")]
        Set::Avx2 => "AVX2",
        #[cfg(target_arch = "x86_64")]
        Set::Avx512 => "AVX-512",
    }
}

macro_rules! tables {
    ($real:ty, $kind:expr, $plain:ident, $avx2:ident, $avx512:ident) => {
        unsafe extern "C" {
            static $plain: &'static Table<$real>;
            #[cfg(target_arch = "x86_64")]
            static $avx2: &'static Table<$real>;
            #[cfg(target_arch = "x86_64")]
            static $avx512: &'static Table<$real>;
        }

        impl Real for $real {
            const KIND: Kind = $kind;

            fn of(x: f64) -> $real {
                x as $real
            }

            fn table() -> &'static Table<$real> {
                // Safety: constants of the linked object files, of the layout declared above.
                unsafe {
                    match set() {
                        Set::Plain => $plain,
                        #[cfg(target_arch = "x86_64")]
                        Set::Avx2 => $avx2,
                        #[cfg(target_arch = "x86_64")]
                        Set::Avx512 => $avx512,
                    }
                }
            }
        }
    };
}

tables!(
    f32,
    Kind::Float,
    jemscript_kernels_f32_plain,
    jemscript_kernels_f32_avx2,
    jemscript_kernels_f32_avx512
);
tables!(
    f64,
    Kind::Double,
    jemscript_kernels_f64_plain,
    jemscript_kernels_f64_avx2,
    jemscript_kernels_f64_avx512
);
