//! Shapes: views, joins, indexing.

use super::{Kind, Tensor};
use crate::dry_run;
use crate::error::{Error, Result};

impl Tensor {
    /// The same elements in another shape; one size may be −1.
    pub fn reshape(&self, shape: &[i64]) -> Result<Tensor> {
        self.0.f_reshape(shape).map(Tensor).map_err(|_| {
            Error::shape(format!(
                "reshape: {:?} ({} elements) does not fit into {shape:?}",
                self.shape(),
                self.numel()
            ))
        })
    }

    /// All dimensions from `start` on as one.
    pub fn flatten(&self, start: i64) -> Result<Tensor> {
        self.flatten_between(start, -1)
    }

    /// All dimensions from `start` to `end`, both included, as one.
    pub fn flatten_between(&self, start: i64, end: i64) -> Result<Tensor> {
        Tensor::wrap("flatten", &[self], self.0.f_flatten(start, end))
    }

    /// Dimensions in another order.
    pub fn permute(&self, dims: &[i64]) -> Result<Tensor> {
        Tensor::wrap("permute", &[self], self.0.f_permute(dims))
    }

    /// Two dimensions swapped.
    pub fn transpose(&self, a: i64, b: i64) -> Result<Tensor> {
        Tensor::wrap("transpose", &[self], self.0.f_transpose(a, b))
    }

    /// A matrix transposed.
    pub fn t(&self) -> Result<Tensor> {
        Tensor::wrap("t", &[self], self.0.f_tr())
    }

    /// Without a dimension of size 1.
    pub fn squeeze(&self, dim: i64) -> Result<Tensor> {
        Tensor::wrap("squeeze", &[self], self.0.f_squeeze_dim(dim))
    }

    /// With a new dimension of size 1.
    pub fn unsqueeze(&self, dim: i64) -> Result<Tensor> {
        Tensor::wrap("unsqueeze", &[self], self.0.f_unsqueeze(dim))
    }

    /// Sizes of 1 repeated to a shape, without copying.
    pub fn expand(&self, shape: &[i64]) -> Result<Tensor> {
        Tensor::wrap("expand", &[self], self.0.f_expand(shape, false))
    }

    /// The whole tensor repeated along each dimension.
    pub fn repeat(&self, times: &[i64]) -> Result<Tensor> {
        super::check_shape("repeat", times)?;
        Tensor::wrap("repeat", &[self], self.0.f_repeat(times))
    }

    /// Each row repeated `times` times.
    pub fn repeat_interleave(&self, times: i64, dim: i64) -> Result<Tensor> {
        Tensor::wrap(
            "repeat_interleave",
            &[self],
            self.0.f_repeat_interleave_self_int(times, dim, None),
        )
    }

    /// Reversed along dimensions.
    pub fn flip(&self, dims: &[i64]) -> Result<Tensor> {
        Tensor::wrap("flip", &[self], self.0.f_flip(dims))
    }

    /// Shifted in a circle along a dimension.
    pub fn roll(&self, shift: i64, dim: i64) -> Result<Tensor> {
        Tensor::wrap("roll", &[self], self.0.f_roll([shift], [dim]))
    }

    /// Quarter turns counter-clockwise in the last two dimensions.
    pub fn rot90(&self, turns: i64) -> Result<Tensor> {
        Tensor::wrap("rot90", &[self], self.0.f_rot90(turns, [-2, -1]))
    }

    /// With memory in order.
    pub fn contiguous(&self) -> Result<Tensor> {
        Tensor::wrap("contiguous", &[self], self.0.f_contiguous())
    }

    /// Joined along a dimension.
    pub fn cat(parts: &[Tensor], dim: i64) -> Result<Tensor> {
        if parts.is_empty() {
            return Err(Error::argument("cat: needs at least one tensor"));
        }
        let raw: Vec<&tch::Tensor> = parts.iter().map(|t| &t.0).collect();
        Tensor::wrap(
            "cat",
            &parts.iter().collect::<Vec<_>>(),
            tch::Tensor::f_cat(&raw, dim),
        )
    }

    /// Joined along a new dimension.
    pub fn stack(parts: &[Tensor], dim: i64) -> Result<Tensor> {
        if parts.is_empty() {
            return Err(Error::argument("stack: needs at least one tensor"));
        }
        let raw: Vec<&tch::Tensor> = parts.iter().map(|t| &t.0).collect();
        Tensor::wrap(
            "stack",
            &parts.iter().collect::<Vec<_>>(),
            tch::Tensor::f_stack(&raw, dim),
        )
    }

    /// Cut into pieces of a size along a dimension; the last may be smaller.
    pub fn split(&self, size: i64, dim: i64) -> Result<Vec<Tensor>> {
        if size < 1 {
            return Err(Error::argument(format!(
                "split: the size must be at least 1, got {size}"
            )));
        }
        Ok(self.0.f_split(size, dim)?.into_iter().map(Tensor).collect())
    }

    /// `length` entries from `start` on along a dimension.
    pub fn narrow(&self, dim: i64, start: i64, length: i64) -> Result<Tensor> {
        Tensor::wrap("narrow", &[self], self.0.f_narrow(dim, start, length))
    }

    /// One entry of the first dimension; negative indices count from the end.
    pub fn get(&self, index: i64) -> Result<Tensor> {
        if self.ndim() == 0 {
            return Err(Error::shape("index: a number has no entries"));
        }
        let n = self.len();
        if index >= n || index < -n {
            if let Some(there) = dry_run::wrapped(n, index) {
                return Ok(Tensor(self.0.f_select(0, there)?));
            }
            return Err(Error::shape(format!(
                "index {index} is out of range for {:?}",
                self.shape()
            )));
        }
        Ok(Tensor(self.0.f_select(0, index)?))
    }

    /// One entry along a dimension.
    pub fn select(&self, dim: i64, index: i64) -> Result<Tensor> {
        Tensor::wrap("select", &[self], self.0.f_select(dim, index))
    }

    /// Entries `start..end` of the first dimension.
    pub fn slice(&self, start: i64, end: i64) -> Result<Tensor> {
        if self.ndim() == 0 {
            return Err(Error::shape("slice: a number has no entries"));
        }
        Tensor::wrap("slice", &[self], self.0.f_slice(0, start, end, 1))
    }

    /// Entries along a dimension by indices (int64), or by a mask along the first dimension (bool).
    pub fn index_select(&self, dim: i64, index: &Tensor) -> Result<Tensor> {
        let index = &self.places(dim, index)?;
        Tensor::wrap(
            "index_select",
            &[self, index],
            self.0.f_index_select(dim, &index.0),
        )
    }

    /// The entries where a mask is true, or the rows that it or a list of indices names:
    /// `x[index]`.
    pub fn pick(&self, index: &Tensor) -> Result<Tensor> {
        if index.kind() == Kind::Bool && index.ndim() > 1 && index.shape() == self.shape() {
            return Tensor::wrap("index", &[self, index], self.0.f_masked_select(&index.0));
        }
        self.index_select(0, index)
    }

    /// Indices along a dimension, from indices or from a mask of its length. What is neither would
    /// pick rows that nobody meant.
    fn places(&self, dim: i64, index: &Tensor) -> Result<Tensor> {
        let whole = index.whole_index("index")?;
        if index.kind() != Kind::Bool {
            return Ok(whole);
        }
        let rank = self.ndim() as i64;
        let size = self
            .shape()
            .get(if dim < 0 { dim + rank } else { dim } as usize)
            .copied();
        if index.ndim() != 1 || size.is_some_and(|n| n != index.len()) {
            return Err(Error::shape(format!(
                "index: a mask needs one truth value for each of the {} entries of dimension {dim} of {:?}, got {:?}",
                size.unwrap_or(0),
                self.shape(),
                index.shape()
            ))
            .with_hint("a mask of rows is made from one number a row, as in `x[x.sum(1) > 0]`"));
        }
        Ok(Tensor(index.0.f_nonzero()?.f_view([-1])?))
    }

    /// This tensor as indices (int64); a mask stays what it is.
    fn whole_index(&self, name: &str) -> Result<Tensor> {
        match self.kind() {
            Kind::Bool | Kind::Int64 => Ok(self.clone()),
            Kind::Int | Kind::Int16 | Kind::Int8 => self.to_kind(Kind::Int64),
            // Elsewhere uint8 is a mask or an index, depending on the version.
            _ => Err(Error::argument(format!(
                "{name}: needs whole numbers (int64) or a mask (bool), got {}",
                self.brief()
            ))
            .with_hint("`.to(\"int64\")` makes indices, a comparison makes a mask")),
        }
    }

    /// One value per position along a dimension, chosen by an index tensor of the result's shape.
    pub fn gather(&self, dim: i64, index: &Tensor) -> Result<Tensor> {
        let index = &index.whole_index("gather")?;
        Tensor::wrap(
            "gather",
            &[self, index],
            self.0.f_gather(dim, &index.0, false),
        )
    }

    /// A copy with the rows at `index` (int64 `[n]`) replaced by `rows` (`[n, …]`).
    pub fn with_rows(&self, index: &Tensor, rows: &Tensor) -> Result<Tensor> {
        Tensor::wrap(
            "with_rows",
            &[self, index, rows],
            self.0.f_index_copy(0, &index.0, &rows.0),
        )
    }

    /// The part on and above the diagonal.
    pub fn triu(&self, diagonal: i64) -> Result<Tensor> {
        Tensor::wrap("triu", &[self], self.0.f_triu(diagonal))
    }

    /// The part on and below the diagonal.
    pub fn tril(&self, diagonal: i64) -> Result<Tensor> {
        Tensor::wrap("tril", &[self], self.0.f_tril(diagonal))
    }

    /// The diagonal of a matrix, or the matrix with this diagonal.
    pub fn diag(&self) -> Result<Tensor> {
        Tensor::wrap("diag", &[self], self.0.f_diag(0))
    }

    /// Images `[B, C, H, W]` resized by area.
    pub fn resize_area(&self, height: i64, width: i64) -> Result<Tensor> {
        if self.ndim() != 4 {
            return Err(Error::shape(format!(
                "resize: needs images [B, C, H, W], got {:?}",
                self.shape()
            )));
        }
        let to = |t: &Tensor, size: [i64; 2]| {
            Tensor::wrap("resize", &[t], t.0.f_adaptive_avg_pool2d(size))
        };
        let (rows, columns) = (self.shape()[2], self.shape()[3]);
        // Where one side shrinks and the other grows, it shrinks first: in one pass each mean over
        // the long side would be taken again for every new place of the other.
        match (height > rows, width > columns) {
            (true, false) => to(&to(self, [rows, width])?, [height, width]),
            (false, true) => to(&to(self, [height, columns])?, [height, width]),
            _ => to(self, [height, width]),
        }
    }

    /// Borders of images reflected outwards by `pad` pixels.
    pub fn reflect_pad(&self, pad: i64) -> Result<Tensor> {
        Tensor::wrap(
            "reflect_pad",
            &[self],
            self.0.f_reflection_pad2d([pad, pad, pad, pad]),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_that_shrink_one_way_and_grow_the_other() -> Result<()> {
        let x = Tensor::randn(&[2, 3, 4, 30])?;
        for (height, width) in [(9, 7), (9, 40), (3, 7), (3, 40)] {
            let once = Tensor::from(x.0.f_adaptive_avg_pool2d([height, width])?);
            let found = x.resize_area(height, width)?;
            assert_eq!(found.shape(), [2, 3, height, width]);
            assert!(
                found.sub(&once)?.abs()?.max()?.item()? < 1e-6,
                "{height}×{width}"
            );
        }
        // In one pass 10¹¹ additions.
        let long = Tensor::zeros(&[1, 1, 5, 1_000_000])?;
        assert_eq!(long.resize_area(100_000, 2)?.shape(), [1, 1, 100_000, 2]);
        assert_eq!(
            long.transpose(2, 3)?.resize_area(2, 100_000)?.shape(),
            [1, 1, 2, 100_000]
        );
        Ok(())
    }
}
