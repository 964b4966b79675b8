//! Values in their richest form: as text, and as a picture, an animation or HTML where there is
//! one.

#[cfg(feature = "script")]
use super::html::escaped;
use super::html::{of_call, pairs, table};
use crate::data::{Augment, Batch, Batches, Dataset, Part};
use crate::energy::Energy;
use crate::error::Result;
use crate::loss::Loss;
use crate::nn::{Network, Row, thousands};
use crate::optim::{Ema, Optimizer};
use crate::params::Parameters;
use crate::plot::{Animation, CurveOptions, GridOptions, Line, Picture, curve, grid};
use crate::sampler::{ChainRun, Replay, Sampler};
use crate::tensor::Tensor;
use crate::train::Record;

/// As many images of a set or a tensor are shown at most.
const MOST_IMAGES: i64 = 64;

/// A value as it can be shown. The text is always there; of the others at most one is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rich {
    /// As it prints.
    pub text: String,
    /// A PNG file.
    pub png: Option<Vec<u8>>,
    /// A GIF file.
    pub gif: Option<Vec<u8>>,
    /// HTML without scripts and links.
    pub html: Option<String>,
    /// The picture is lines and texts on white: a page may turn them for a dark theme.
    pub chart: bool,
}

impl Rich {
    /// Text alone.
    pub fn text(text: impl Into<String>) -> Rich {
        Rich {
            text: text.into(),
            ..Rich::default()
        }
    }

    fn with_picture(text: String, picture: Result<Picture>) -> Rich {
        // A value that cannot be drawn is still one that prints.
        let chart = picture.as_ref().is_ok_and(Picture::is_chart);
        let png = picture.and_then(|p| p.png_bytes()).ok();
        Rich {
            text,
            png,
            chart,
            ..Rich::default()
        }
    }
}

impl From<&Picture> for Rich {
    fn from(picture: &Picture) -> Rich {
        Rich::with_picture(picture.to_string(), Ok(picture.clone()))
    }
}

impl From<&Animation> for Rich {
    fn from(animation: &Animation) -> Rich {
        Rich {
            text: animation.to_string(),
            gif: animation.gif_bytes().ok(),
            ..Rich::default()
        }
    }
}

impl From<&Network> for Rich {
    /// A table of its layers.
    fn from(network: &Network) -> Rich {
        let text = network.to_string();
        let html = network
            .rows_seen()
            .ok()
            .map(|rows| layers(&rows, network.parameter_count()));
        Rich {
            text,
            html,
            ..Rich::default()
        }
    }
}

fn layers(rows: &[Row], total: i64) -> String {
    let mut lines = vec![["", "layer", "parameters"].map(str::to_owned).to_vec()];
    lines.extend(
        rows.iter()
            .map(|r| vec![r.path.clone(), r.layer.clone(), thousands(r.parameters)]),
    );
    lines.push(vec![String::new(), "total".to_owned(), thousands(total)]);
    table(&lines)
}

impl From<&Energy> for Rich {
    /// Its settings, and the layers of its networks below it.
    fn from(energy: &Energy) -> Rich {
        let networks = energy.networks();
        let text = networks.iter().fold(energy.to_string(), |text, network| {
            format!("{text}\n{network}")
        });
        let tables: String = networks
            .iter()
            .filter_map(|network| Rich::from(network).html)
            .collect();
        let html = Some(format!("{}{tables}", of_call(&energy.to_string())));
        Rich {
            text,
            html,
            ..Rich::default()
        }
    }
}

impl From<&Tensor> for Rich {
    /// A batch of images `[N, 1 or 3, H, W]` as a grid, an image `[1 or 3, H, W]` alone.
    fn from(tensor: &Tensor) -> Rich {
        let text = tensor.to_string();
        let shape = tensor.shape();
        let image =
            |c: i64, h: i64, w: i64| (c == 1 || c == 3) && h >= 4 && w >= 4 && h.max(w) <= 1024;
        let images = match shape[..] {
            [n, c, h, w] if n > 0 && image(c, h, w) => tensor.narrow(0, 0, n.min(MOST_IMAGES)),
            [c, h, w] if image(c, h, w) => tensor.reshape(&[1, c, h, w]),
            _ => return Rich::text(text),
        };
        Rich::with_picture(
            text,
            images.and_then(|images| grid(&images, &GridOptions::default())),
        )
    }
}

impl From<&Part> for Rich {
    /// Its first images.
    fn from(part: &Part) -> Rich {
        let mut rich = part
            .images(part.len().min(MOST_IMAGES))
            .map(|images| Rich::from(&images))
            .unwrap_or_default();
        rich.text = part.to_string();
        rich
    }
}

impl From<&Batch> for Rich {
    /// Its images.
    fn from(batch: &Batch) -> Rich {
        Rich {
            text: batch.to_string(),
            ..Rich::from(&batch.x)
        }
    }
}

impl From<&Dataset> for Rich {
    /// The first images of its training part.
    fn from(dataset: &Dataset) -> Rich {
        Rich {
            text: dataset.to_string(),
            ..Rich::from(&dataset.train)
        }
    }
}

impl From<&Record> for Rich {
    /// What was logged, over the iterations.
    fn from(record: &Record) -> Rich {
        let line = |name: &String| {
            let column = record.column(name)?;
            Ok(Line::new(
                &column.name,
                column.iterations.iter().map(|i| *i as f64).collect(),
                column.values,
            ))
        };
        let lines: Result<Vec<Line>> = record.names().iter().take(6).map(line).collect();
        let options = CurveOptions {
            x_label: "iteration".to_owned(),
            title: record.name.clone(),
            ..CurveOptions::default()
        };
        Rich::with_picture(
            record.to_string(),
            lines.and_then(|lines| curve(&lines, &options)),
        )
    }
}

/// Types that print as a call: their settings are a table.
macro_rules! of_call_types {
    ($($kind:ty),*) => {
        $(impl From<&$kind> for Rich {
            /// Its settings as a table.
            fn from(value: &$kind) -> Rich {
                let text = value.to_string();
                Rich { html: Some(of_call(&text)), text, ..Rich::default() }
            }
        })*
    };
}

of_call_types!(Optimizer, Ema, Sampler, Replay, Augment, Batches);

impl From<&Parameters> for Rich {
    /// A line for each: name, shape, and whether it is frozen.
    fn from(parameters: &Parameters) -> Rich {
        let mut lines = vec![["parameter", "shape", ""].map(str::to_owned).to_vec()];
        lines.extend(parameters.named().iter().map(|(name, p)| {
            let frozen = if p.frozen() { "frozen" } else { "" };
            vec![name.clone(), format!("{:?}", p.shape()), frozen.to_owned()]
        }));
        Rich {
            text: parameters.to_string(),
            html: Some(table(&lines)),
            ..Rich::default()
        }
    }
}

impl From<&Loss> for Rich {
    /// A table of its terms.
    fn from(loss: &Loss) -> Rich {
        let term = |name| {
            Ok((
                name,
                format!("{:.4}", loss.term(name).map_or(Ok(f64::NAN), |t| t.item())?),
            ))
        };
        let terms: Result<Vec<(&str, String)>> = loss.names().into_iter().map(term).collect();
        Rich {
            text: loss.to_string(),
            html: terms.ok().map(|t| pairs(&t)),
            ..Rich::default()
        }
    }
}

impl From<&ChainRun> for Rich {
    /// A table of its diagnostics.
    fn from(run: &ChainRun) -> Rich {
        Rich {
            text: run.to_string(),
            html: run.rows().ok().map(|rows| pairs(&rows)),
            ..Rich::default()
        }
    }
}

/// How charts look where Jupyter, or VS Code, says that its theme is dark: light and dark change
/// places, and colours keep their hue. A page that says nothing keeps the white ground.
#[cfg(feature = "script")]
const DARK: &str = "<style>[data-jp-theme-light=\"false\"] .jemscript-chart, body.vscode-dark .jemscript-chart, \
    body.vscode-high-contrast:not(.vscode-high-contrast-light) .jemscript-chart \
    { filter: invert(0.93) hue-rotate(180deg); }</style>";

/// A value in its richest form, as a part of a page.
#[cfg(feature = "script")]
pub(crate) fn of_rich(value: &Rich) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let image = |kind: &str, bytes: &[u8]| {
        let text = escaped(value.text.lines().next().unwrap_or_default());
        let (style, class) = if value.chart {
            (DARK, "class=\"jemscript-chart\" ")
        } else {
            ("", "")
        };
        format!(
            "<div>{style}<img {class}alt=\"{text}\" src=\"data:image/{kind};base64,{}\"></div>",
            STANDARD.encode(bytes)
        )
    };
    match value {
        Rich { png: Some(png), .. } => image("png", png),
        Rich { gif: Some(gif), .. } => image("gif", gif),
        Rich {
            html: Some(html), ..
        } => html.clone(),
        Rich { text, .. } => format!("<pre>{}</pre>", escaped(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{AnimationOptions, animation};

    const PNG: &[u8] = b"\x89PNG";

    #[test]
    fn values_have_their_richest_form() -> Result<()> {
        let is_png = |rich: &Rich| {
            rich.png.as_ref().is_some_and(|b| b.starts_with(PNG)) && rich.html.is_none()
        };
        for shape in [vec![5, 1, 8, 8], vec![3, 16, 16], vec![100, 3, 4, 4]] {
            assert!(is_png(&Rich::from(&Tensor::zeros(&shape)?)), "{shape:?}");
        }
        for shape in [
            vec![],
            vec![4],
            vec![8, 8],
            vec![2, 2, 8, 8],
            vec![0, 1, 8, 8],
            vec![1, 2, 2],
        ] {
            let rich = Rich::from(&Tensor::zeros(&shape)?);
            assert_eq!(rich, Rich::text(rich.text.clone()), "{shape:?} is no image");
        }
        let images = Tensor::zeros(&[4, 1, 8, 8])?;
        let moving = animation(
            &[images.clone(), images.clone()],
            &AnimationOptions::default(),
        )?;
        assert!(
            Rich::from(&moving)
                .gif
                .is_some_and(|b| b.starts_with(b"GIF8"))
        );
        let digits = crate::data::digits(&crate::data::DigitsOptions::default())?;
        assert!(is_png(&Rich::from(&digits)) && is_png(&Rich::from(&digits.test)));
        assert_eq!(Rich::from(&digits).text, digits.to_string());
        Ok(())
    }

    #[test]
    fn a_network_is_a_table() -> Result<()> {
        let net: Network = crate::nn::Mlp::new(&[2, 3, 1], &Default::default())?.into();
        let html = Rich::from(&net).html.unwrap_or_default();
        assert_eq!(html.matches("<tr>").count(), 5, "{html}");
        assert!(
            html.contains(">linear(2, 3)<") && html.contains(">13<"),
            "{html}"
        );
        let model = Rich::from(&Energy::scalar(&net));
        assert!(model.html.is_some_and(
            |h| h.contains("scalar(network), 13 parameters") && h.contains(">linear(2, 3)<")
        ));
        assert!(
            model.text.contains("linear(2, 3)")
                && Rich::from(&Energy::double_well(&Default::default())?)
                    .html
                    .is_some_and(|h| h.contains(">barrier<"))
        );
        Ok(())
    }
}
