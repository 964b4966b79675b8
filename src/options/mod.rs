//! Options: one table declares a struct for Rust, a trailing map for scripts and a table for the
//! documentation.
//!
//! A script's `#{ steps: 20 }` becomes a list of `(String, Value)`, and `Options::from_map` turns
//! it into the struct: unknown keys, wrong types and impossible values are errors that name the key
//! and what was expected.

mod choice;
mod value;

pub use value::{ByName, Callable, Function, Object, OptionValue, Value};

use crate::error::{Error, Result};

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
    /// The words that it can be, where it is one of a few.
    pub words: &'static [&'static str],
    /// Whether it takes a value.
    pub accepts: fn(&Value) -> bool,
}

/// A set of options: see [`options!`](crate::options!).
pub trait Options: Default {
    /// The function that takes them, as the user writes it.
    const OWNER: &'static str;
    /// The table: names, types, defaults, meanings.
    fn fields() -> Vec<Field>;
    /// Sets one option from a script's value; false where there is none of this name. `owner` is
    /// whom an error names.
    fn put(&mut self, owner: &str, key: &str, value: &Value) -> Result<bool>;
    /// Rules across options, those of an included table first; the macro's `check` clause writes
    /// it.
    fn check_for(&self, owner: &str) -> Result<()>;
    /// Each option with its value as written in a script.
    fn pairs(&self) -> Vec<(&'static str, String)>;

    /// The rules, in the name of the function that takes the options.
    fn check(&self) -> Result<()> {
        self.check_for(Self::OWNER)
    }

    /// The options as written in a script, all of them.
    fn show(&self) -> String {
        let shown: Vec<String> = self
            .pairs()
            .into_iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        format!("#{{ {} }}", shown.join(", "))
    }

    /// A call as written in a script, with the options that are not at their defaults: `conv2d(1,
    /// 32, 3, #{ padding: 1 })`.
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
    fn from_map_for<'a>(
        owner: &str,
        map: impl IntoIterator<Item = (&'a str, &'a Value)>,
    ) -> Result<Self> {
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

/// Options that had another name: whose, the old name, the new one.
const RENAMED: [(&str, &str, &str); 2] = [
    ("sampler::sgld", "step_end", "step_size_end"),
    ("load", "part", "prefix"),
];

/// The error for a key that an options table does not have.
pub fn unknown_option(owner: &str, key: &str, fields: &[Field]) -> Error {
    if let Some((.., now)) = RENAMED
        .iter()
        .find(|(of, old, _)| (*of, *old) == (owner, key))
    {
        return Error::new(
            crate::error::ErrorKind::Name,
            format!("{owner} has no option `{key}`"),
        )
        .with_hint(format!("it is called `{now}`"));
    }
    let made = Error::unknown(
        &format!("{owner} has no option `{key}`"),
        key,
        fields.iter().map(|f| f.name),
    );
    match crate::error::nearest(key, fields.iter().map(|f| f.name))
        .and_then(|n| fields.iter().find(|f| f.name == n))
    {
        Some(f) => Error::new(made.kind(), made.message()).with_hint(format!(
            "did you mean `{}` ({}, default {})?",
            f.name,
            f.doc.trim_end_matches('.'),
            f.default
        )),
        None => made,
    }
}

/// The error for a value of a wrong type, or a word that is none of the few.
pub fn wrong_type(
    owner: &str,
    key: &str,
    (expected, words): (&str, &[&str]),
    value: &Value,
) -> Error {
    // Of a list of words the first that is none of the few.
    let value = match value {
        Value::List(all) if !words.is_empty() => {
            all.iter().find(|v| !is_word(v, words)).unwrap_or(value)
        }
        other => other,
    };
    let shown = match value {
        // An object shows as its type.
        Value::Object(_) => String::new(),
        other => format!(" {other}"),
    };
    let text = format!(
        "{owner}: option `{key}` must be {expected}, got {}{shown}",
        value.type_name()
    );
    let near = match value {
        Value::Str(word) => crate::error::nearest(word, words.iter().copied()),
        _ => None,
    };
    let made = Error::argument(text);
    near.map_or(made.clone(), |near| {
        made.with_hint(format!("did you mean {near:?}?"))
    })
}

fn is_word(value: &Value, words: &[&str]) -> bool {
    matches!(value, Value::Str(word) if words.contains(&word.as_str()))
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
/// A table can include another one, on its first line: its keys, documentation and rules become
/// those of the whole. In Rust it is a field. Rules of a table that others include take the name of
/// the function, which their errors start with.
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
                    words: <$ty as $crate::options::OptionValue>::WORDS,
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
                            use $crate::options::OptionValue;
                            let wrong = $crate::options::wrong_type(owner, key, (<$ty>::TYPE, <$ty>::WORDS), value);
                            if <$ty>::HINT.is_empty() { wrong } else { wrong.with_hint(<$ty>::HINT) }
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
