//! Texts, tables and JSON, read and written. `access` says which files.

use rhai::plugin::*;
use rhai::{Array, Map};

use super::arguments::{object_list, options};
use super::edge::Outcome;
use super::host::Host;
use super::types::type_name;
use super::value::to_dynamic;
use crate::error::{Error, Result};
use crate::formats::{self, Table, TableOptions};
use crate::tensor::{Kind, Tensor};

crate::options! {
    /// Options of `save_csv`.
    pub struct SaveCsvOptions for "save_csv" {
        /// the columns that are written, in this order; () for all, in the order of their names
        columns: Option<Vec<String>> = None,
    }
}

/// A column of a table as an array: numbers where every value is one or nothing, else texts.
fn column(table: &Table, at: usize) -> Dynamic {
    let all = |read: fn(&str) -> Option<Dynamic>| {
        let one = |text: &str| {
            if text.is_empty() {
                Some(Dynamic::UNIT)
            } else {
                read(text)
            }
        };
        let found: Option<Array> = table.texts(at).map(one).collect();
        // A column of nothing is one of texts.
        found.filter(|all| table.is_empty() || !all.iter().all(Dynamic::is_unit))
    };
    let whole = || all(|text| text.parse().ok().map(Dynamic::from_int));
    let numbers = || all(|text| text.parse().ok().map(Dynamic::from_float));
    let texts = || {
        table
            .texts(at)
            .map(|t| Dynamic::from(t.to_owned()))
            .collect()
    };
    Dynamic::from_array(whole().or_else(numbers).unwrap_or_else(texts))
}

/// A value as it stands in a table.
fn cell(value: &Dynamic) -> Result<String> {
    let value = value.flatten_clone();
    if value.is_unit() {
        return Ok(String::new());
    }
    if let Ok(x) = value.as_float() {
        return Ok(x.to_string());
    }
    if let Some(t) = value.read_lock::<Tensor>() {
        return match t.numel() {
            1 => Ok(of_tensor(&t)?.remove(0)),
            _ => Err(Error::shape(format!(
                "a tensor {:?} is no single value",
                t.shape()
            ))),
        };
    }
    if value.is_int() || value.is_bool() || value.is_string() || value.is_char() {
        return Ok(value.to_string());
    }
    let kind = type_name(value.type_name());
    Err(Error::argument(format!("a table holds no {kind}")))
}

/// The numbers of a tensor, each with as many digits as its type has.
fn of_tensor(t: &Tensor) -> Result<Vec<String>> {
    let text = |v: &f64| match t.kind() {
        Kind::Float | Kind::Half | Kind::BFloat16 => (*v as f32).to_string(),
        Kind::Bool => (*v != 0.0).to_string(),
        _ => v.to_string(),
    };
    if matches!(t.kind(), Kind::Int64 | Kind::Int) {
        return Ok(t.to_ints()?.iter().map(i64::to_string).collect());
    }
    Ok(t.to_vec()?.iter().map(text).collect())
}

/// A column that was given as an array or a tensor.
fn cells(name: &str, given: &Dynamic) -> Result<Vec<String>> {
    let given = given.flatten_clone();
    if let Some(t) = given.read_lock::<Tensor>() {
        if t.ndim() != 1 {
            return Err(Error::shape(format!(
                "save_csv: the column `{name}` is a tensor {:?}",
                t.shape()
            ))
            .with_hint("a column is an array, or a tensor of one dimension"));
        }
        return of_tensor(&t);
    }
    let Some(array) = given.read_lock::<Array>() else {
        return Err(Error::argument(format!(
            "save_csv: the column `{name}` must be an array or a tensor, got {}",
            type_name(given.type_name())
        )));
    };
    let one = |(row, value)| {
        cell(value).map_err(|e| e.context(format!("save_csv: row {row}, column `{name}`")))
    };
    array.iter().enumerate().map(one).collect()
}

/// The chosen columns, each of which must be there.
fn chosen(o: &SaveCsvOptions, known: Vec<String>) -> Result<Vec<String>> {
    let Some(wanted) = &o.columns else {
        return Ok(known);
    };
    match wanted.iter().find(|name| !known.contains(name)) {
        Some(wrong) => Err(Error::unknown(
            &format!("save_csv: there is no column `{wrong}`"),
            wrong,
            known.iter().map(String::as_str),
        )),
        None => Ok(wanted.clone()),
    }
}

/// Writes a table, with the ending that says how.
fn write(
    ctx: &NativeCallContext,
    name: &str,
    names: &[String],
    rows: &[Vec<String>],
) -> Result<()> {
    let ending = std::path::Path::new(name).extension();
    let name = match ending
        .map(|e| e.to_string_lossy().to_lowercase())
        .as_deref()
    {
        None => format!("{name}.csv"),
        Some("csv" | "tsv") => name.to_owned(),
        Some(other) => {
            return Err(Error::argument(format!(
                "save_csv: writes .csv and .tsv files, not .{other}"
            )));
        }
    };
    let bytes = formats::write_csv(&name, names, rows)?;
    Host::of(ctx).access().write("save_csv", &name, &bytes)
}

#[export_module(manifest)]
pub mod functions {
    /// The text in a file, in UTF-8. Files are looked for in the run folder, beside the script and
    /// in the data folders.
    ///
    /// ```rhai
    /// save_text("notes.txt", "first\nsecond");
    /// print(read_text("notes.txt").split("\n").len());        //= 2
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn read_text(ctx: NativeCallContext, path: &str) -> Outcome<String> {
        let file = Host::of(&ctx).access().readable("read_text", path)?;
        Ok(formats::read_text(&file)?)
    }

    /// What a JSON file holds: maps, arrays, numbers, texts, bools; `()` for null. Of a .jsonl file,
    /// such as a run's metrics, an array with the value of each line.
    ///
    /// ```rhai
    /// save_text("settings.json", `{ "steps": [20, 40], "name": "short", "seed": null }`);
    /// let settings = read_json("settings.json");
    /// print(settings.steps[1]);            //= 40
    /// print(settings.seed == ());          //= true
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn read_json(ctx: NativeCallContext, path: &str) -> Outcome<Dynamic> {
        let file = Host::of(&ctx).access().readable("read_json", path)?;
        Ok(to_dynamic(&formats::read_json(&file)?))
    }

    /// A table of text, .csv or .tsv, as a map of column name to array: numbers, with `()` where
    /// there is nothing, or texts. `tensor::of` makes a tensor of a column of numbers.
    ///
    /// ```rhai
    /// save_text("runs.csv", "lr,accuracy,note\n0.001,0.91,\n0.01,0.95,\"best, so far\"\n");
    /// let runs = read_csv("runs.csv");
    /// print(runs.lr);                      //= [0.001, 0.01]
    /// print(runs.note[1]);                 //= best, so far
    /// print(tensor::of(runs.accuracy).max());       //= 0.95
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn read_csv(ctx: NativeCallContext, path: &str, options: Map) -> Outcome<Map> {
        let o: TableOptions = super::options(&ctx, &options)?;
        let file = Host::of(&ctx).access().readable("read_csv", path)?;
        let table = formats::read_csv(&file, &o)?;
        let names = table.names().iter().enumerate();
        Ok(names
            .map(|(at, name)| (name.into(), super::column(&table, at)))
            .collect())
    }

    /// Writes columns of equal length, arrays or tensors by name, as a table into the run folder:
    /// .csv, or with tabs .tsv.
    ///
    /// ```rhai
    /// save_csv("curve.csv", #{ step: [1, 2, 3], loss: tensor::of([0.5, 0.25, 0.125]) }, #{ columns: ["step", "loss"] });
    /// print(read_text("curve.csv"));
    /// //= step,loss
    /// //= 1,0.5
    /// //= 2,0.25
    /// //= 3,0.125
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn save_csv(ctx: NativeCallContext, name: &str, columns: Map, options: Map) -> Outcome<()> {
        let o: SaveCsvOptions = super::options(&ctx, &options)?;
        let names = chosen(&o, columns.keys().map(ToString::to_string).collect())?;
        let all: Vec<Vec<String>> = names
            .iter()
            .map(|name| cells(name, &columns[name.as_str()]))
            .collect::<Result<_>>()?;
        let lengths: Vec<usize> = all.iter().map(Vec::len).collect();
        let n = lengths.first().copied().unwrap_or(0);
        if let Some(odd) = lengths.iter().position(|length| *length != n) {
            let text = format!(
                "save_csv: the column `{}` has {n} values, `{}` has {}",
                names[0], names[odd], lengths[odd]
            );
            return Err(Error::shape(text).into());
        }
        let rows: Vec<Vec<String>> = (0..n)
            .map(|i| all.iter().map(|column| column[i].clone()).collect())
            .collect();
        Ok(write(&ctx, name, &names, &rows)?)
    }

    /// The same with an array of rows, each a map of column name to value; what a row lacks stays
    /// empty.
    ///
    /// ```rhai
    /// save_csv("seeds.csv", [#{ seed: 0, accuracy: 0.91 }, #{ seed: 1 }]);
    /// print(read_csv("seeds.csv").accuracy);        //= [0.91, ()]
    /// ```
    #[rhai_fn(global, return_raw, name = "save_csv")]
    pub fn save_csv_of_rows(
        ctx: NativeCallContext,
        name: &str,
        rows: Array,
        options: Map,
    ) -> Outcome<()> {
        let o: SaveCsvOptions = super::options(&ctx, &options)?;
        let rows = object_list::<Map>("save_csv", "maps", &rows)?;
        let known: std::collections::BTreeSet<String> = rows
            .iter()
            .flat_map(|row| row.keys().map(ToString::to_string))
            .collect();
        let names = chosen(&o, known.into_iter().collect())?;
        let one = |(i, row): (usize, &Map)| -> Result<Vec<String>> {
            let value = |name: &String| {
                let found = row.get(name.as_str()).map_or(Ok(String::new()), cell);
                found.map_err(|e| e.context(format!("save_csv: row {i}, column `{name}`")))
            };
            names.iter().map(value).collect()
        };
        let cells: Vec<Vec<String>> = rows.iter().enumerate().map(one).collect::<Result<_>>()?;
        Ok(write(&ctx, name, &names, &cells)?)
    }
}
