//! A script's values as they are shown.

use rhai::{Array, Dynamic, Engine, FnPtr, Map, Scope};

mod short;

pub use short::register;

use super::TYPES;
use crate::display::{Rich, escaped, of_rich, rows};

/// As many entries of an array are shown richly at most, and so many levels of arrays and maps.
const MOST: usize = 64;
const LEVELS: usize = 3;

/// A table has at most so many rows. A long one is folded, but a page must bear it.
const MOST_ROWS: usize = 1_000;

/// A value in its richest form. Maps are tables, and so are arrays of maps with the same keys; an
/// array that holds something richer than text shows it. What is long is shortened, and says by how
/// much; a text stays whole, as everything does that is printed.
pub fn rich(engine: &Engine, value: &Dynamic) -> Rich {
    let value = value.flatten_clone();
    if value.is_string() {
        return Rich::text(text(engine, &value));
    }
    let rich =
        richer(engine, &value, LEVELS).unwrap_or_else(|| Rich::text(short::text(engine, &value)));
    Rich {
        text: short::lines(rich.text),
        ..rich
    }
}

/// A value that is more than text.
fn richer(engine: &Engine, value: &Dynamic, levels: usize) -> Option<Rich> {
    if let Some(rich) = TYPES.iter().find_map(|t| (t.rich)(value)) {
        return Some(rich).filter(|r| r.png.is_some() || r.gif.is_some() || r.html.is_some());
    }
    let levels = levels.checked_sub(1)?;
    let html = match (value.read_lock::<Array>(), value.read_lock::<Map>()) {
        (Some(array), _) => of_array(engine, &array, levels),
        (_, Some(map)) if !map.is_empty() => {
            let row = |(key, value): (_, &Dynamic)| vec![escaped(key), cell(engine, value, levels)];
            let lines: Vec<_> = map
                .iter()
                .take(MOST_ROWS)
                .map(|(k, v)| row((k.as_str(), v)))
                .collect();
            Some(rows(&lines, false) + note(map.len(), MOST_ROWS).as_str())
        }
        _ => None,
    };
    html.map(|html| Rich {
        html: Some(html),
        ..Rich::text(short::text(engine, value))
    })
}

/// What is said of entries that are not shown.
fn note(all: usize, shown: usize) -> String {
    match all.saturating_sub(shown) {
        0 => String::new(),
        more => format!("<p>… and {more} more</p>"),
    }
}

fn of_array(engine: &Engine, array: &Array, levels: usize) -> Option<String> {
    let maps: Option<Vec<Map>> = array
        .iter()
        .take(MOST_ROWS)
        .map(|v| v.read_lock::<Map>().map(|m| m.clone()))
        .collect();
    if let Some(maps) = maps.filter(|m| m.windows(2).all(|w| w[0].keys().eq(w[1].keys())))
        && let Some(first) = maps.first().filter(|m| !m.is_empty())
    {
        let mut lines = vec![first.keys().map(|k| escaped(k)).collect()];
        lines.extend(maps.iter().map(|m| {
            m.values()
                .map(|v| cell(engine, v, levels))
                .collect::<Vec<_>>()
        }));
        return Some(rows(&lines, true) + note(array.len(), MOST_ROWS).as_str());
    }
    let some = &array[..array.len().min(MOST)];
    let found: Vec<Option<Rich>> = some
        .iter()
        .map(|v| richer(engine, &v.flatten_clone(), levels))
        .collect();
    if found.iter().all(Option::is_none) {
        return None;
    }
    let shown = found.iter().zip(some).map(|(rich, value)| match rich {
        Some(rich) => of_rich(rich),
        None => of_rich(&Rich::text(short::text(engine, value))),
    });
    Some(shown.collect::<String>() + note(array.len(), MOST).as_str())
}

/// A value inside a table.
fn cell(engine: &Engine, value: &Dynamic, levels: usize) -> String {
    match richer(engine, &value.flatten_clone(), levels) {
        Some(rich) => of_rich(&rich),
        None => escaped(&short::text(engine, value)),
    }
}

/// A value as it prints.
pub fn text(engine: &Engine, value: &Dynamic) -> String {
    let mut scope = Scope::new();
    scope.push_dynamic("value", value.clone());
    engine
        .eval_with_scope::<String>(&mut scope, "`${value}`")
        .unwrap_or_else(|_| value.to_string())
}

/// A function as it prints: rhai's names of closures tell nobody anything.
pub fn function(pointer: &FnPtr) -> String {
    if super::handed::is_nameless(pointer) {
        "function".to_owned()
    } else {
        format!("function `{}`", pointer.fn_name())
    }
}
