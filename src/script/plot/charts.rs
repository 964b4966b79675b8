//! Charts of numbers: lines, points, bars, histograms, maps of a table.
//!
//! Where several are drawn, each has a name: a map of name to numbers is drawn in the order of the
//! names, an array of `#{ name, values }` in its own.

use rhai::plugin::*;
use rhai::{Array, ImmutableString, Map};

use super::super::arguments::{object_list, options};
use super::super::edge::Outcome;
use super::super::types::type_name;
use super::series::{fields, named, names, numbers, series, table};
use crate::data::Part;
use crate::error::{Error, Result};
use crate::plot::{
    self, Bars, BarsOptions, Cloud, CurveOptions, HeatmapOptions, HistogramOptions, Line, Picture,
    Sample, ScatterOptions,
};
use crate::tensor::Tensor;
use crate::train::Record;

/// Lines over `x`; errors are a band around them.
fn lines(who: &str, x: Option<&[f64]>, given: &Dynamic) -> Result<Vec<Line>> {
    let all = series(who, given)?.into_iter();
    let line = |s: super::series::Series| {
        let off = |sign: f64| {
            let ends = s.values.iter().zip(&s.errors);
            ends.map(|(v, e)| v + sign * e).collect::<Vec<f64>>()
        };
        let band = (!s.errors.is_empty()).then(|| (off(-1.0), off(1.0)));
        let over = |x: &[f64]| Line::new(&s.name, x.to_vec(), s.values.clone());
        Line {
            band,
            ..x.map_or_else(|| Line::of(&s.name, s.values.clone()), over)
        }
    };
    Ok(all.map(line).collect())
}

/// Points `[n, 2]` with a name.
fn cloud(name: &str, points: &Dynamic) -> Result<Cloud> {
    const WHO: &str = "plot::scatter";
    let Some(t) = points.read_lock::<Tensor>() else {
        return Err(Error::argument(format!(
            "{WHO}: needs points, a tensor [n, 2], got {}",
            type_name(points.type_name())
        ))
        .with_hint("two arrays are drawn by plot::scatter(x, y)"));
    };
    if t.ndim() != 2 || t.shape()[1] != 2 {
        let text = format!("{WHO}: needs points [n, 2], got {:?}", t.shape());
        return Err(Error::shape(text).with_hint("two columns are chosen as in x.narrow(1, 0, 2)"));
    }
    Ok(Cloud {
        name: name.to_owned(),
        x: t.select(1, 0)?.to_vec()?,
        y: t.select(1, 1)?.to_vec()?,
    })
}

/// The points of a part in the plane, a cloud for each class.
fn clouds_of(part: &Part) -> Result<Vec<Cloud>> {
    let all = cloud("", &Dynamic::from(part.x()?))?;
    let labels = part.y.to_ints()?;
    let mut classes = labels.clone();
    classes.sort_unstable();
    classes.dedup();
    let of = |class: &i64| {
        let rows = || (0..labels.len()).filter(|i| labels[*i] == *class);
        Cloud {
            name: match class {
                -1 => "no label".to_owned(),
                k => format!("class {k}"),
            },
            x: rows().map(|i| all.x[i]).collect(),
            y: rows().map(|i| all.y[i]).collect(),
        }
    };
    Ok(classes.iter().map(of).collect())
}

#[export_module(manifest)]
pub mod functions {
    /// Lines over `x`: numbers, or several with names. `ys` is an array or a tensor; a map of name
    /// to numbers, or to `#{ values, errors }` for a band of that half-width; or an array of
    /// `#{ name, values }`, which keeps its order.
    ///
    /// ```rhai
    /// let rates = [1e-4, 1e-3, 1e-2];
    /// let ys = [#{ name: "JEM", values: [0.91, 0.95, 0.88], errors: [0.01, 0.01, 0.03] }, #{ name: "classifier", values: [0.9, 0.94, 0.93] }];
    /// save_image("rates.png", plot::line(rates, ys, #{ log_x: true, markers: true, x_label: "learning rate", y_label: "accuracy" }));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn line(ctx: NativeCallContext, x: Dynamic, ys: Dynamic, options: Map) -> Outcome<Picture> {
        let o: CurveOptions = super::options(&ctx, &options)?;
        let x = numbers("plot::line", &x)?;
        Ok(plot::line(&lines("plot::line", Some(&x), &ys)?, &o)?)
    }

    /// Quantities of a training over its iterations.
    ///
    /// ```rhai
    /// let record = train(data::digits(), #{ iterations: 5 }, |batch| #{ level: batch.x.mean() });
    /// save_image("level.png", plot::curves(record, ["level"]));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn curves(
        ctx: NativeCallContext,
        record: Record,
        names: Array,
        options: Map,
    ) -> Outcome<Picture> {
        let mut o: CurveOptions = super::options(&ctx, &options)?;
        if o.x_label.is_empty() {
            o.x_label = "iteration".to_owned();
        }
        let line = |name: &Dynamic| {
            let column = record.column(&name.to_string())?;
            Ok(Line::new(
                &column.name,
                column.iterations.iter().map(|i| *i as f64).collect(),
                column.values,
            ))
        };
        let lines: Vec<Line> = names.iter().map(line).collect::<Result<_>>()?;
        Ok(plot::curve(&lines, &o)?)
    }

    /// Named lines over 0, 1, 2, …: a map of name to numbers (an array or a tensor), or an array of
    /// `#{ name, values }`, which keeps its order.
    ///
    /// ```rhai
    /// save_image("squares.png", plot::curves(#{ squares: [0, 1, 4, 9], cubes: [0, 1, 8, 27] }, #{ title: "powers" }));
    /// ```
    #[rhai_fn(return_raw, name = "curves")]
    pub fn curves_of_map(ctx: NativeCallContext, lines: Dynamic, options: Map) -> Outcome<Picture> {
        let o: CurveOptions = super::options(&ctx, &options)?;
        Ok(plot::curve(
            &super::lines("plot::curves", None, &lines)?,
            &o,
        )?)
    }

    /// Points as dots: `x` to the right, `y` upwards, each an array or a tensor of numbers.
    ///
    /// ```rhai
    /// let x = tensor::randn([200]);
    /// save_image("line.png", plot::scatter(x, 2 * x + tensor::randn([200]), #{ x_label: "x", y_label: "2x + noise" }));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn scatter(
        ctx: NativeCallContext,
        x: Dynamic,
        y: Dynamic,
        options: Map,
    ) -> Outcome<Picture> {
        let o: ScatterOptions = super::options(&ctx, &options)?;
        let cloud = Cloud {
            name: String::new(),
            x: numbers("plot::scatter", &x)?,
            y: numbers("plot::scatter", &y)?,
        };
        Ok(plot::scatter(&[cloud], &o)?)
    }

    /// Points `[n, 2]` as dots: a tensor; a map of name to tensor, or an array of
    /// `#{ name, values }`, each with a colour; or a part of a data set in the plane, coloured by
    /// class.
    ///
    /// ```rhai
    /// save_image("moons.png", plot::scatter(data::toy("moons").train));
    /// save_image("two.png", plot::scatter(#{ near: tensor::randn([50, 2]), far: 3 * tensor::randn([50, 2]) }));
    /// ```
    #[rhai_fn(return_raw, name = "scatter")]
    pub fn scatter_of_points(
        ctx: NativeCallContext,
        points: Dynamic,
        options: Map,
    ) -> Outcome<Picture> {
        let o: ScatterOptions = super::options(&ctx, &options)?;
        if let Some(part) = points.read_lock::<Part>() {
            return Ok(plot::scatter(&clouds_of(&part)?, &o)?);
        }
        let one = |(name, given): (String, Dynamic)| {
            super::cloud(&name, &fields("plot::scatter", &name, &given)?.0)
        };
        let clouds = named("plot::scatter", &points)?.into_iter().map(one);
        Ok(plot::scatter(&clouds.collect::<Result<Vec<_>>>()?, &o)?)
    }

    /// Numbers side by side: for each case a group of bars, one for each method. `methods` is a map
    /// of name to numbers, one for each case: an array, a tensor, or `#{ values, errors }` with
    /// half the length of the error bars; or an array of `#{ name, values, errors }`, which keeps
    /// its order.
    ///
    /// ```rhai
    /// let methods = #{ "cross-entropy": [0.99, 0.2], "JEM": #{ values: [0.99, 0.7], errors: [0.004, 0.05] } };
    /// save_image("robust.png", plot::bars(["clean", "attacked"], methods, #{ x_label: "accuracy" }));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn bars(
        ctx: NativeCallContext,
        cases: Array,
        methods: Dynamic,
        options: Map,
    ) -> Outcome<Picture> {
        let o: BarsOptions = super::options(&ctx, &options)?;
        let cases = object_list::<ImmutableString>("plot::bars", "texts", &cases)?;
        let cases: Vec<String> = cases.iter().map(ToString::to_string).collect();
        let methods: Vec<Bars> = series("plot::bars", &methods)?
            .into_iter()
            .map(|s| Bars {
                name: s.name,
                values: s.values,
                errors: s.errors,
            })
            .collect();
        Ok(plot::bars(&cases, &methods, &o)?)
    }

    /// A table of numbers as a map of colours, such as a sweep over two parameters gave: `x` names
    /// the columns and `y` the rows (numbers or texts), `values` is a tensor `[rows, columns]` or an
    /// array of rows. The first row is at the top.
    ///
    /// ```rhai
    /// let rates = [1e-4, 1e-3, 1e-2];
    /// let steps = [10, 20];
    /// let accuracy = [[0.71, 0.83, 0.64], [0.75, 0.88, 0.59]];
    /// save_image("sweep.png", plot::heatmap(rates, steps, accuracy, #{ x_label: "lr", y_label: "steps", label: "accuracy" }));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn heatmap(
        ctx: NativeCallContext,
        x: Dynamic,
        y: Dynamic,
        values: Dynamic,
        options: Map,
    ) -> Outcome<Picture> {
        let o: HeatmapOptions = super::options(&ctx, &options)?;
        let (x, y) = (names(&x)?, names(&y)?);
        let values = table(&values, (y.len(), x.len()))?;
        Ok(plot::heatmap(&x, &y, &values, &o)?)
    }

    /// Histograms over shared bins: numbers (an array or a tensor), a map of name to numbers, or an
    /// array of `#{ name, values }`, which keeps its order. Each has the area 1.
    ///
    /// ```rhai
    /// let picture = plot::histogram(#{ normal: tensor::randn([500]), uniform: tensor::rand([500]) }, #{ bins: 30 });
    /// save_image("histogram.png", picture);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn histogram(ctx: NativeCallContext, samples: Dynamic, options: Map) -> Outcome<Picture> {
        let o: HistogramOptions = super::options(&ctx, &options)?;
        let samples: Vec<Sample> = series("plot::histogram", &samples)?
            .into_iter()
            .map(|s| Sample::new(&s.name, s.values))
            .collect();
        Ok(plot::histogram(&samples, &o)?)
    }
}
