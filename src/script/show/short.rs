//! Arrays and maps of hundreds of entries as short text: the first entries, how many are left out,
//! and, of an array, the last ones.

use rhai::{Array, Dynamic, Engine, Map};

/// An array or a map of more entries is shortened; one inside another sooner.
const LONG: usize = 100;
const LONG_INSIDE: usize = 24;

/// So many entries are shown then: from the start, and from an array's end.
const FIRST: usize = 20;
const LAST: usize = 3;

/// Deeper than this, values are left as they are.
const LEVELS: usize = 32;

/// A value of more lines is shortened to the first `SEEN`.
const MOST_LINES: usize = 60;
const SEEN: usize = 40;

/// Stands for the entries that are left out; it never leaves this file.
#[derive(Clone)]
struct Left(String);

/// Lets the engine print the stand-in.
pub fn register(engine: &mut Engine) {
    engine.register_fn("to_string", |left: &mut Left| left.0.clone());
    engine.register_fn("to_debug", |left: &mut Left| left.0.clone());
}

/// A value as it is shown.
pub fn text(engine: &Engine, value: &Dynamic) -> String {
    super::text(engine, &shortened(value, 0))
}

fn shortened(value: &Dynamic, level: usize) -> Dynamic {
    let long = if level == 0 { LONG } else { LONG_INSIDE };
    if level == LEVELS {
        return value.clone();
    }
    let inner = |v: &Dynamic| shortened(v, level + 1);
    if let Some(array) = value.read_lock::<Array>() {
        let n = array.len();
        if n <= long {
            return array.iter().map(inner).collect::<Array>().into();
        }
        let left = Left(format!("… {} more …", n - FIRST - LAST));
        let mut some: Array = array[..FIRST].iter().map(inner).collect();
        some.push(Dynamic::from(left));
        some.extend(array[n - LAST..].iter().map(inner));
        return some.into();
    }
    if let Some(map) = value.read_lock::<Map>() {
        let n = map.len();
        let seen = if n > long { FIRST } else { n };
        let mut some: Map = map
            .iter()
            .take(seen)
            .map(|(k, v)| (k.clone(), inner(v)))
            .collect();
        if n > seen {
            // Behind the others, wherever keys are of usual letters: they are sorted.
            let left = Left(format!("{} more", n - seen));
            some.insert("…".into(), Dynamic::from(left));
        }
        return some.into();
    }
    value.clone()
}

/// A text of many lines, without the most of them.
pub fn lines(text: String) -> String {
    let all = text.lines().count();
    if all <= MOST_LINES {
        return text;
    }
    let seen: Vec<&str> = text.lines().take(SEEN).collect();
    format!(
        "{}\n… and {} more lines; print(…) shows all",
        seen.join("\n"),
        all - SEEN
    )
}
