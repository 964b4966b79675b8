//! Pictures side by side in one.

use super::canvas::{Align, Canvas};
use super::frame::shortened;
use super::picture::{Picture, Rgb};
use super::style::{INK, LABEL, TITLE};
use crate::error::{Error, Result};
use crate::options::Options;

crate::options! {
    /// Options of pictures side by side.
    pub struct PanelsOptions for "plot::panels" {
        /// what stands above them all
        title: String = String::new(),
        /// pictures in a row; all in one row unless given
        columns: Option<i64> = None,
        /// a text above each picture
        captions: Vec<String> = Vec::new(),
        /// pixels between the pictures
        padding: i64 = 10,
    }
    check |o, owner| {
        if o.columns.is_some_and(|n| n < 1) || !(0..=1000).contains(&o.padding) {
            return Err(Error::argument(format!(
                "{owner}: `columns` must be at least 1, `padding` from 0 to 1000"
            )));
        }
        Ok(())
    }
}

const GROUND: Rgb = [255, 255, 255];
/// The heights of a row of captions and of the title.
const CAPTION: i64 = 28;
const HEAD: i64 = 38;

/// Pictures in rows, each as it is. A column is as wide as its widest picture, a row as high as its
/// highest; narrower ones stand in the middle, lower ones at the top, where titles are in line.
pub fn panels(pictures: &[Picture], options: &PanelsOptions) -> Result<Picture> {
    const WHO: &str = "plot::panels";
    options.check()?;
    let n = pictures.len();
    if n == 0 || options.captions.len() > n {
        return Err(Error::argument(format!(
            "{WHO}: {n} pictures with {} captions",
            options.captions.len()
        ))
        .with_hint("as in plot::panels([left, right], #{ captions: [\"before\", \"after\"] })"));
    }
    let columns = options.columns.map_or(n, |c| (c as usize).min(n));
    let rows = n.div_ceil(columns);
    let place = |i: usize| (i / columns, i % columns);
    let (mut wide, mut high) = (vec![0; columns], vec![0; rows]);
    for (i, picture) in pictures.iter().enumerate() {
        let (row, column) = place(i);
        wide[column] = picture.size().0.max(wide[column]);
        high[row] = picture.size().1.max(high[row]);
    }
    let head = if options.title.is_empty() { 0 } else { HEAD };
    let captions = options.captions.iter().any(|c| !c.is_empty());
    let above = if captions { CAPTION } else { 0 };
    let ends = |sizes: &[i64], more: i64| -> Vec<i64> {
        let mut end = 0i64;
        let step = |size: &i64| {
            let start = end;
            end = end.saturating_add(size + more + options.padding);
            start
        };
        let mut starts: Vec<i64> = sizes.iter().map(step).collect();
        starts.push(end - options.padding);
        starts
    };
    let (left, top) = (ends(&wide, 0), ends(&high, above));
    let (width, height) = (left[columns], top[rows].saturating_add(head));
    let mut whole = Picture::filled(width, height, GROUND)?;
    let text = |text: &str, (width, height): (i64, i64), size: f64, x: f64, align: Align| {
        let mut strip = Canvas::new(width, height)?;
        let text = shortened(text, size, width as f64 - 8.0);
        strip.text(&text, (x, height as f64 / 2.0 + 2.0), size, INK, align)?;
        strip.finish()
    };
    if head > 0 {
        // In line with the titles of charts.
        let strip = text(&options.title, (width, head), TITLE, 14.0, Align::Left)?;
        whole.lay(&strip, 0, 0);
    }
    for (i, picture) in pictures.iter().enumerate() {
        let (row, column) = place(i);
        let (x, y) = (left[column], head + top[row]);
        let w = picture.size().0;
        whole.lay(picture, x + (wide[column] - w) / 2, y + above);
        if let Some(caption) = options.captions.get(i).filter(|c| !c.is_empty()) {
            let middle = wide[column] as f64 / 2.0;
            let size = (wide[column], CAPTION);
            whole.lay(&text(caption, size, LABEL, middle, Align::Center)?, x, y);
        }
    }
    Ok(whole.chart(pictures.iter().all(Picture::is_chart)))
}
