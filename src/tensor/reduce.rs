//! Sums, means, extremes and norms, over everything or along dimensions.

use super::{Kind, Tensor};
use crate::error::{Error, Result};

impl Tensor {
    /// Sum of all elements.
    pub fn sum(&self) -> Result<Tensor> {
        Tensor::wrap("sum", &[self], self.0.f_sum(None::<Kind>))
    }

    /// Sum along dimensions; they are kept as 1 if `keep`.
    pub fn sum_dims(&self, dims: &[i64], keep: bool) -> Result<Tensor> {
        Tensor::wrap(
            "sum",
            &[self],
            self.0.f_sum_dim_intlist(dims, keep, None::<Kind>),
        )
    }

    /// Mean of all elements.
    pub fn mean(&self) -> Result<Tensor> {
        self.filled("mean")?;
        Tensor::wrap("mean", &[self], self.0.f_mean(None::<Kind>))
    }

    /// Mean along dimensions.
    pub fn mean_dims(&self, dims: &[i64], keep: bool) -> Result<Tensor> {
        Tensor::wrap("mean", &[self], self.0.f_mean_dim(dims, keep, None::<Kind>))
    }

    /// Standard deviation of all elements (n − 1).
    pub fn std(&self) -> Result<Tensor> {
        self.spread("std", None)?;
        Tensor::wrap("std", &[self], self.0.f_std(true))
    }

    /// Standard deviation along dimensions (n − 1).
    pub fn std_dims(&self, dims: &[i64], keep: bool) -> Result<Tensor> {
        self.spread("std", Some(dims))?;
        Tensor::wrap("std", &[self], self.0.f_std_dim(dims, true, keep))
    }

    /// Variance of all elements (n − 1).
    pub fn var(&self) -> Result<Tensor> {
        self.spread("var", None)?;
        Tensor::wrap("var", &[self], self.0.f_var(true))
    }

    /// Variance along dimensions (n − 1).
    pub fn var_dims(&self, dims: &[i64], keep: bool) -> Result<Tensor> {
        self.spread("var", Some(dims))?;
        Tensor::wrap("var", &[self], self.0.f_var_dim(dims, true, keep))
    }

    /// An error if fewer than two numbers would be reduced to one: n − 1 of them divides.
    fn spread(&self, name: &str, dims: Option<&[i64]>) -> Result<()> {
        let (shape, rank) = (self.shape(), self.ndim() as i64);
        let n: i64 = match dims.filter(|d| !d.is_empty()) {
            // A dimension that is not there is libtorch's to refuse.
            Some(dims) => dims
                .iter()
                .filter_map(|d| shape.get((if *d < 0 { d + rank } else { *d }) as usize))
                .product(),
            None => shape.iter().product(),
        };
        if n >= 2 || dims.is_some_and(|d| d.iter().any(|d| *d < -rank || *d >= rank)) {
            return Ok(());
        }
        Err(Error::argument(format!(
            "{name}: needs at least 2 numbers, got {n} of a tensor {shape:?}"
        ))
        .with_hint("their n − 1 is the denominator"))
    }

    /// Product of all elements.
    pub fn prod(&self) -> Result<Tensor> {
        Tensor::wrap("prod", &[self], self.0.f_prod(None::<Kind>))
    }

    /// Largest element.
    pub fn max(&self) -> Result<Tensor> {
        self.filled("max")?;
        Tensor::wrap("max", &[self], self.0.f_max())
    }

    /// Largest along a dimension.
    pub fn max_dim(&self, dim: i64, keep: bool) -> Result<Tensor> {
        Tensor::wrap("max", &[self], self.0.f_amax([dim], keep))
    }

    /// Smallest element.
    pub fn min(&self) -> Result<Tensor> {
        self.filled("min")?;
        Tensor::wrap("min", &[self], self.0.f_min())
    }

    /// Smallest along a dimension.
    pub fn min_dim(&self, dim: i64, keep: bool) -> Result<Tensor> {
        Tensor::wrap("min", &[self], self.0.f_amin([dim], keep))
    }

    /// Index of the largest along a dimension (int64).
    pub fn argmax(&self, dim: i64) -> Result<Tensor> {
        self.filled("argmax")?;
        Tensor::wrap("argmax", &[self], self.0.f_argmax(dim, false))
    }

    /// Index of the smallest along a dimension (int64).
    pub fn argmin(&self, dim: i64) -> Result<Tensor> {
        self.filled("argmin")?;
        Tensor::wrap("argmin", &[self], self.0.f_argmin(dim, false))
    }

    /// log Σ eˣ along a dimension, without overflow.
    pub fn logsumexp(&self, dim: i64) -> Result<Tensor> {
        Tensor::wrap("logsumexp", &[self], self.0.f_logsumexp([dim], false))
    }

    /// Euclidean norm of all elements.
    pub fn norm(&self) -> Result<Tensor> {
        Tensor::wrap("norm", &[self], self.0.f_norm())
    }

    /// Euclidean norm along dimensions.
    pub fn norm_dims(&self, dims: &[i64], keep: bool) -> Result<Tensor> {
        // Not √Σx²: its gradient is 0/0 at 0, where libtorch's own has 0.
        Tensor::wrap(
            "norm",
            &[self],
            self.0.f_norm_scalaropt_dim(2.0, dims, keep),
        )
    }

    /// Whether all elements are not 0.
    pub fn all(&self) -> Result<bool> {
        Ok(self.0.f_all()?.f_int64_value(&[])? != 0)
    }

    /// Whether any element is not 0.
    pub fn any(&self) -> Result<bool> {
        Ok(self.0.f_any()?.f_int64_value(&[])? != 0)
    }

    /// Running sum along a dimension.
    pub fn cumsum(&self, dim: i64) -> Result<Tensor> {
        Tensor::wrap("cumsum", &[self], self.0.f_cumsum(dim, None::<Kind>))
    }

    /// Running product along a dimension.
    pub fn cumprod(&self, dim: i64) -> Result<Tensor> {
        Tensor::wrap("cumprod", &[self], self.0.f_cumprod(dim, None::<Kind>))
    }

    /// Values sorted along a dimension.
    pub fn sort(&self, dim: i64, descending: bool) -> Result<Tensor> {
        Ok(Tensor(self.0.f_sort(dim, descending)?.0))
    }

    /// Indices that sort along a dimension (int64).
    pub fn argsort(&self, dim: i64, descending: bool) -> Result<Tensor> {
        Tensor::wrap("argsort", &[self], self.0.f_argsort(dim, descending))
    }

    /// The `k` largest along the last dimension.
    pub fn topk(&self, k: i64) -> Result<Tensor> {
        Ok(Tensor(
            self.0
                .f_topk(k, -1, true, true)
                .map_err(|e| Error::from(e).context("topk"))?
                .0,
        ))
    }

    /// The quantile `q` in [0, 1] of all elements, with linear interpolation.
    pub fn quantile(&self, q: f64) -> Result<Tensor> {
        self.filled("quantile")?;
        if !(0.0..=1.0).contains(&q) {
            return Err(Error::argument(format!(
                "quantile: must be in [0, 1], got {q}"
            )));
        }
        Tensor::wrap(
            "quantile",
            &[self],
            self.0.f_quantile_scalar(q, None, false, "linear"),
        )
    }

    /// How often each whole number from 0 to `bins − 1` occurs (int64).
    pub fn bincount(&self, bins: i64) -> Result<Tensor> {
        Tensor::wrap(
            "bincount",
            &[self],
            self.0.f_bincount(None::<tch::Tensor>, bins),
        )
    }

    fn filled(&self, name: &str) -> Result<()> {
        if self.is_empty() {
            Err(Error::shape(format!(
                "{name}: of an empty tensor {:?}",
                self.shape()
            )))
        } else {
            Ok(())
        }
    }
}
