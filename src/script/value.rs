//! Values across the border: rhai's `Dynamic` to the core's [`Value`] and back, and maps to
//! options.

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use rhai::{Array, Dynamic, FnPtr, Map};

use crate::error::{Error, Result};
use crate::options::{Object, Value};

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

/// A script's value that holds no functions.
pub fn data(value: &Dynamic) -> Result<Value> {
    convert(value, &|_| {
        Err(Error::argument("a function cannot be used here"))
    })
}

/// A value, whose functions `function` takes over.
pub fn convert(value: &Dynamic, function: &dyn Fn(FnPtr) -> Result<Value>) -> Result<Value> {
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
