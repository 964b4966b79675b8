//! What a chart is given: numbers, or several lots of them with names.

use rhai::{Array, Dynamic, Map};

use super::super::arguments::float_list;
use super::super::types::type_name;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Named numbers, and how far off each may be; no errors where none are given.
pub struct Series {
    pub name: String,
    pub values: Vec<f64>,
    pub errors: Vec<f64>,
}

/// A tensor or an array of numbers, as numbers.
pub fn numbers(who: &str, given: &Dynamic) -> Result<Vec<f64>> {
    let given = given.flatten_clone();
    if let Some(tensor) = given.read_lock::<Tensor>() {
        return tensor.to_vec();
    }
    match given.read_lock::<Array>() {
        Some(array) => float_list(who, &array),
        None => Err(Error::argument(format!(
            "{who}: needs numbers, an array or a tensor of them, got {}",
            type_name(given.type_name())
        ))),
    }
}

/// What a chart is given, name by name: a map, in the order of its names; an array of maps
/// `#{ name, … }`, in its own order; anything else has no name.
pub fn named(who: &str, given: &Dynamic) -> Result<Vec<(String, Dynamic)>> {
    let given = given.flatten_clone();
    if let Some(map) = given.read_lock::<Map>() {
        return Ok(map
            .iter()
            .map(|(k, v)| (k.to_string(), v.clone()))
            .collect());
    }
    let maps: Option<Vec<Map>> = given.read_lock::<Array>().and_then(|array| {
        array
            .iter()
            .map(|entry| entry.flatten_clone().try_cast::<Map>())
            .collect()
    });
    let Some(maps) = maps.filter(|maps| !maps.is_empty()) else {
        return Ok(vec![(String::new(), given)]);
    };
    let one = |mut map: Map| {
        let name = map.remove("name").and_then(|n| n.into_string().ok());
        let name = name.ok_or_else(|| {
            Error::argument(format!("{who}: a map in the array has no `name`"))
                .with_hint("as in [#{ name: \"JEM\", values: [0.9, 0.8] }]")
        })?;
        Ok((name, Dynamic::from_map(map)))
    };
    maps.into_iter().map(one).collect()
}

/// The entry's `values`, and its `errors` if it has some. What is no map is the values themselves.
pub fn fields(who: &str, name: &str, given: &Dynamic) -> Result<(Dynamic, Option<Dynamic>)> {
    let Some(map) = given.read_lock::<Map>() else {
        return Ok((given.clone(), None));
    };
    const FIELDS: [&str; 2] = ["values", "errors"];
    if let Some(wrong) = map.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        let text = format!("{who}: `{name}` has no `{wrong}`");
        return Err(Error::unknown(&text, wrong, FIELDS));
    }
    let values = map
        .get("values")
        .ok_or_else(|| Error::argument(format!("{who}: `{name}` has no `values`")))?;
    Ok((values.clone(), map.get("errors").cloned()))
}

/// All that a chart is given, as numbers.
pub fn series(who: &str, given: &Dynamic) -> Result<Vec<Series>> {
    let one = |(name, given): (String, Dynamic)| {
        let (values, errors) = fields(who, &name, &given)?;
        let values = numbers(who, &values)?;
        let errors = errors.map(|e| numbers(who, &e)).transpose()?;
        let errors = errors.unwrap_or_default();
        if !errors.is_empty() && errors.len() != values.len() {
            return Err(Error::shape(format!(
                "{who}: `{name}` has {} values and {} errors",
                values.len(),
                errors.len()
            )));
        }
        Ok(Series {
            name,
            values,
            errors,
        })
    };
    named(who, given)?.into_iter().map(one).collect()
}

/// The names of columns or rows: texts, or numbers, all written in one way.
pub fn names(given: &Dynamic) -> Result<Vec<String>> {
    let text = |d: &Dynamic| d.clone().into_string().ok();
    let list = given.read_lock::<Array>();
    if let Some(texts) = list.and_then(|array| array.iter().map(text).collect()) {
        return Ok(texts);
    }
    let all = numbers("plot::heatmap", given)?;
    let plain = |v: &f64| *v == 0.0 || (1e-3..1e6).contains(&v.abs());
    let plain = all.iter().all(plain);
    // What was float32 has the digits of one.
    let single = |v: f64| f64::from(v as f32) == v;
    let written = |v: &f64| match (plain || *v == 0.0, single(*v)) {
        (true, true) => (*v as f32).to_string(),
        (true, false) => v.to_string(),
        (false, true) => format!("{:e}", *v as f32),
        (false, false) => format!("{v:e}"),
    };
    Ok(all.iter().map(written).collect())
}

/// A table of numbers, row by row: a tensor `[rows, columns]`, or an array of rows.
pub fn table(given: &Dynamic, (rows, columns): (usize, usize)) -> Result<Vec<f64>> {
    const WHO: &str = "plot::heatmap";
    let wrong = |found: String| {
        let text = format!("{WHO}: needs {rows} rows of {columns} numbers, got {found}");
        Error::shape(text).with_hint("`x` names the columns, `y` the rows")
    };
    if let Some(t) = given.read_lock::<Tensor>() {
        if t.shape() != [rows as i64, columns as i64] {
            return Err(wrong(format!("{:?}", t.shape())));
        }
        return t.to_vec();
    }
    let Some(array) = given.read_lock::<Array>() else {
        return Err(wrong(type_name(given.type_name()).to_string()));
    };
    let found: Vec<Vec<f64>> = array
        .iter()
        .map(|row| numbers(WHO, row))
        .collect::<Result<_>>()?;
    match found.iter().find(|row| row.len() != columns) {
        Some(odd) => Err(wrong(format!("a row of {}", odd.len()))),
        None if found.len() != rows => Err(wrong(format!("{} rows", found.len()))),
        None => Ok(found.concat()),
    }
}
