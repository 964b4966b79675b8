//! What the words mean that a script is rewritten to.

use std::cell::OnceCell;
use std::collections::HashSet;

use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, ImmutableString, Map, NativeCallContext};

use super::{CALLEE, COPIED, MAYBE, OVER, PARTS, SLICE};
use crate::energy::Energy;
use crate::error::Error;
use crate::nn::Network;
use crate::script::names::{not_indexable, property_missing};
use crate::script::types::type_name;

type Outcome<T> = Result<T, Box<EvalAltResult>>;

/// How much `/` binds: as `*` does.
const DIVIDES: u8 = 180;

/// Registers them.
pub fn install(engine: &mut Engine) {
    // As an operator of our own it has no shortcut for numbers, and all others keep theirs.
    let divides = engine
        .disable_symbol("/")
        .register_custom_operator("/", DIVIDES);
    debug_assert!(divides.is_ok());
    engine
        .register_fn(CALLEE, callee)
        .register_fn(COPIED, |value: Dynamic| value)
        .register_fn(OVER, over)
        .register_fn(PARTS, parts)
        .register_fn(SLICE, |array: &mut Array, range: std::ops::Range<i64>| {
            let (from, to) = places(array.len(), range.start, range.end);
            array[from..to].to_vec()
        })
        .register_fn(
            SLICE,
            |array: &mut Array, range: std::ops::RangeInclusive<i64>| {
                let (from, to) = places(array.len(), *range.start(), behind(&range));
                array[from..to].to_vec()
            },
        )
        .register_fn(
            SLICE,
            |text: &mut ImmutableString, range: std::ops::Range<i64>| {
                of_text(text, range.start, range.end)
            },
        )
        .register_fn(
            SLICE,
            |text: &mut ImmutableString, range: std::ops::RangeInclusive<i64>| {
                of_text(text, *range.start(), behind(&range))
            },
        )
        .register_fn(SLICE, any_slice)
        .register_fn(MAYBE, maybe);
    division(engine);
}

/// Of whole numbers, too, the quotient is a float, as in Python.
fn division(engine: &mut Engine) {
    engine
        .register_fn("/", |a: i64, b: i64| -> Outcome<f64> {
            match b {
                0 => Err(Error::argument(format!("Division by zero: {a} / 0")).into()),
                _ => Ok(a as f64 / b as f64),
            }
        })
        .register_fn("/", |a: f64, b: f64| a / b)
        .register_fn("/", |a: i64, b: f64| a as f64 / b)
        .register_fn("/", |a: f64, b: i64| a / b as f64);
}

/// The divisor of `x /= b`.
fn over(divisor: Dynamic) -> Dynamic {
    divisor
        .as_int()
        .map_or(divisor, |whole| Dynamic::from_float(whole as f64))
}

/// What `f(…)` calls, where `f` is a variable: a function, the network's `forward`, the model's
/// `energy`; else the function of that name.
#[allow(deprecated)] // rhai marks native function pointers as volatile; the version is pinned.
fn callee(context: NativeCallContext, name: ImmutableString, value: Dynamic) -> Outcome<FnPtr> {
    let method = if value.is::<FnPtr>() {
        return Ok(value.cast::<FnPtr>());
    } else if value.is::<Network>() {
        "forward"
    } else if value.is::<Energy>() {
        "energy"
    } else if !name.is_empty() && is_function(&context, &name) {
        return FnPtr::new(name);
    } else {
        return Err(not_called(&name, &type_name(value.type_name())).into());
    };
    FnPtr::from_fn(method, move |context, arguments| {
        let mut own = value.clone();
        let mut all: Vec<&mut Dynamic> = std::iter::once(&mut own)
            .chain(arguments.iter_mut().map(|a| &mut **a))
            .collect();
        context.call_native_fn_raw(method, true, &mut all)
    })
}

/// The error for a call of what cannot be called.
pub fn not_called(name: &str, kind: &str) -> Error {
    let what = match name {
        "" => format!("what stands before the bracket is of type {kind}: it"),
        _ => format!("`{name}` is of type {kind}: it"),
    };
    Error::argument(format!("{what} cannot be called"))
        .with_hint("functions `|x| …`, networks and energies are called; an entry is `a[i]`")
}

thread_local! {
    /// The names of all functions that are no script's.
    static NATIVE: OnceCell<HashSet<String>> = const { OnceCell::new() };
}

fn is_function(context: &NativeCallContext, name: &str) -> bool {
    let scripts = || {
        context.iter_namespaces().any(|module| {
            module
                .iter_script_fn_info()
                .any(|(_, _, found, ..)| found == name)
        })
    };
    NATIVE.with(|names| {
        let all = names.get_or_init(|| {
            let of = |info: rhai::FuncInfo| Some(info.metadata.name.to_string());
            let found = context.engine().collect_fn_metadata(None, of, true);
            found.into_iter().collect()
        });
        all.contains(name)
    }) || scripts()
}

/// An array of as many entries as there are names.
fn parts(names: i64, value: Dynamic) -> Outcome<Array> {
    let kind = type_name(value.type_name());
    let array = value.try_cast::<Array>().ok_or_else(|| {
        Error::argument(format!("`let [a, b] = …` takes an array apart, got {kind}"))
    })?;
    if array.len() as i64 != names {
        let text = format!("{names} names for an array of {} entries", array.len());
        return Err(Error::shape(text).into());
    }
    Ok(array)
}

/// What a map or an array has under a key, or `()` where it has nothing; of all else, the property
/// or the entry.
fn maybe(context: NativeCallContext, value: &mut Dynamic, mut key: Dynamic) -> Outcome<Dynamic> {
    let name = key.clone().into_immutable_string().ok();
    if let (Some(map), Some(name)) = (value.read_lock::<Map>(), &name) {
        return Ok(map.get(name.as_str()).cloned().unwrap_or_default());
    }
    if let (Some(array), Ok(i)) = (value.read_lock::<Array>(), key.as_int()) {
        let at = if i < 0 { i + array.len() as i64 } else { i };
        let found = usize::try_from(at).ok().and_then(|at| array.get(at));
        return Ok(found.cloned().unwrap_or_default());
    }
    let kinds = (type_name(value.type_name()), type_name(key.type_name()));
    let found = match &name {
        Some(name) => context.call_native_fn_raw(format!("get${name}"), true, &mut [value]),
        None => context.call_native_fn_raw("index$get$", true, &mut [value, &mut key]),
    };
    found.map_err(|error| match (*error, name) {
        (EvalAltResult::ErrorFunctionNotFound(..), Some(name)) => {
            property_missing(&name, &kinds.0).into()
        }
        (EvalAltResult::ErrorFunctionNotFound(..), None) => {
            not_indexable(&format!("{} [{}]", kinds.0, kinds.1)).into()
        }
        (other, _) => other.into(),
    })
}

fn behind(range: &std::ops::RangeInclusive<i64>) -> i64 {
    // `0..=-1` goes to the end.
    match *range.end() {
        -1 => i64::MAX,
        end => end.saturating_add(1),
    }
}

/// Where entries begin and end, as in Python: from the end below zero, and never beyond an end.
fn places(len: usize, from: i64, to: i64) -> (usize, usize) {
    let place = |i: i64| match i < 0 {
        true => len.saturating_sub(i.unsigned_abs() as usize),
        false => usize::try_from(i).unwrap_or(usize::MAX).min(len),
    };
    let from = place(from);
    (from, place(to).max(from))
}

fn of_text(text: &str, from: i64, to: i64) -> ImmutableString {
    let (from, to) = places(text.chars().count(), from, to);
    text.chars()
        .skip(from)
        .take(to - from)
        .collect::<String>()
        .into()
}

/// Of everything else, what an index gives.
fn any_slice(
    context: NativeCallContext,
    value: &mut Dynamic,
    mut range: Dynamic,
) -> Outcome<Dynamic> {
    let (kind, by) = (type_name(value.type_name()), type_name(range.type_name()));
    let found = context.call_native_fn_raw("index$get$", true, &mut [value, &mut range]);
    found.map_err(|error| match *error {
        EvalAltResult::ErrorFunctionNotFound(..) => not_indexable(&format!("{kind} [{by}]")).into(),
        _ => error,
    })
}
