//! What a call from a script brings, as the library takes it.

use rhai::{Array, Dynamic, Map, NativeCallContext};

use super::closure::from_dynamic;
use super::habits;
use super::types::type_name;
use crate::error::{Error, Result};
use crate::options::{Options, Value};

/// A trailing map as an options struct. Errors name the function that was called: several may take
/// the same options.
pub fn options<T: Options>(context: &NativeCallContext, map: &Map) -> Result<T> {
    let values: Vec<(String, Value)> = map
        .iter()
        .map(|(k, v)| Ok((k.to_string(), from_dynamic(context, v)?)))
        .collect::<Result<_>>()?;
    let owner = T::OWNER
        .split_once("::")
        .map(|(room, _)| format!("{room}::{}", context.fn_name()));
    T::from_map_for(
        owner.as_deref().unwrap_or(T::OWNER),
        values.iter().map(|(k, v)| (k.as_str(), v)),
    )
}

/// An array of whole numbers: a shape, a list of dimensions.
pub fn int_list(what: &str, array: &Array) -> Result<Vec<i64>> {
    let one = |d: &Dynamic| {
        d.as_int().map_err(|kind| {
            let kind = type_name(kind);
            let error = Error::argument(format!(
                "{what}: expected an array of whole numbers, found {kind}"
            ));
            match habits::expected("int", &kind) {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        })
    };
    array.iter().map(one).collect()
}

/// An array of numbers.
pub fn float_list(what: &str, array: &Array) -> Result<Vec<f64>> {
    let one = |d: &Dynamic| {
        d.as_float()
            .or_else(|_| d.as_int().map(|i| i as f64))
            .map_err(|_| {
                Error::argument(format!(
                    "{what}: expected an array of numbers, found {}",
                    type_name(d.type_name())
                ))
            })
    };
    array.iter().map(one).collect()
}

/// An array of one of the library's types.
pub fn object_list<T: Clone + 'static>(
    what: &str,
    expected: &str,
    array: &Array,
) -> Result<Vec<T>> {
    let one = |d: &Dynamic| {
        d.flatten_clone().try_cast::<T>().ok_or_else(|| {
            Error::argument(format!(
                "{what}: expected an array of {expected}, found {}",
                type_name(d.type_name())
            ))
        })
    };
    array.iter().map(one).collect()
}
