//! Options: one table declares a struct for Rust, a trailing map for scripts and a table for the documentation.
//!
//! A script's `#{ steps: 20 }` becomes a list of `(String, Value)`, and `Options::from_map` turns it into the struct:
//! unknown keys, wrong types and impossible values are errors that name the key and what was expected.

use std::any::Any;
use std::fmt;
use std::rc::Rc;

use crate::error::{Error, Result};

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
        Value::Object(Object { type_name, any: Rc::new(object) })
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
            Value::List(l) => write!(f, "[{}]", l.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            Value::Map(m) => {
                write!(f, "#{{ {} }}", m.iter().map(|(k, v)| format!("{k}: {v}")).collect::<Vec<_>>().join(", "))
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
    /// The value as this type, or `None` where it is not one.
    fn from_value(value: &Value) -> Option<Self>;
    /// How the value is written in a script.
    fn show(&self) -> String;
}

impl OptionValue for bool {
    const TYPE: &'static str = "bool";
    fn from_value(value: &Value) -> Option<bool> {
        if let Value::Bool(b) = value { Some(*b) } else { None }
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl OptionValue for i64 {
    const TYPE: &'static str = "int";
    fn from_value(value: &Value) -> Option<i64> {
        if let Value::Int(i) = value { Some(*i) } else { None }
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
        if let Value::Str(s) = value { Some(s.clone()) } else { None }
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
    fn from_value(value: &Value) -> Option<Option<T>> {
        match value {
            Value::None => Some(None),
            other => T::from_value(other).map(Some),
        }
    }
    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "()".to_owned(), OptionValue::show)
    }
}

impl<T: OptionValue> OptionValue for Vec<T> {
    const TYPE: &'static str = "array";
    fn from_value(value: &Value) -> Option<Vec<T>> {
        if let Value::List(list) = value { list.iter().map(T::from_value).collect() } else { None }
    }
    fn show(&self) -> String {
        format!("[{}]", self.iter().map(OptionValue::show).collect::<Vec<_>>().join(", "))
    }
}

impl OptionValue for Function {
    const TYPE: &'static str = "function";
    fn from_value(value: &Value) -> Option<Function> {
        if let Value::Function(f) = value { Some(f.clone()) } else { None }
    }
    fn show(&self) -> String {
        "function".to_owned()
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

/// One row of an options table.
#[derive(Clone, Debug)]
pub struct Field {
    /// The key in the map.
    pub name: &'static str,
    /// Its type in the user's words.
    pub kind: &'static str,
    /// Its default, as written in a script.
    pub default: String,
    /// What it means.
    pub doc: String,
    /// Whether it takes a value.
    pub accepts: fn(&Value) -> bool,
}

/// A set of options: see [`options!`](crate::options!).
pub trait Options: Default {
    /// The function that takes them, as the user writes it.
    const OWNER: &'static str;
    /// The table: names, types, defaults, meanings.
    fn fields() -> Vec<Field>;
    /// Sets one option from a script's value; false where there is none of this name. `owner` is whom an error names.
    fn put(&mut self, owner: &str, key: &str, value: &Value) -> Result<bool>;
    /// Rules across options, those of an included table first; the macro's `check` clause writes it.
    fn check_for(&self, owner: &str) -> Result<()>;
    /// Each option with its value as written in a script.
    fn pairs(&self) -> Vec<(&'static str, String)>;

    /// The rules, in the name of the function that takes the options.
    fn check(&self) -> Result<()> {
        self.check_for(Self::OWNER)
    }

    /// The options as written in a script, all of them.
    fn show(&self) -> String {
        let shown: Vec<String> = self.pairs().into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        format!("#{{ {} }}", shown.join(", "))
    }

    /// A call as written in a script, with the options that are not at their defaults: `conv2d(1, 32, 3, #{ padding: 1 })`.
    fn show_call(&self, name: &str, arguments: &str) -> String {
        let usual = Self::default().pairs();
        let changed: Vec<String> = self
            .pairs()
            .into_iter()
            .zip(usual)
            .filter(|(now, usual)| now.1 != usual.1)
            .map(|(now, _)| format!("{}: {}", now.0, now.1))
            .collect();
        match (changed.is_empty(), arguments.is_empty()) {
            (true, _) => format!("{name}({arguments})"),
            (false, true) => format!("{name}(#{{ {} }})", changed.join(", ")),
            (false, false) => format!("{name}({arguments}, #{{ {} }})", changed.join(", ")),
        }
    }

    /// Reads a script's map: every key known, every value of its type, every rule kept.
    fn from_map<'a>(map: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Result<Self> {
        Self::from_map_for(Self::OWNER, map)
    }

    /// The same for another function that takes the same options; errors name that one.
    fn from_map_for<'a>(owner: &str, map: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Result<Self> {
        let mut options = Self::default();
        for (key, value) in map {
            if !options.put(owner, key, value)? {
                return Err(unknown_option(owner, key, &Self::fields()));
            }
        }
        options.check_for(owner)?;
        Ok(options)
    }
}

/// The error for a key that an options table does not have.
pub fn unknown_option(owner: &str, key: &str, fields: &[Field]) -> Error {
    let made = Error::unknown(&format!("{owner} has no option `{key}`"), key, fields.iter().map(|f| f.name));
    match crate::error::nearest(key, fields.iter().map(|f| f.name)).and_then(|n| fields.iter().find(|f| f.name == n)) {
        Some(f) => Error::new(made.kind(), made.message()).with_hint(format!(
            "did you mean `{}` ({}, default {})?",
            f.name,
            f.doc.trim_end_matches('.'),
            f.default
        )),
        None => made,
    }
}

/// The error for a value of a wrong type.
pub fn wrong_type(owner: &str, key: &str, expected: &str, value: &Value) -> Error {
    Error::argument(format!("{owner}: option `{key}` must be {expected}, got {} {value}", value.type_name()))
}

/// Declares options once: struct with defaults, script map, documentation table.
///
/// ```
/// jemscript::options! {
///     /// Options of a made-up sampler.
///     pub struct WalkOptions for "sampler::walk" {
///         /// number of steps
///         steps: i64 = 20,
///         /// bounds of the samples
///         clamp: Option<(f64, f64)> = None,
///     }
///     check |o| { if o.steps < 1 { return Err(jemscript::Error::argument("steps must be at least 1")); } Ok(()) }
/// }
/// use jemscript::options::{Options, Value};
/// let options = WalkOptions::from_map([("steps", &Value::Int(3))])?;
/// assert_eq!((options.steps, options.clamp), (3, None));
/// # Ok::<(), jemscript::Error>(())
/// ```
///
/// A table can include another one, on its first line: its keys, documentation and rules become those of the whole. In Rust it is a field. Rules
/// of a table that others include take the name of the function, which their errors start with.
///
/// ```
/// use jemscript::options::{Options, Value};
/// jemscript::options! {
///     /// What all walks have.
///     pub struct CommonOptions for "sampler::walk" {
///         /// number of steps
///         steps: i64 = 20,
///     }
///     check |o, owner| {
///         if o.steps < 1 { return Err(jemscript::Error::argument(format!("{owner}: steps must be at least 1"))); }
///         Ok(())
///     }
/// }
/// jemscript::options! {
///     /// Options of a longer walk.
///     pub struct HikeOptions for "sampler::hike" {
///         include common: CommonOptions = CommonOptions { steps: 1000 },
///         /// whether it ends where it began
///         round: bool = false,
///     }
/// }
/// let options = HikeOptions::from_map([("round", &Value::Bool(true))])?;
/// assert_eq!(options.show(), "#{ round: true, steps: 1000 }");
/// let refused = HikeOptions::from_map([("steps", &Value::Int(0))]).unwrap_err();
/// assert_eq!(refused.message(), "sampler::hike: steps must be at least 1");
/// # Ok::<(), jemscript::Error>(())
/// ```
#[macro_export]
macro_rules! options {
    (
        $(#[$meta:meta])*
        pub struct $name:ident for $owner:literal {
            $( include $part:ident : $whole:ty = $given:expr , )?
            $( $(#[doc = $doc:literal])+ $field:ident : $ty:ty = $default:expr ),* $(,)?
        }
        $( check |$o:ident $(, $by:ident)?| $check:block )?
    ) => {
        $(#[$meta])*
        #[derive(Clone)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: $ty, )*
            $( #[doc = "The options of an included table."] pub $part: $whole, )?
        }

        impl Default for $name {
            fn default() -> Self { Self { $( $field: $default, )* $( $part: $given, )? } }
        }

        impl $crate::options::Options for $name {
            const OWNER: &'static str = $owner;

            fn fields() -> Vec<$crate::options::Field> {
                #[allow(unused_variables)]
                let defaults = Self::default();
                #[allow(unused_mut)]
                let mut all = vec![ $( $crate::options::Field {
                    name: stringify!($field),
                    kind: <$ty as $crate::options::OptionValue>::TYPE,
                    default: $crate::options::OptionValue::show(&defaults.$field),
                    doc: [$($doc),+].map(str::trim).join(" "),
                    accepts: |value| <$ty as $crate::options::OptionValue>::from_value(value).is_some(),
                } ),* ];
                $(
                    // The defaults are those that are given here, not the included table's own.
                    let given = $crate::options::Options::pairs(&defaults.$part);
                    let included = <$whole as $crate::options::Options>::fields().into_iter().zip(given);
                    all.extend(included.map(|(field, (_, default))| $crate::options::Field { default, ..field }));
                )?
                all
            }

            #[allow(unused_variables)]
            fn put(&mut self, owner: &str, key: &str, value: &$crate::options::Value) -> $crate::error::Result<bool> {
                match key {
                    $( stringify!($field) => {
                        self.$field = <$ty as $crate::options::OptionValue>::from_value(value).ok_or_else(|| {
                            $crate::options::wrong_type(owner, key, <$ty as $crate::options::OptionValue>::TYPE, value)
                        })?;
                        Ok(true)
                    } )*
                    _ => {
                        $( return $crate::options::Options::put(&mut self.$part, owner, key, value); )?
                        #[allow(unreachable_code)]
                        Ok(false)
                    }
                }
            }

            #[allow(unused_variables)]
            fn check_for(&self, owner: &str) -> $crate::error::Result<()> {
                $( $crate::options::Options::check_for(&self.$part, owner)?; )?
                $( let $o = self; $( let $by = owner; )? return $check; )?
                #[allow(unreachable_code)]
                Ok(())
            }

            fn pairs(&self) -> Vec<(&'static str, String)> {
                #[allow(unused_mut)]
                let mut all = vec![ $( (stringify!($field), $crate::options::OptionValue::show(&self.$field)) ),* ];
                $( all.extend($crate::options::Options::pairs(&self.$part)); )?
                all
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&$crate::options::Options::show(self))
            }
        }
    };
}
