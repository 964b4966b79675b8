//! Values across the border: rhai's `Dynamic` to the core's [`Value`] and back, and maps to
//! options.

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use rhai::{Array, Dynamic, FnPtr, Map, NativeCallContext};

use super::closure;
use crate::error::{Error, Result};
use crate::options::{Object, Options, Value};

type IntoCore = fn(&Dynamic) -> Option<Value>;
type FromCore = fn(&Object) -> Option<Dynamic>;

thread_local! {
    /// The library's types that may cross: filled once by [`allow`].
    static TYPES: RefCell<HashMap<TypeId, (IntoCore, FromCore)>> = RefCell::new(HashMap::new());
    static NAMES: RefCell<HashMap<TypeId, &'static str>> = RefCell::new(HashMap::new());
}

/// Lets a type of the library cross the border under the name that users know.
pub fn allow<T: Clone + 'static>(name: &'static str) {
    let into: IntoCore = |d| {
        let object = d.clone().try_cast::<T>()?;
        Some(Value::Object(Object {
            type_name: type_name_of::<T>(),
            any: Rc::new(object),
        }))
    };
    let from: FromCore = |o| o.any.downcast_ref::<T>().cloned().map(Dynamic::from);
    TYPES.with_borrow_mut(|t| t.insert(TypeId::of::<T>(), (into, from)));
    NAMES.with_borrow_mut(|n| n.insert(TypeId::of::<T>(), name));
}

fn type_name_of<T: 'static>() -> &'static str {
    NAMES.with_borrow(|n| n.get(&TypeId::of::<T>()).copied().unwrap_or("object"))
}

/// A script's value as the core takes it.
pub fn from_dynamic(context: &NativeCallContext, value: &Dynamic) -> Result<Value> {
    convert(value, &|f| {
        Ok(Value::Function(closure::function(context, f)))
    })
}

/// A script's value that holds no functions.
pub fn data(value: &Dynamic) -> Result<Value> {
    convert(value, &|_| {
        Err(Error::argument("a function cannot be used here"))
    })
}

fn convert(value: &Dynamic, function: &dyn Fn(FnPtr) -> Result<Value>) -> Result<Value> {
    let value = value.flatten_clone();
    if value.is_unit() {
        Ok(Value::None)
    } else if let Ok(b) = value.as_bool() {
        Ok(Value::Bool(b))
    } else if let Ok(i) = value.as_int() {
        Ok(Value::Int(i))
    } else if let Ok(f) = value.as_float() {
        Ok(Value::Float(f))
    } else if value.is_string() {
        Ok(Value::Str(value.into_string().unwrap_or_default()))
    } else if value.is_array() {
        let list: Array = value.cast();
        Ok(Value::List(
            list.iter()
                .map(|v| convert(v, function))
                .collect::<Result<_>>()?,
        ))
    } else if value.is_map() {
        let map: Map = value.cast();
        Ok(Value::Map(
            map.iter()
                .map(|(k, v)| Ok((k.to_string(), convert(v, function)?)))
                .collect::<Result<_>>()?,
        ))
    } else if value.is::<FnPtr>() {
        function(value.cast())
    } else {
        let found =
            TYPES.with_borrow(|t| t.get(&value.type_id()).and_then(|(into, _)| into(&value)));
        found.ok_or_else(|| {
            Error::argument(format!(
                "a value of type {} cannot be used here",
                value.type_name()
            ))
        })
    }
}

/// A value of the core as scripts take it.
pub fn to_dynamic(value: &Value) -> Dynamic {
    match value {
        Value::None => Dynamic::UNIT,
        Value::Bool(b) => Dynamic::from_bool(*b),
        Value::Int(i) => Dynamic::from_int(*i),
        Value::Float(f) => Dynamic::from_float(*f),
        Value::Str(s) => Dynamic::from(s.clone()),
        Value::List(l) => Dynamic::from_array(l.iter().map(to_dynamic).collect()),
        Value::Map(m) => {
            Dynamic::from_map(m.iter().map(|(k, v)| (k.into(), to_dynamic(v))).collect())
        }
        Value::Object(o) => {
            let id = o.any.as_ref().type_id();
            TYPES
                .with_borrow(|t| t.get(&id).and_then(|(_, from)| from(o)))
                .unwrap_or(Dynamic::UNIT)
        }
        // A function of the core never goes back to a script.
        Value::Function(_) => Dynamic::UNIT,
    }
}

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
            let kind = super::names::type_name(kind);
            let error = Error::argument(format!(
                "{what}: expected an array of whole numbers, found {kind}"
            ));
            match super::habits::expected("int", &kind) {
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
                    super::names::type_name(d.type_name())
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
                super::names::type_name(d.type_name())
            ))
        })
    };
    array.iter().map(one).collect()
}
