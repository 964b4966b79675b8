//! Indexing: `x[i]`, ranges, tensors of indices, several of them, and assignment, which copies first.

use std::ops::{Range, RangeInclusive};

use rhai::Array;
use rhai::plugin::*;

use super::super::edge::Outcome;
use super::super::habits;
use super::super::types::type_name;
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

    /// Entries of the first dimension, `x[1..3]`; an open end is that of the dimension, and numbers
    /// below 0 count from it.
    ///
    /// ```rhai
    /// print(tensor::arange(10)[2..5].sum());   //= 9
    /// print(tensor::arange(10)[-2..].sum());   //= 17
    /// ```
    #[rhai_fn(global, return_raw, index_get, pure)]
    pub fn index_range(t: &mut Tensor, range: Range<i64>) -> Outcome<Tensor> {
        Ok(t.at(&[Place::Range(range.start, range.end)])?)
    }

    /// The same with the last entry.
    ///
    /// ```rhai
    /// print(tensor::arange(10)[2..=5].sum());   //= 14
    /// ```
    #[rhai_fn(global, return_raw, index_get, pure)]
    pub fn index_range_inclusive(t: &mut Tensor, range: RangeInclusive<i64>) -> Outcome<Tensor> {
        Ok(t.at(&[inclusive(&range)])?)
    }

    /// Rows by indices (int64), or by a mask (bool) with one truth value a row; with a mask of the
    /// tensor's shape, the entries where it is true.
    ///
    /// ```rhai
    /// let x = tensor::arange(5);
    /// print(x[x > 2].sum());   //= 7
    /// ```
    #[rhai_fn(global, return_raw, index_get, pure)]
    pub fn index_tensor(t: &mut Tensor, index: Tensor) -> Outcome<Tensor> {
        Ok(t.at(&[Place::These(index)])?)
    }

    /// Entries by an index for each of the first dimensions, which may be any of those above, `..`
    /// for all. `x[a, b]` is `x[[a, b]]`.
    ///
    /// ```rhai
    /// let x = tensor::of([[1, 2, 3], [4, 5, 6]]);
    /// print(x[1, 0]);          //= 4
    /// print(x[.., 0]);         //= tensor [2] float32 on cpu
    /// //= [1, 4]
    /// print(x[1, 1..]);        //= tensor [2] float32 on cpu
    /// //= [5, 6]
    /// ```
    #[rhai_fn(global, return_raw, index_get, pure)]
    pub fn index_array(t: &mut Tensor, index: Array) -> Outcome<Tensor> {
        Ok(t.at(&places(&index)?)?)
    }

    /// Replaces one entry of the first dimension by a tensor that fits it, or by a number. The
    /// variable gets a changed copy: no other holder of the tensor sees it.
    ///
    /// ```rhai
    /// let x = tensor::zeros([3, 2]);
    /// x[1] = tensor::ones([2]);
    /// x[2] = 5;
    /// print(x.sum());   //= 12
    /// ```
    #[rhai_fn(global, return_raw, index_set)]
    pub fn set_int(t: &mut Tensor, index: i64, value: Dynamic) -> Outcome<()> {
        Ok(replace(t, &[Place::At(index)], &value)?)
    }

    /// Replaces entries of the first dimension.
    ///
    /// ```rhai
    /// let x = tensor::zeros([4]);
    /// x[1..] = 5;
    /// print(x.sum());   //= 15
    /// ```
    #[rhai_fn(global, return_raw, index_set)]
    pub fn set_range(t: &mut Tensor, range: Range<i64>, value: Dynamic) -> Outcome<()> {
        Ok(replace(t, &[Place::Range(range.start, range.end)], &value)?)
    }

    /// The same with the last entry.
    ///
    /// ```rhai
    /// let x = tensor::zeros([4]);
    /// x[1..=2] = 5;
    /// print(x.sum());   //= 10
    /// ```
    #[rhai_fn(global, return_raw, index_set)]
    pub fn set_range_inclusive(
        t: &mut Tensor,
        range: RangeInclusive<i64>,
        value: Dynamic,
    ) -> Outcome<()> {
        Ok(replace(t, &[inclusive(&range)], &value)?)
    }

    /// Replaces rows by their indices, or the entries where a mask is true.
    ///
    /// ```rhai
    /// let x = tensor::arange(4);
    /// x[x > 1] = 0;
    /// print(x.sum());   //= 1
    /// ```
    #[rhai_fn(global, return_raw, index_set)]
    pub fn set_tensor(t: &mut Tensor, index: Tensor, value: Dynamic) -> Outcome<()> {
        Ok(replace(t, &[Place::These(index)], &value)?)
    }

    /// Replaces entries by an index for each of the first dimensions.
    ///
    /// ```rhai
    /// let x = tensor::zeros([2, 3]);
    /// x[.., 0] = 1;
    /// x[1, 1] = 5;
    /// print(x.sum());   //= 7
    /// ```
    #[rhai_fn(global, return_raw, index_set)]
    pub fn set_array(t: &mut Tensor, index: Array, value: Dynamic) -> Outcome<()> {
        Ok(replace(t, &places(&index)?, &value)?)
    }
}

fn replace(t: &mut Tensor, places: &[Place], value: &Dynamic) -> Result<()> {
    let number = value
        .as_float()
        .or_else(|_| value.as_int().map(|i| i as f64));
    *t = match (value.read_lock::<Tensor>(), number) {
        (Some(value), _) => t.with_at(places, &value)?,
        (None, Ok(number)) => t.with_at(places, &Tensor::scalar(number)?)?,
        (None, Err(kind)) => {
            return Err(Error::argument(format!(
                "index: entries of a tensor are numbers, got {}",
                type_name(kind)
            )));
        }
    };
    Ok(())
}

/// `0..=-1` goes to the end.
fn inclusive(range: &RangeInclusive<i64>) -> Place {
    let behind = match *range.end() {
        -1 => i64::MAX,
        end => end.saturating_add(1),
    };
    Place::Range(*range.start(), behind)
}

fn places(index: &Array) -> Result<Vec<Place>> {
    index.iter().map(place).collect()
}

fn place(index: &Dynamic) -> Result<Place> {
    if let Ok(i) = index.as_int() {
        return Ok(Place::At(i));
    }
    if let Some(range) = index.read_lock::<Range<i64>>() {
        return Ok(Place::Range(range.start, range.end));
    }
    if let Some(range) = index.read_lock::<RangeInclusive<i64>>() {
        return Ok(inclusive(&range));
    }
    if let Some(index) = index.read_lock::<Tensor>() {
        return Ok(Place::These(index.clone()));
    }
    let kind = type_name(index.type_name());
    let error = Error::argument(format!("tensor cannot be indexed by {kind}"));
    Err(match habits::expected("int", &kind) {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}
