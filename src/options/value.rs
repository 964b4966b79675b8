//! Values that a script hands to the library, and the types that an option can have.

use std::any::Any;
use std::fmt;
use std::rc::Rc;

use crate::error::Result;

/// A value that a script hands to the library.
#[derive(Clone)]
pub enum Value {
    /// Nothing: `()`.
    None,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text.
    Str(String),
    /// An array.
    List(Vec<Value>),
    /// A map, in the script's order.
    Map(Vec<(String, Value)>),
    /// One of the library's own objects: a tensor, a network, an energy.
    Object(Object),
    /// A function written by the user.
    Function(Function),
}

/// One of the library's objects behind a type-erased handle.
#[derive(Clone)]
pub struct Object {
    /// The name that users know the type by.
    pub type_name: &'static str,
    /// The object; a cheap handle that shares its state with the caller's.
    pub any: Rc<dyn Any>,
}

/// What a [`Function`] wraps.
pub type Callable = dyn Fn(&[Value]) -> Result<Value>;

/// A function written by the user: called with values, returns a value.
#[derive(Clone)]
pub struct Function(pub Rc<Callable>);

impl Function {
    /// Calls the function.
    pub fn call(&self, arguments: &[Value]) -> Result<Value> {
        (self.0)(arguments)
    }
}

impl Value {
    /// Wraps one of the library's objects.
    pub fn object<T: Any>(type_name: &'static str, object: T) -> Value {
        Value::Object(Object {
            type_name,
            any: Rc::new(object),
        })
    }

    /// What the value is, in the user's words.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::None => "()",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Str(_) => "string",
            Value::List(_) => "array",
            Value::Map(_) => "map",
            Value::Object(object) => object.type_name,
            Value::Function(_) => "function",
        }
    }

    /// The object inside, if it is one of this type.
    pub fn downcast<T: Any + Clone>(&self) -> Option<T> {
        match self {
            Value::Object(object) => object.any.downcast_ref::<T>().cloned(),
            _ => None,
        }
    }

    /// The number inside, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(i) => Some(*i as f64),
            Value::Float(f) => Some(*f),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::None => f.write_str("()"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int(i) => write!(f, "{i}"),
            Value::Float(x) => write!(f, "{x:?}"),
            Value::Str(s) => write!(f, "{s:?}"),
            Value::List(l) => write!(
                f,
                "[{}]",
                l.iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            Value::Map(m) => {
                write!(
                    f,
                    "#{{ {} }}",
                    m.iter()
                        .map(|(k, v)| format!("{k}: {v}"))
                        .collect::<Vec<_>>()
                        .join(", ")
                )
            }
            Value::Object(o) => f.write_str(o.type_name),
            Value::Function(_) => f.write_str("function"),
        }
    }
}

/// A type that an option can have.
pub trait OptionValue: Sized {
    /// What users read in tables and errors: `float`, `int`, `[low, high]`.
    const TYPE: &'static str;
    /// The words that it can be, where it is one of a few.
    const WORDS: &'static [&'static str] = &[];
    /// What users read of an array of such values.
    const LISTED: &'static str = "array";
    /// What users read of a map of names to such values.
    const MANY: &'static str = "map";
    /// Where one comes from, for whoever gives something else.
    const HINT: &'static str = "";
    /// The value as this type, or `None` where it is not one.
    fn from_value(value: &Value) -> Option<Self>;
    /// How the value is written in a script.
    fn show(&self) -> String;
}

impl OptionValue for bool {
    const TYPE: &'static str = "bool";
    fn from_value(value: &Value) -> Option<bool> {
        if let Value::Bool(b) = value {
            Some(*b)
        } else {
            None
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl OptionValue for i64 {
    const TYPE: &'static str = "int";
    fn from_value(value: &Value) -> Option<i64> {
        if let Value::Int(i) = value {
            Some(*i)
        } else {
            None
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl OptionValue for f64 {
    const TYPE: &'static str = "float";
    fn from_value(value: &Value) -> Option<f64> {
        value.as_f64()
    }
    fn show(&self) -> String {
        format!("{self}")
    }
}

impl OptionValue for String {
    const TYPE: &'static str = "string";
    fn from_value(value: &Value) -> Option<String> {
        if let Value::Str(s) = value {
            Some(s.clone())
        } else {
            None
        }
    }
    fn show(&self) -> String {
        format!("{self:?}")
    }
}

impl OptionValue for (f64, f64) {
    const TYPE: &'static str = "[low, high]";
    fn from_value(value: &Value) -> Option<(f64, f64)> {
        match value {
            Value::List(list) if list.len() == 2 => Some((list[0].as_f64()?, list[1].as_f64()?)),
            _ => None,
        }
    }
    fn show(&self) -> String {
        format!("[{}, {}]", self.0, self.1)
    }
}

impl OptionValue for [f64; 2] {
    const TYPE: &'static str = "[number, number]";
    fn from_value(value: &Value) -> Option<[f64; 2]> {
        match value {
            Value::List(list) if list.len() == 2 => Some([list[0].as_f64()?, list[1].as_f64()?]),
            _ => None,
        }
    }
    fn show(&self) -> String {
        format!("[{}, {}]", self[0], self[1])
    }
}

impl<T: OptionValue> OptionValue for Option<T> {
    const TYPE: &'static str = T::TYPE;
    const HINT: &'static str = T::HINT;
    const WORDS: &'static [&'static str] = T::WORDS;
    fn from_value(value: &Value) -> Option<Option<T>> {
        match value {
            Value::None => Some(None),
            other => T::from_value(other).map(Some),
        }
    }
    fn show(&self) -> String {
        self.as_ref()
            .map_or_else(|| "()".to_owned(), OptionValue::show)
    }
}

impl<T: OptionValue> OptionValue for Vec<T> {
    const TYPE: &'static str = T::LISTED;
    const WORDS: &'static [&'static str] = T::WORDS;
    fn from_value(value: &Value) -> Option<Vec<T>> {
        if let Value::List(list) = value {
            list.iter().map(T::from_value).collect()
        } else {
            None
        }
    }
    fn show(&self) -> String {
        format!(
            "[{}]",
            self.iter()
                .map(OptionValue::show)
                .collect::<Vec<_>>()
                .join(", ")
        )
    }
}

impl OptionValue for Function {
    const TYPE: &'static str = "function";
    fn from_value(value: &Value) -> Option<Function> {
        if let Value::Function(f) = value {
            Some(f.clone())
        } else {
            None
        }
    }
    fn show(&self) -> String {
        "function".to_owned()
    }
}

/// Lets an option be one of the library's objects; by the name that users know the type by.
#[macro_export]
macro_rules! object_option {
    ($object:ty, $name:literal, $hint:literal) => {
        impl $crate::options::OptionValue for $object {
            const TYPE: &'static str = $name;
            const MANY: &'static str = concat!("map of names to ", $name);
            const HINT: &'static str = $hint;
            fn from_value(value: &$crate::options::Value) -> Option<$object> {
                value.downcast::<$object>()
            }
            fn show(&self) -> String {
                $name.to_owned()
            }
        }
    };
}

/// A map of names to values of one type, in the script's order; empty where nothing is given.
#[derive(Clone)]
pub struct ByName<T>(pub Vec<(String, T)>);

impl<T> Default for ByName<T> {
    fn default() -> ByName<T> {
        ByName(Vec::new())
    }
}

impl<T: OptionValue> OptionValue for ByName<T> {
    const TYPE: &'static str = T::MANY;
    const HINT: &'static str = T::HINT;
    fn from_value(value: &Value) -> Option<ByName<T>> {
        let named = |(name, value): &(String, Value)| Some((name.clone(), T::from_value(value)?));
        match value {
            Value::None => Some(ByName::default()),
            Value::Map(map) => map.iter().map(named).collect::<Option<_>>().map(ByName),
            _ => None,
        }
    }
    fn show(&self) -> String {
        if self.0.is_empty() {
            return "()".to_owned();
        }
        let entries = self.0.iter().map(|(k, v)| format!("{k}: {}", v.show()));
        format!("#{{ {} }}", entries.collect::<Vec<_>>().join(", "))
    }
}

impl OptionValue for Value {
    const TYPE: &'static str = "any";
    fn from_value(value: &Value) -> Option<Value> {
        Some(value.clone())
    }
    fn show(&self) -> String {
        self.to_string()
    }
}
