//! Arrays as wholes: side by side, and summed.

use std::ops::{Range, RangeInclusive};

use rhai::plugin::*;
use rhai::{Array, FnPtr, Position};

use super::edge::Outcome;
use super::types::type_name;
use crate::error::Error;
use crate::tensor::Tensor;

#[export_module(manifest)]
pub mod functions {
    /// Pairs of the entries of two arrays, ranges or tensors (row by row), as many as the shorter
    /// one has.
    ///
    /// ```rhai
    /// for [name, rate] in zip(["a", "b"], [0.1, 0.2]) { print(`${name}: ${rate}`); }
    /// //= a: 0.1
    /// //= b: 0.2
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn zip(a: Dynamic, b: Dynamic) -> Outcome<Array> {
        let (a, b) = (entries(a)?, entries(b)?);
        let pair = |(a, b)| Dynamic::from_array(vec![a, b]);
        Ok(a.into_iter().zip(b).map(pair).collect())
    }

    /// What a function gives for each number of a range.
    ///
    /// ```rhai
    /// print((0..3).map(|i| i * i));    //= [0, 1, 4]
    /// ```
    #[rhai_fn(global, return_raw, name = "map")]
    pub fn map_range(ctx: NativeCallContext, range: Range<i64>, function: FnPtr) -> Outcome<Array> {
        let each = |i: Dynamic| function.call_within_context(&ctx, (i,));
        of_range(range.start, range.end)?
            .into_iter()
            .map(each)
            .collect()
    }

    /// The same for a range with its end.
    ///
    /// ```rhai
    /// print((1..=3).map(|i| i * i));   //= [1, 4, 9]
    /// ```
    #[rhai_fn(global, return_raw, name = "map")]
    pub fn map_range_inclusive(
        ctx: NativeCallContext,
        range: RangeInclusive<i64>,
        function: FnPtr,
    ) -> Outcome<Array> {
        map_range(ctx, *range.start()..range.end().saturating_add(1), function)
    }

    /// The sum of an array of numbers, tensors or whatever else `+` takes; 0 of none.
    ///
    /// ```rhai
    /// print(sum([1, 2, 3]));                                   //= 6
    /// print([1, 0.5].sum());                                   //= 1.5
    /// print([tensor::ones([2]), tensor::ones([2])].sum());     //= tensor [2] float32 on cpu
    /// //= [2, 2]
    /// ```
    #[rhai_fn(global, return_raw, name = "sum", pure)]
    pub fn sum_of_array(ctx: NativeCallContext, array: &mut Array) -> Outcome<Dynamic> {
        let mut entries = array.iter().cloned();
        let Some(mut total) = entries.next() else {
            return Ok(Dynamic::from_int(0));
        };
        for mut entry in entries {
            total = ctx
                .call_native_fn_raw("+", false, &mut [&mut total, &mut entry])
                .map_err(|error| match *error {
                    EvalAltResult::ErrorFunctionNotFound(call, _) => {
                        EvalAltResult::ErrorFunctionNotFound(call, Position::NONE).into()
                    }
                    _ => error,
                })?;
        }
        Ok(total)
    }
}

/// What a loop over a value gives.
fn entries(value: Dynamic) -> Result<Array, Error> {
    let kind = type_name(value.type_name());
    if let Some(range) = value.read_lock::<Range<i64>>() {
        return of_range(range.start, range.end);
    }
    if let Some(range) = value.read_lock::<RangeInclusive<i64>>() {
        return of_range(*range.start(), range.end().saturating_add(1));
    }
    if let Some(tensor) = value.read_lock::<Tensor>() {
        let rows = tensor.shape().first().copied().unwrap_or(0);
        return (0..rows)
            .map(|i| tensor.get(i).map(Dynamic::from))
            .collect();
    }
    value.try_cast::<Array>().ok_or_else(|| {
        Error::argument(format!("zip: takes arrays, ranges and tensors, got {kind}"))
    })
}

fn of_range(from: i64, to: i64) -> Result<Array, Error> {
    if to.saturating_sub(from) > super::limits::MAX_ENTRIES as i64 {
        return Err(Error::argument("the range has too many entries"));
    }
    Ok((from..to).map(Dynamic::from_int).collect())
}
