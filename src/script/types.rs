//! What users call types.

use std::any::TypeId;

use rhai::{Array, Dynamic, FnPtr, ImmutableString, Map};

use super::TYPES;

/// A type's name as users know it, from Rust's or rhai's.
pub fn type_name(raw: &str) -> String {
    let raw = raw.trim_start_matches("&mut ").trim_start_matches('&');
    let plain = match raw {
        "i64" | "INT" => "int",
        "f64" | "FLOAT" => "float",
        "FnPtr" | "Fn" | "rhai::FnPtr" | "rhai::types::fn_ptr::FnPtr" => "function",
        // rhai lists all three where a string is no argument that fits.
        "ImmutableString" | "String" | "str" | "&str" | "str | ImmutableString | String" => {
            "string"
        }
        "Array" | "alloc::vec::Vec<rhai::types::dynamic::Dynamic>" => "array",
        "Map" => "map",
        "Dynamic" => "any",
        "()" => "()",
        range if range.contains("RangeInclusive<") => "inclusive_range",
        range if range.contains("Range<") => "range",
        other => match TYPES
            .iter()
            .find(|t| t.rust == other || t.rust.rsplit("::").next() == Some(other))
        {
            Some(t) => t.name,
            None => other.rsplit("::").next().unwrap_or(other),
        },
    };
    plain.to_owned()
}

/// A parameter's type as users know it.
pub fn type_of_id(id: TypeId) -> &'static str {
    let plain: [(TypeId, &str); 12] = [
        (TypeId::of::<std::ops::Range<i64>>(), "range"),
        (
            TypeId::of::<std::ops::RangeInclusive<i64>>(),
            "inclusive_range",
        ),
        (TypeId::of::<i64>(), "int"),
        (TypeId::of::<f64>(), "float"),
        (TypeId::of::<bool>(), "bool"),
        (TypeId::of::<ImmutableString>(), "string"),
        (TypeId::of::<&str>(), "string"),
        (TypeId::of::<String>(), "string"),
        (TypeId::of::<Array>(), "array"),
        (TypeId::of::<Map>(), "map"),
        (TypeId::of::<FnPtr>(), "function"),
        (TypeId::of::<Dynamic>(), "any"),
    ];
    let ours = || {
        TYPES
            .iter()
            .find(|t| (t.id)() == id)
            .map_or("value", |t| t.name)
    };
    plain
        .iter()
        .find(|(i, _)| *i == id)
        .map_or_else(ours, |(_, n)| n)
}
