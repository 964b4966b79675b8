//! What carries tensors between ranks: Gloo from host to host, NCCL from GPU to GPU.

use super::{Group, Place, raw};
use crate::error::{Error, Result};
use crate::tensor::{Device, Tensor};

/// What carries tensors of GPUs; all others travel over Gloo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// NCCL where the build has it and each rank a GPU of its own, else Gloo.
    #[default]
    Auto,
    /// Gloo, through the host's memory.
    Gloo,
    /// NCCL, or an error.
    Nccl,
}

impl Group {
    /// Lets NCCL carry tensors of GPUs, where it can and should; says whether it does. All ranks
    /// decide alike: two on one GPU are what NCCL cannot do.
    pub(super) fn join_gpus(&self, place: &Place, backend: Backend) -> Result<bool> {
        let built = raw::backends().is_ok_and(|names| names.contains(&"nccl"));
        if backend == Backend::Nccl && !built {
            return Err(Error::argument("--backend nccl: this build has no NCCL backend")
                .with_hint("build with `make nccl`; gloo carries tensors of GPUs too, through the host's memory"));
        }
        if backend == Backend::Gloo || !built {
            return Ok(false);
        }
        let gpus = tch::Cuda::device_count();
        let own = if gpus > place.local as i64 {
            ""
        } else {
            "none"
        };
        let all = self.texts_unguarded(own)?;
        let without: Vec<String> = (0..all.len())
            .filter(|rank| !all[*rank].is_empty())
            .map(|rank| rank.to_string())
            .collect();
        if without.is_empty() {
            self.raw.join_gpus(self.rank)?;
            return Ok(true);
        }
        if backend == Backend::Auto {
            return Ok(false);
        }
        Err(Error::argument(format!(
            "--backend nccl: each rank needs a GPU of its own on its machine; without one: rank {}",
            without.join(", ")
        ))
        .with_hint("start as many ranks on a machine as it has GPUs, or use --backend gloo"))
    }

    /// Whether a tensor can be sent from where it lies.
    pub(super) fn takes(&self, x: &Tensor) -> bool {
        x.device() == Device::Cpu || self.carries_gpus && matches!(x.device(), Device::Cuda(_))
    }

    /// A contiguous copy that nobody else sees, where it can be sent from.
    pub(super) fn held(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.detach();
        if !self.takes(&x) {
            let held = x.to_device(Device::Cpu)?;
            return Ok(Tensor::from(held.raw().f_contiguous()?));
        }
        let contiguous = Tensor::from(x.raw().f_contiguous()?);
        contiguous.copy()
    }
}
