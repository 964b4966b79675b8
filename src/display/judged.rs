//! What evaluations give, as it is shown: tables, and pictures of Gaussians.

use super::Rich;
use super::html::{escaped, of_markdown, pairs, table};
use crate::evaluate::{
    Accuracy, Calibration, CalibrationReport, Distal, FeatureNet, JemK, LogZ, OodReport,
    PixelGaussian, Pool, Refinement, Report, Robustness, SampleReport, Scores, Transfer,
};

fn page(text: String, html: String) -> Rich {
    Rich {
        text,
        html: Some(html),
        ..Rich::default()
    }
}

impl From<&Report> for Rich {
    /// Its tables.
    fn from(report: &Report) -> Rich {
        page(report.to_string(), of_markdown(&report.to_markdown(&[])))
    }
}

impl From<&Pool> for Rich {
    /// Its tables.
    fn from(pool: &Pool) -> Rich {
        page(pool.to_string(), of_markdown(&pool.to_markdown(&[])))
    }
}

/// Types whose `{:#}` is Markdown.
macro_rules! of_markdown_types {
    ($($kind:ident),*) => {
        $(impl From<&$kind> for Rich {
            /// Its table.
            fn from(value: &$kind) -> Rich {
                page(value.to_string(), of_markdown(&format!("{value:#}")))
            }
        })*
    };
}

of_markdown_types!(
    OodReport,
    Robustness,
    JemK,
    Distal,
    Transfer,
    Refinement,
    SampleReport
);

impl From<&CalibrationReport> for Rich {
    /// Its table, and the bins that hold rows.
    fn from(report: &CalibrationReport) -> Rich {
        let bins = |name: &str, c: &Calibration| format!("<p>bins, {name}</p>{}", bins(c));
        let tempered = report
            .tempered
            .as_ref()
            .map(|c| bins("tempered", c))
            .unwrap_or_default();
        let table = of_markdown(&format!("{report:#}"));
        page(
            report.to_string(),
            format!("{table}{}{tempered}", bins("as it stands", &report.raw)),
        )
    }
}

fn bins(calibration: &Calibration) -> String {
    let mut lines = vec![
        ["confidence", "rows", "mean confidence", "accuracy"]
            .map(str::to_owned)
            .to_vec(),
    ];
    lines.extend(calibration.bins.iter().filter(|b| b.count > 0).map(|b| {
        vec![
            format!("({:.3}, {:.3}]", b.low, b.high),
            b.count.to_string(),
            format!("{:.4}", b.confidence),
            format!("{:.4}", b.accuracy),
        ]
    }));
    table(&lines)
}

impl From<&Accuracy> for Rich {
    /// A table of its numbers.
    fn from(found: &Accuracy) -> Rich {
        let (low, high) = found.interval;
        let html = pairs(&[
            ("accuracy", format!("{:.4}", found.accuracy)),
            ("95 % interval", format!("{low:.4} to {high:.4}")),
            ("cross-entropy", format!("{:.4}", found.cross_entropy)),
            ("rows", found.correct.len().to_string()),
        ]);
        page(found.to_string(), html)
    }
}

impl From<&Scores> for Rich {
    /// A table of their means and spreads.
    fn from(scores: &Scores) -> Rich {
        let mut lines = vec![
            ["score", "mean", "sd", "least", "largest"]
                .map(str::to_owned)
                .to_vec(),
        ];
        let all = [
            ("log p(x)", &scores.log_p_x),
            ("max p(y|x)", &scores.max_p_y),
            ("approx. mass", &scores.mass),
        ];
        for (name, values) in all.into_iter().filter(|(_, v)| !v.is_empty()) {
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            lines.push([mean, sd, least, largest].iter().fold(
                vec![name.to_owned()],
                |mut line, v| {
                    line.push(format!("{v:.4}"));
                    line
                },
            ));
        }
        page(
            scores.to_string(),
            format!("<p>{} rows</p>{}", scores.log_p_x.len(), table(&lines)),
        )
    }
}

impl From<&LogZ> for Rich {
    /// A table of its numbers, and how they were found.
    fn from(found: &LogZ) -> Rich {
        let text = found.to_string();
        // Its warning, where it has one, comes last.
        let note = text
            .lines()
            .find(|l| l.starts_with("note: "))
            .map(|l| format!("<p>{}</p>", escaped(l)));
        let html = pairs(&[
            ("log Z", format!("{:.4}", found.value)),
            ("standard error", format!("{:.4}", found.standard_error)),
            (
                "effective chains",
                format!("{:.0} of {}", found.ess, found.log_weights.len()),
            ),
            ("acceptance", format!("{:.2}", found.acceptance)),
            ("protocol", found.protocol.clone()),
        ]);
        page(text, format!("{html}{}", note.unwrap_or_default()))
    }
}

impl From<&PixelGaussian> for Rich {
    /// The means of its classes: pictures, where they are images.
    fn from(gaussian: &PixelGaussian) -> Rich {
        let text = gaussian.to_string();
        let means = gaussian.means().map(|m| Rich::from(&m)).unwrap_or_default();
        if means.png.is_some() {
            return Rich { text, ..means };
        }
        let html = format!(
            "<p>{}</p><p>means</p><pre>{}</pre>",
            escaped(&text),
            escaped(&means.text)
        );
        page(text, html)
    }
}

impl From<&FeatureNet> for Rich {
    /// The layers of its networks.
    fn from(net: &FeatureNet) -> Rich {
        let table = |name: &str, network| {
            format!(
                "<p>{name}</p>{}",
                Rich::from(network).html.unwrap_or_default()
            )
        };
        let head = net
            .head
            .as_ref()
            .map(|h| table("head", h))
            .unwrap_or_default();
        page(
            net.to_string(),
            format!(
                "<p>{}</p>{}{head}",
                escaped(&net.note),
                table("features", &net.network)
            ),
        )
    }
}
