//! Values of parameters from outside: `name=value` on the command line, or JSON from a file. The
//! default gives the type.

use serde_json::Value as Json;

use crate::error::{Error, Result, nearest};
use crate::options::Value;
use crate::run::Source;

/// A value that a parameter has from elsewhere than the command line.
#[derive(Clone, Debug)]
pub struct Preset {
    /// The parameter.
    pub name: String,
    /// Its value.
    pub value: Json,
    /// Where it comes from.
    pub source: Source,
}

/// The text of an override as a value of the default's type.
pub(super) fn of_text(name: &str, text: &str, default: &Value) -> Result<Value> {
    let wrong = |found: String| wrong(name, default, &found);
    let number = |t: &str| t.replace('_', "");
    match default {
        Value::Bool(_) => text
            .parse()
            .map(Value::Bool)
            .map_err(|_| wrong(format!("`{text}`"))),
        Value::Int(_) => number(text)
            .parse()
            .map(Value::Int)
            .map_err(|_| wrong(format!("`{text}`"))),
        Value::Float(_) => {
            let found = number(text).parse().ok().filter(|f: &f64| f.is_finite());
            found
                .map(Value::Float)
                .ok_or_else(|| wrong(format!("`{text}`")))
        }
        Value::Str(_) => Ok(Value::Str(text.to_owned())),
        _ => {
            let json = serde_json::from_str(text).map_err(|_| {
                let example = if matches!(default, Value::List(_)) {
                    "'[1, 2]'"
                } else {
                    "'{\"steps\": 20}'"
                };
                wrong(format!("`{text}`")).with_hint(format!(
                    "arrays and maps are written as JSON: {name}={example}"
                ))
            })?;
            of_json(name, &json, default)
        }
    }
}

/// JSON as a value of the default's type. The entries of an array have the type of the default's
/// entries, if those have one type; a map has no other keys than the default, and those left out
/// keep their defaults.
pub(super) fn of_json(name: &str, json: &Json, default: &Value) -> Result<Value> {
    let wrong = || wrong(name, default, &format!("`{json}`"));
    match (default, json) {
        (Value::Bool(_), Json::Bool(b)) => Ok(Value::Bool(*b)),
        (Value::Int(_), Json::Number(n)) => n.as_i64().map(Value::Int).ok_or_else(wrong),
        (Value::Float(_), Json::Number(n)) => n
            .as_f64()
            .filter(|f| f.is_finite())
            .map(Value::Float)
            .ok_or_else(wrong),
        (Value::Str(_), Json::String(s)) => Ok(Value::Str(s.clone())),
        (Value::List(pattern), Json::Array(list)) => {
            let same = pattern
                .windows(2)
                .all(|w| w[0].type_name() == w[1].type_name());
            let entry = |(i, json): (usize, &Json)| match pattern.first().filter(|_| same) {
                // Whole numbers are floats where floats stand, and floats may follow whole numbers
                // in a list of numbers.
                Some(Value::Int(_)) if json.as_i64().is_none() && json.is_number() => {
                    Ok(plain(json))
                }
                Some(first) => of_json(&format!("{name}[{i}]"), json, first),
                None => Ok(plain(json)),
            };
            list.iter()
                .enumerate()
                .map(entry)
                .collect::<Result<_>>()
                .map(Value::List)
        }
        (Value::Map(pattern), Json::Object(map)) if pattern.is_empty() => Ok(Value::Map(
            map.iter().map(|(k, v)| (k.clone(), plain(v))).collect(),
        )),
        (Value::Map(pattern), Json::Object(map)) => {
            let known = || pattern.iter().map(|(k, _)| k.as_str());
            if let Some(key) = map.keys().find(|k| !known().any(|n| n == *k)) {
                let error = Error::argument(format!("parameter `{name}` has no key `{key}`"));
                return Err(match nearest(key, known()) {
                    Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                    None => error.with_hint(format!(
                        "it has: {}",
                        known().collect::<Vec<_>>().join(", ")
                    )),
                });
            }
            let entry = |(key, value): &(String, Value)| match map.get(key) {
                Some(json) => {
                    of_json(&format!("{name}.{key}"), json, value).map(|v| (key.clone(), v))
                }
                None => Ok((key.clone(), value.clone())),
            };
            pattern
                .iter()
                .map(entry)
                .collect::<Result<_>>()
                .map(Value::Map)
        }
        _ => Err(wrong()),
    }
}

fn wrong(name: &str, default: &Value, found: &str) -> Error {
    Error::argument(format!(
        "parameter `{name}` must be {} like its default {default}, got {found}",
        default.type_name()
    ))
}

/// JSON where no default says the type.
pub(super) fn plain(json: &Json) -> Value {
    match json {
        Json::Null => Value::None,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => n
            .as_i64()
            .map_or_else(|| Value::Float(n.as_f64().unwrap_or(f64::NAN)), Value::Int),
        Json::String(s) => Value::Str(s.clone()),
        Json::Array(list) => Value::List(list.iter().map(plain).collect()),
        Json::Object(map) => Value::Map(map.iter().map(|(k, v)| (k.clone(), plain(v))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn default() -> Value {
        let steps = ("steps".to_owned(), Value::Int(20));
        Value::Map(vec![steps, ("noise".to_owned(), Value::Float(0.01))])
    }

    fn shown(text: &str, default: &Value) -> String {
        of_text("p", text, default).map_or_else(|e| e.to_string(), |v| v.to_string())
    }

    #[test]
    fn each_type_is_read_and_checked() {
        let list = |v: Vec<Value>| Value::List(v);
        assert_eq!(shown("1_000", &Value::Int(1)), "1000");
        assert_eq!(shown("1e-3", &Value::Float(1.0)), "0.001");
        assert_eq!(shown("3", &Value::Float(1.0)), "3.0");
        assert_eq!(shown("true", &Value::Bool(false)), "true");
        assert_eq!(shown("a,b", &Value::Str(String::new())), "\"a,b\"");
        assert_eq!(
            shown("[1, 2]", &list(vec![Value::Float(0.5)])),
            "[1.0, 2.0]"
        );
        assert_eq!(shown("[1, \"a\"]", &list(vec![])), "[1, \"a\"]");
        assert_eq!(
            shown("{\"steps\": 40}", &default()),
            "#{ steps: 40, noise: 0.01 }"
        );
        for (text, default, said) in [
            ("yes", Value::Bool(true), "must be bool"),
            ("1.5", Value::Int(1), "must be int"),
            ("inf", Value::Float(1.0), "must be float"),
            (
                "[1, \"a\"]",
                list(vec![Value::Int(1)]),
                "`p[1]` must be int",
            ),
            ("1,2", list(vec![]), "written as JSON: p='[1, 2]'"),
            ("{\"stpes\": 40}", default(), "did you mean `steps`?"),
            ("{\"steps\": 4.5}", default(), "`p.steps` must be int"),
            ("[1]", default(), "must be map"),
        ] {
            assert!(
                shown(text, &default).contains(said),
                "{text}: {}",
                shown(text, &default)
            );
        }
    }
}
