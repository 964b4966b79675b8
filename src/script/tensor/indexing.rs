//! Indexing: `x[i]`, ranges, tensors of indices, and assignment, which copies first.

use rhai::Array;
use rhai::plugin::*;

use super::super::edge::Outcome;
use super::super::value::int_list;
use crate::tensor::Tensor;

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

    /// Entries start..end of the first dimension.
    ///
    /// ```rhai
    /// print(tensor::arange(10)[2..5].sum());   //= 9
    /// ```
    #[rhai_fn(global, return_raw, index_get, pure)]
    pub fn index_range(t: &mut Tensor, range: std::ops::Range<i64>) -> Outcome<Tensor> {
        Ok(t.slice(range.start, range.end)?)
    }

    /// Entries start..=end of the first dimension.
    ///
    /// ```rhai
    /// print(tensor::arange(10)[2..=5].sum());   //= 14
    /// ```
    #[rhai_fn(global, return_raw, index_get, pure)]
    pub fn index_range_inclusive(
        t: &mut Tensor,
        range: std::ops::RangeInclusive<i64>,
    ) -> Outcome<Tensor> {
        Ok(t.slice(*range.start(), range.end() + 1)?)
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
        Ok(t.pick(&index)?)
    }

    /// One entry by an array of indices, one per dimension.
    ///
    /// ```rhai
    /// let x = tensor::of([[1, 2], [3, 4]]);
    /// print(x[[1, 0]]);   //= 3
    /// ```
    #[rhai_fn(global, return_raw, index_get, pure)]
    pub fn index_array(t: &mut Tensor, index: Array) -> Outcome<Tensor> {
        let mut found = t.clone();
        for i in int_list("index", &index)? {
            found = found.get(i)?;
        }
        Ok(found)
    }

    /// Replaces one entry of the first dimension. The variable gets a changed copy: no other holder
    /// of the tensor sees it.
    ///
    /// ```rhai
    /// let x = tensor::zeros([3, 2]);
    /// x[1] = tensor::ones([2]);
    /// print(x.sum());   //= 2
    /// ```
    #[rhai_fn(global, return_raw, index_set)]
    pub fn set_tensor(t: &mut Tensor, index: i64, value: Tensor) -> Outcome<()> {
        *t = t.with_entry(index, &value)?;
        Ok(())
    }

    /// Replaces one entry of the first dimension by a number.
    ///
    /// ```rhai
    /// let x = tensor::zeros([3]);
    /// x[1] = 5;
    /// print(x.sum());   //= 5
    /// ```
    #[rhai_fn(global, return_raw, index_set)]
    pub fn set_number(t: &mut Tensor, index: i64, value: f64) -> Outcome<()> {
        *t = t.with_entry(index, &Tensor::scalar(value)?)?;
        Ok(())
    }
}
