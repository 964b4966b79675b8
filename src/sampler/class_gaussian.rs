//! One normal density per class: the starts of JEM++'s and SADA-JEM's chains.
//!
//! Mean and full covariance of a class's samples, with a ridge of 1e-4 on the diagonal (both
//! papers' code), drawn by a Cholesky factor and clamped to the data's range.

use crate::error::{Error, Result};
use crate::params::Snapshot;
use crate::tensor::{Device, Kind, Tensor};

/// Added to the diagonal of each covariance, so that pixels that never change keep it positive
/// definite.
const RIDGE: f64 = 1e-4;

/// Means and factors of the classes.
pub(super) struct ClassGaussians {
    /// `[K, D]`.
    means: Tensor,
    /// Lower Cholesky factors `[D, D]`, one per class.
    factors: Vec<Tensor>,
    range: (f64, f64),
}

impl ClassGaussians {
    /// Estimates means and covariances (divided by n) from samples `x` `[N, …]` with labels `y`
    /// `[N]`, in float64.
    pub(super) fn fit(
        x: &Tensor,
        y: &Tensor,
        classes: i64,
        range: (f64, f64),
    ) -> Result<ClassGaussians> {
        let flat = x.detach().reshape(&[x.len(), -1])?;
        let (mut means, mut factors) = (Vec::new(), Vec::new());
        for class in 0..classes {
            crate::interrupt::poll()?;
            let rows = flat.index_select(0, &y.eq(class)?)?.to_kind(Kind::Double)?;
            if rows.is_empty() {
                return Err(Error::data(format!(
                    "replay.init_class_gaussians: no sample of class {class}"
                )));
            }
            let mean = rows.mean_dims(&[0], false)?;
            let centred = rows.sub(&mean)?;
            let ridge = Tensor::eye(mean.len())?.like(&mean)?.mul(RIDGE)?;
            let covariance = centred
                .t()?
                .matmul(&centred)?
                .div(rows.len() as f64)?
                .add(ridge)?;
            factors.push(covariance.cholesky()?.like(&flat)?);
            means.push(mean.like(&flat)?);
        }
        ClassGaussians::of(
            Tensor::stack(&means, 0)?,
            &Tensor::stack(&factors, 0)?,
            range,
        )
    }

    /// From means `[K, D]` and factors `[K, D, D]`. A product's last bits depend on how a matrix
    /// lies in memory, and a decomposition leaves it by columns: here it lies the same whether it
    /// was computed or read from a checkpoint.
    fn of(means: Tensor, factors: &Tensor, range: (f64, f64)) -> Result<ClassGaussians> {
        let factors = factors.contiguous()?;
        let factors = (0..factors.len())
            .map(|i| factors.select(0, i))
            .collect::<Result<_>>()?;
        Ok(ClassGaussians {
            means,
            factors,
            range,
        })
    }

    /// Keeps the densities under a path.
    pub(super) fn save(&self, path: &str, into: &mut Snapshot) -> Result<()> {
        into.put(format!("{path}.class_means"), &self.means)?;
        into.put(
            format!("{path}.class_factors"),
            &Tensor::stack(&self.factors, 0)?,
        )
    }

    /// The densities that were kept under a path, if there were some.
    pub(super) fn load(
        path: &str,
        from: &Snapshot,
        range: (f64, f64),
        device: Device,
    ) -> Result<Option<ClassGaussians>> {
        let own = |name: &str| -> Result<Option<Tensor>> {
            from.tensors
                .get(&format!("{path}.{name}"))
                .map(|t| t.to_device(device)?.copy())
                .transpose()
        };
        let (Some(means), Some(factors)) = (own("class_means")?, own("class_factors")?) else {
            return Ok(None);
        };
        ClassGaussians::of(means, &factors, range).map(Some)
    }

    pub(super) fn classes(&self) -> i64 {
        self.factors.len() as i64
    }

    /// One sample for each of the classes `[n]`, as rows `[n, D]`.
    pub(super) fn draw(&self, classes: &Tensor) -> Result<Tensor> {
        let noise = self.means.index_select(0, classes)?.randn_like()?;
        let moved = match noise.device() {
            Device::Cpu => self.moved_by_rows(&noise, classes)?,
            _ => self.moved_at_once(&noise, classes)?,
        };
        moved
            .add(self.means.index_select(0, classes)?)?
            .clamp(Some(self.range.0), Some(self.range.1))
    }

    /// Noise times the factors of its classes, class by class: only the rows of the class cost
    /// anything, but somebody has to count them.
    fn moved_by_rows(&self, noise: &Tensor, classes: &Tensor) -> Result<Tensor> {
        let mut moved = Tensor::from(noise.raw().f_zeros_like()?);
        for (class, factor) in self.factors.iter().enumerate() {
            let rows = Tensor::from(classes.eq(class as i64)?.raw().f_nonzero()?.f_view([-1])?);
            if !rows.is_empty() {
                moved =
                    moved.with_rows(&rows, &noise.index_select(0, &rows)?.matmul(&factor.t()?)?)?;
            }
        }
        Ok(moved)
    }

    /// The same without counting, which would wait for a device: all rows, of which those of the
    /// class are taken.
    fn moved_at_once(&self, noise: &Tensor, classes: &Tensor) -> Result<Tensor> {
        let mut moved = Tensor::from(noise.raw().f_zeros_like()?);
        for (class, factor) in self.factors.iter().enumerate() {
            let mine = classes.eq(class as i64)?.unsqueeze(1)?;
            moved = noise.matmul(&factor.t()?)?.where_mask(&mine, &moved)?;
        }
        Ok(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{Kind, Stream, seed};

    #[test]
    fn both_ways_to_draw_give_the_same() -> Result<()> {
        seed(4, Stream::Train, 0);
        let x = Tensor::randn(&[60, 5])?;
        let y = Tensor::of_ints(&(0..60).map(|i| i % 3).collect::<Vec<_>>())?;
        let made = ClassGaussians::fit(&x, &y, 3, (-9.0, 9.0))?;
        // A class of which no row is wanted, too.
        let classes = Tensor::of_ints(&[0, 2, 2, 0, 0, 2, 0])?;
        let noise = Tensor::randn(&[7, 5])?;
        let (a, b) = (
            made.moved_by_rows(&noise, &classes)?,
            made.moved_at_once(&noise, &classes)?,
        );
        assert!(a.sub(&b)?.abs()?.max()?.item()? < 1e-6);
        assert!(a.abs()?.min()?.item()? > 0.0, "each row was moved");
        assert_eq!(a.kind(), Kind::Float);
        Ok(())
    }
}
