//! Values in a Rust notebook: evcxr takes what stands between two marks on the standard output, and
//! shows it below the cell.
//!
//! Of each MIME type it keeps what was marked last in a cell. So what a cell shows is gathered
//! here, and marked again as a whole with each further value.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Rich;
use super::rich::of_rich;

struct Shown {
    cell: u64,
    values: Vec<(String, Rich)>,
}

static SHOWN: Mutex<Shown> = Mutex::new(Shown {
    cell: 0,
    values: Vec::new(),
});

/// Shows a value below the cell that runs, after what it has shown so far.
pub fn show(value: &Rich) {
    show_in("", value);
}

/// Shows a value in a named slot: it takes the place of what the cell has shown there.
pub fn show_in(slot: &str, value: &Rich) {
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let now = cell();
    if shown.cell != now {
        *shown = Shown {
            cell: now,
            values: Vec::new(),
        };
    }
    match shown
        .values
        .iter_mut()
        .find(|(s, _)| !slot.is_empty() && s == slot)
    {
        Some(older) => older.1 = value.clone(),
        None => shown.values.push((slot.to_owned(), value.clone())),
    }
    let values: Vec<&Rich> = shown.values.iter().map(|(_, v)| v).collect();
    let mut out = std::io::stdout().lock();
    // Nobody reads any more: that is no reason to end a cell.
    let _ = out
        .write_all(marked(&contents(&values)).as_bytes())
        .and_then(|()| out.flush());
}

/// Which cell runs: evcxr loads a library for each, `…/libcode_7.so`. 0 outside of notebooks.
pub fn cell() -> u64 {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let number = |line: &str| {
        line.rsplit_once("/libcode_")?
            .1
            .split('.')
            .next()?
            .parse()
            .ok()
    };
    maps.lines().filter_map(number).max().unwrap_or(0)
}

/// What is shown, by MIME type.
fn contents(values: &[&Rich]) -> Vec<(&'static str, String)> {
    let text = values
        .iter()
        .map(|v| v.text.as_str())
        .collect::<Vec<_>>()
        .join("\n");
    let mut found = vec![("text/plain", text)];
    match values {
        [
            Rich {
                png: Some(png),
                chart: false,
                ..
            },
        ] => found.push(("image/png", STANDARD.encode(png))),
        // More than text, or more than one picture: only HTML holds them all.
        _ if values
            .iter()
            .any(|v| v.png.is_some() || v.gif.is_some() || v.html.is_some()) =>
        {
            found.push(("text/html", values.iter().map(|v| of_rich(v)).collect()));
        }
        _ => {}
    }
    found
}

fn marked(contents: &[(&'static str, String)]) -> String {
    let one = |(mime, body): &(&str, String)| {
        format!("EVCXR_BEGIN_CONTENT {mime}\n{body}\nEVCXR_END_CONTENT\n")
    };
    contents.iter().map(one).collect()
}

/// evcxr calls a method of this name on the last value of a cell.
macro_rules! displayed {
    ($($ty:ty),* $(,)?) => { $(
        impl $ty {
            /// Shows the value below the cell of a Rust notebook that runs; a cell whose last value
            /// it is does so by itself.
            pub fn evcxr_display(&self) {
                show(&Rich::from(self));
            }
        }
    )* };
}

displayed! {
    crate::plot::Picture, crate::plot::Animation, crate::nn::Network, crate::energy::Energy, crate::tensor::Tensor,
    crate::data::Dataset, crate::data::Part, crate::data::Batch, crate::data::Batches, crate::data::Augment,
    crate::optim::Optimizer, crate::params::Parameters, crate::optim::Ema, crate::sampler::Sampler, crate::sampler::Replay, crate::sampler::ChainRun,
    crate::loss::Loss, crate::train::Record, crate::evaluate::Accuracy, crate::evaluate::CalibrationReport,
    crate::evaluate::Scores, crate::evaluate::OodReport, crate::evaluate::Robustness, crate::evaluate::JemK,
    crate::evaluate::Distal, crate::evaluate::Transfer, crate::evaluate::LogZ, crate::evaluate::Refinement,
    crate::evaluate::PixelGaussian, crate::evaluate::FeatureNet, crate::evaluate::SampleReport, crate::evaluate::Report,
    crate::evaluate::Pool,
}

impl Rich {
    /// Shows the value below the cell of a Rust notebook that runs.
    pub fn evcxr_display(&self) {
        show(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_picture_is_an_image_and_several_values_are_a_page() {
        let picture = Rich {
            png: Some(b"\x89PNG".to_vec()),
            ..Rich::text("a picture")
        };
        let text = Rich::text("1 < 2");
        assert_eq!(contents(&[&text]), [("text/plain", "1 < 2".to_owned())]);
        assert_eq!(
            contents(&[&picture])[1],
            ("image/png", "iVBORw==".to_owned())
        );
        let both = contents(&[&picture, &text]);
        assert_eq!(both[0].1, "a picture\n1 < 2");
        assert_eq!(
            both[1],
            (
                "text/html",
                "<div><img alt=\"a picture\" src=\"data:image/png;base64,iVBORw==\"></div><pre>1 &lt; 2</pre>"
                    .to_owned()
            )
        );
        assert_eq!(
            marked(&contents(&[&text])),
            "EVCXR_BEGIN_CONTENT text/plain\n1 < 2\nEVCXR_END_CONTENT\n"
        );
        assert_eq!(cell(), 0);
    }
}
