//! `x[i]`, `x[1..3]`, `x[.., 0]`, `x[mask]`: entries of a tensor, read and replaced.

use tch::Kind;

use super::Tensor;
use crate::dry_run;
use crate::error::{Error, Result};

/// What of one dimension is meant.
#[derive(Clone, Debug)]
pub enum Place {
    /// One entry; the dimension goes away. From the end where it is below 0.
    At(i64),
    /// Entries from the first number on, up to the second, which is not among them.
    Range(i64, i64),
    /// Those that whole numbers name, or where a mask is true.
    These(Tensor),
}

impl Tensor {
    /// The entries at places, one for each of the first dimensions; a mask of the tensor's shape may
    /// stand alone.
    pub fn at(&self, places: &[Place]) -> Result<Tensor> {
        if let [Place::These(index)] = places {
            return self.pick(index);
        }
        if places.len() > self.ndim() {
            return Err(Error::shape(format!(
                "index: {} places for a tensor of shape {:?}",
                places.len(),
                self.shape()
            )));
        }
        let (mut found, mut dim) = (self.clone(), 0);
        for (first, place) in places.iter().enumerate().map(|(k, place)| (k == 0, place)) {
            match place {
                Place::At(i) if first => found = found.get(*i)?,
                Place::At(i) => {
                    let n = found.shape()[dim as usize];
                    if *i >= n || *i < -n {
                        return Err(Error::shape(format!(
                            "index {i} is out of range for {n} entries of {:?}",
                            self.shape()
                        )));
                    }
                    found = Tensor(found.0.f_select(dim, *i)?);
                }
                Place::Range(from, to) => {
                    // In a dry run a shortened axis stands for a long one.
                    let n = found.shape()[dim as usize];
                    let beyond = first && *from >= n && dry_run::wrapped(n, *from).is_some();
                    let from = if beyond { &0 } else { from };
                    found = Tensor(found.0.f_slice(dim, *from, *to, 1)?);
                    dim += 1;
                }
                Place::These(index) => {
                    found = found.index_select(dim, index)?;
                    dim += 1;
                }
            }
        }
        Ok(found)
    }

    /// A copy with the entries at places replaced by a tensor whose shape fits theirs.
    pub fn with_at(&self, places: &[Place], value: &Tensor) -> Result<Tensor> {
        if !self.is_float() && value.is_float() && value.ne(&value.round()?)?.any()? {
            return Err(Error::argument(format!(
                "index: {} into {} would lose digits",
                value.brief(),
                self.brief()
            ))
            .with_hint("make the tensor one of floats first: `.to(\"float32\")`"));
        }
        // The numbers of the entries, counted as they lie: so that gradients pass to both.
        let all = tch::Tensor::f_arange(self.numel() as i64, (Kind::Int64, self.device()))?;
        let chosen = Tensor(all.f_reshape(self.0.size())?).at(places)?;
        let fits = value.like(self)?.expand(&chosen.shape());
        let fits = fits.map_err(|_| {
            Error::shape(format!(
                "index: {:?} does not fit {:?}, the shape of the entries that it replaces",
                value.shape(),
                chosen.shape()
            ))
        })?;
        self.reshape(&[-1])?
            .with_rows(&chosen.reshape(&[-1])?, &fits.reshape(&[-1])?)?
            .reshape(&self.shape())
    }
}
