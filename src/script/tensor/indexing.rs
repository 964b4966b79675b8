//! Indexing: `x[i]`, ranges, tensors of indices, several of them, and assignment, which copies first.

use rhai::Array;
use rhai::plugin::*;

use super::super::edge::Outcome;
use super::super::names::type_name;
use crate::error::{Error, Result};
use crate::tensor::{Place, Tensor};

#[export_module(manifest)]
pub mod functions {
    /// One entry of the first dimension; negative indices count from the end.
    ///
    /// ```rhai
    /// let x = tensor::of([[1, 2], [3, 4]]);
    /// print(x[-1]);
    /// //= tensor [2] float32 on cpu
    /// //= [3, 4]
    /// ```
    #[rhai_fn(global, return_raw, index_get, pure)]
    pub fn index_int(t: &mut Tensor, index: i64) -> Outcome<Tensor> {
        Ok(t.get(index)?)
    }

    /// Entries by an index for each of the first dimensions: a whole number, a range (`1..3`, `2..`,
    /// `..-1`, `..` for all), whole numbers in a tensor, or a mask with a truth value for each. A
    /// mask of the tensor's shape stands alone, and gives the entries where it is true.
    ///
    /// ```rhai
    /// let x = tensor::of([[1, 2, 3], [4, 5, 6]]);
    /// print(x[.., 0]);         //= tensor [2] float32 on cpu
    /// //= [1, 4]
    /// print(x[1, 1..]);        //= tensor [2] float32 on cpu
    /// //= [5, 6]
    /// print(x[x > 4].sum());   //= 11
    /// print(tensor::arange(10)[2..5].sum());   //= 9
    /// ```
    #[rhai_fn(global, return_raw, index_get, pure)]
    pub fn index(t: &mut Tensor, index: Dynamic) -> Outcome<Tensor> {
        Ok(t.at(&places(&index)?)?)
    }

    /// Replaces entries by a tensor that fits them, or by a number. The variable gets a changed
    /// copy: no other holder of the tensor sees it.
    ///
    /// ```rhai
    /// let x = tensor::zeros([3, 2]);
    /// x[1] = tensor::ones([2]);
    /// x[.., 0] = 5;
    /// x[x == 0] = -1;
    /// print(x);
    /// //= tensor [3, 2] float32 on cpu
    /// //= [[5, -1],
    /// //=  [5, 1],
    /// //=  [5, -1]]
    /// ```
    #[rhai_fn(global, return_raw, index_set)]
    pub fn set_index(t: &mut Tensor, index: Dynamic, value: Dynamic) -> Outcome<()> {
        let places = places(&index)?;
        let number = value
            .as_float()
            .or_else(|_| value.as_int().map(|i| i as f64));
        *t = match (value.read_lock::<Tensor>(), number) {
            (Some(value), _) => t.with_at(&places, &value)?,
            (None, Ok(number)) => t.with_at(&places, &Tensor::scalar(number)?)?,
            (None, Err(kind)) => {
                let text = format!(
                    "index: entries of a tensor are numbers, got {}",
                    type_name(kind)
                );
                return Err(Error::argument(text).into());
            }
        };
        Ok(())
    }
}

/// What an index means, or an array of them.
fn places(index: &Dynamic) -> Result<Vec<Place>> {
    match index.read_lock::<Array>() {
        Some(several) => several.iter().map(place).collect(),
        None => Ok(vec![place(index)?]),
    }
}

fn place(index: &Dynamic) -> Result<Place> {
    if let Ok(i) = index.as_int() {
        return Ok(Place::At(i));
    }
    if let Some(range) = index.read_lock::<std::ops::Range<i64>>() {
        return Ok(Place::Range(range.start, range.end));
    }
    if let Some(range) = index.read_lock::<std::ops::RangeInclusive<i64>>() {
        // `0..=-1` goes to the end.
        let behind = match *range.end() {
            -1 => i64::MAX,
            end => end.saturating_add(1),
        };
        return Ok(Place::Range(*range.start(), behind));
    }
    if let Some(index) = index.read_lock::<Tensor>() {
        return Ok(Place::These(index.clone()));
    }
    let kind = type_name(index.type_name());
    let error = Error::argument(format!("tensor cannot be indexed by {kind}"));
    Err(match kind.as_str() {
        "float" => error.with_hint("an index is a whole number: a.floor_div(b), or x.to_int()"),
        _ => error,
    })
}
