//! Named numbers side by side: one group of bars for each case, one bar for each method.

use super::axis::{Axis, brief};
use super::canvas::{Align, Area, text_width};
use super::frame::{Entry, Mark, sheet, sheet_height, shortened};
use super::picture::Picture;
use super::style::{FAINT, INK, LABEL, SMALL, SOFT, color};
use crate::error::{Error, Result};
use crate::options::Options;

/// The numbers of one method, one for each case.
#[derive(Clone, Debug, Default)]
pub struct Bars {
    /// What the legend calls it.
    pub name: String,
    /// One number for each case; one that is not finite has no bar, and its text says so.
    pub values: Vec<f64>,
    /// Half the length of an error bar for each case (a standard deviation); may be empty. One that
    /// is not finite has no bar, and its text says so.
    pub errors: Vec<f64>,
}

crate::options! {
    /// Options of a bar chart.
    pub struct BarsOptions for "plot::bars" {
        /// what stands above
        title: String = String::new(),
        /// what the numbers are
        x_label: String = String::new(),
        /// ends of the axis; from 0 to the largest number unless given
        range: Option<(f64, f64)> = None,
        /// width in pixels
        width: i64 = 900,
    }
}

/// The height of one bar, and the room between groups.
const BAR: f64 = 17.0;
const BETWEEN: f64 = 16.0;

/// Horizontal bars in groups: `cases` names the groups from top to bottom.
pub fn bars(cases: &[String], methods: &[Bars], options: &BarsOptions) -> Result<Picture> {
    const WHO: &str = "plot::bars";
    options.check()?;
    if cases.is_empty() || methods.is_empty() || cases.len() > 500 || methods.len() > 50 {
        let (c, m) = (cases.len(), methods.len());
        return Err(Error::argument(format!(
            "{WHO}: cannot draw {c} cases of {m} methods"
        )));
    }
    for m in methods {
        if m.values.len() != cases.len() || !(m.errors.is_empty() || m.errors.len() == cases.len())
        {
            return Err(Error::shape(format!(
                "{WHO}: `{}` has {} values and {} errors for {} cases",
                m.name,
                m.values.len(),
                m.errors.len(),
                cases.len()
            )));
        }
        if let Some(e) = m.errors.iter().find(|e| **e < 0.0) {
            return Err(Error::argument(format!(
                "{WHO}: `{}` has the error {e}: half the length of a bar is not negative",
                m.name
            )));
        }
    }
    let error = |m: &Bars, i: usize| {
        m.errors
            .get(i)
            .copied()
            .filter(|e| *e > 0.0 && e.is_finite())
    };
    let ends = || {
        methods.iter().flat_map(|m| {
            m.values.iter().enumerate().flat_map(move |(i, v)| {
                let e = error(m, i).unwrap_or(0.0);
                [v - e, v + e]
            })
        })
    };
    let mut axis = Axis::over(
        WHO,
        ends().chain([0.0]),
        options.range,
        false,
        &options.x_label,
    )?;
    if options.range.is_none() {
        // Bars grow from 0, without a gap before it where nothing lies there.
        let mut finite = ends().filter(|v| v.is_finite());
        if axis.high > 0.0 && finite.all(|v| v >= 0.0) {
            axis.low = 0.0;
        }
        let mut finite = ends().filter(|v| v.is_finite());
        if axis.low < 0.0 && finite.all(|v| v <= 0.0) {
            axis.high = 0.0;
        }
    }
    let legend: Vec<Entry> = (methods.iter().enumerate())
        .filter(|(_, m)| !m.name.is_empty())
        .map(|(i, m)| Entry {
            name: m.name.clone(),
            color: color(i),
            mark: Mark::Box(1.0),
        })
        .collect();
    let group = BAR * methods.len() as f64 + BETWEEN;
    let below = if axis.label.is_empty() { 26.0 } else { 48.0 };
    let chart = (group * cases.len() as f64 + 4.0 + below).max(80.0);
    let size = (
        options.width,
        sheet_height(options.width, &options.title, &legend, chart),
    );
    let (mut canvas, room) = sheet(WHO, size, &options.title, &legend, "")?;
    let widest = cases
        .iter()
        .map(|c| text_width(&shortened(c, LABEL, room.width() * 0.4), LABEL))
        .fold(0.0, f64::max);
    let area = Area {
        left: room.left + widest + 12.0,
        top: room.top + 4.0,
        right: room.right - 52.0,
        bottom: room.top + 4.0 + group * cases.len() as f64,
    };
    if area.width() < 60.0 {
        return Err(Error::argument(format!(
            "{WHO}: a width of {} leaves no room for bars",
            options.width
        )));
    }
    let at = |v: f64| area.left + axis.place(v).clamp(0.0, 1.0) * area.width();
    for (value, text) in axis.ticks((area.width() / 90.0).clamp(2.0, 8.0) as usize) {
        canvas.line(
            &[(at(value), area.top), (at(value), area.bottom)],
            1.0,
            FAINT,
            None,
        )?;
        canvas.text(
            &text,
            (at(value), area.bottom + 14.0),
            SMALL,
            SOFT,
            Align::Center,
        )?;
    }
    let zero = at(0.0f64.clamp(axis.low, axis.high));
    let whole = methods
        .iter()
        .flat_map(|m| &m.values)
        .all(|v| !v.is_finite() || v.fract() == 0.0);
    for (i, case) in cases.iter().enumerate() {
        let top = area.top + group * i as f64 + BETWEEN / 2.0;
        let middle = top + BAR * methods.len() as f64 / 2.0;
        let name = shortened(case, LABEL, room.width() * 0.4);
        canvas.text(&name, (area.left - 10.0, middle), LABEL, INK, Align::Right)?;
        for (k, method) in methods.iter().enumerate() {
            let value = method.values[i];
            let y = top + BAR * k as f64;
            let end = if value.is_finite() { at(value) } else { zero };
            let bar = Area {
                left: zero.min(end),
                top: y + 1.0,
                right: zero.max(end),
                bottom: y + BAR - 1.0,
            };
            canvas.rectangle(bar, color(k), 1.0)?;
            let mut text_from = end.max(zero);
            if let Some(e) = error(method, i).filter(|_| value.is_finite()) {
                let (low, high, y) = (at(value - e), at(value + e), y + BAR / 2.0);
                canvas.line(&[(low, y), (high, y)], 1.3, INK, None)?;
                // A bar that goes on beyond the axis has no end there.
                let ends = [(value - e, low), (value + e, high)];
                for (_, x) in ends.into_iter().filter(|(v, _)| axis.holds(*v)) {
                    canvas.line(&[(x, y - 3.5), (x, y + 3.5)], 1.3, INK, None)?;
                }
                text_from = text_from.max(high);
            }
            let mut text = brief(value, whole);
            if let Some(e) = method.errors.get(i).filter(|e| !e.is_finite()) {
                text += &format!(" ± {}", brief(*e, whole));
            }
            let behind = Area {
                left: text_from + 4.0,
                right: text_from + 8.0 + text_width(&text, SMALL - 1.0),
                top: y + 2.0,
                bottom: y + BAR - 2.0,
            };
            canvas.rectangle(behind, [255; 3], 1.0)?;
            canvas.text(
                &text,
                (text_from + 6.0, y + BAR / 2.0),
                SMALL - 1.0,
                SOFT,
                Align::Left,
            )?;
        }
    }
    canvas.line(&[(zero, area.top), (zero, area.bottom)], 1.2, SOFT, None)?;
    let label = shortened(&axis.label, LABEL, area.width());
    canvas.text(
        &label,
        ((area.left + area.right) / 2.0, area.bottom + 38.0),
        LABEL,
        INK,
        Align::Center,
    )?;
    canvas.finish()
}
