//! Attacked images themselves, and how other models classify them: robustness by masked gradients
//! does not survive a transfer.

use std::fmt;

use super::ascent::Ascent;
use super::attack::AscentOptions;
use super::ball::{Ball, Objective, check_ball, pixel_range};
use super::logits::{batch_rows, over_rows, prepare};
use super::shared::{Range, by_range};
use super::table::{Table, WIDTH, percent, size, wrapped};
use super::{Accuracy, Logits};
use crate::data::Part;
use crate::dry_run;
use crate::energy::{Energy, Ready};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::{Stream, Tensor, no_grad, seed};

const OWNER: &str = "evaluate::adversarial";

crate::options! {
    /// Options of [`adversarial`].
    pub struct AdversarialOptions for "evaluate::adversarial" {
        include ascent: AscentOptions = AscentOptions { starts: 1, ..AscentOptions::default() },
    }
}

/// Every row of a part at the point of the ball where the best other logit is furthest above that
/// of its class, of all that projected gradient ascent passed. Labels stay.
pub fn adversarial(
    energy: &Energy,
    part: &Part,
    eps: f64,
    options: &AdversarialOptions,
) -> Result<Part> {
    options.check()?;
    let options = &options.ascent;
    check_ball(OWNER, &[eps], options.range)?;
    let kind = format!("adversarial {options:?}");
    over_rows("attacks", &kind, energy, part, options.batch_size, |part| {
        attacked(energy, part, eps, options)
    })
}

fn attacked(energy: &Energy, part: &Part, eps: f64, options: &AscentOptions) -> Result<Part> {
    let norm = options.norm;
    let (x, _mode) = prepare(OWNER, energy, &part.x()?)?;
    Logits::of(OWNER, energy, part, options.batch_size)?;
    let y = part.y.to_device(x.device())?;
    let range = pixel_range(part, options.range);
    let length = eps * (range.1 - range.0);
    let ascent = Ascent {
        ball: Ball { norm, range },
        eps: length,
        steps: dry_run::cut(options.steps, 2),
        step: options.share(norm) * length,
    };
    let x = by_range(OWNER, &x, |rows| {
        climbed(&ascent, energy, rows, &x, &y, options)
    })?;
    let x = x.like(&part.head(1)?.x()?)?;
    let name = format!("{}, attacked ({} {})", part.name, norm.sign(), size(eps));
    Ok(Part::new(name, &x, &part.y)?.with_range(part.range()))
}

/// Some of the rows, each at its highest point. Noise is drawn for all rows: the same rows come to the same points
/// however they are shared out.
fn climbed(
    ascent: &Ascent,
    energy: &Energy,
    own: Range,
    all: &Tensor,
    y: &Tensor,
    options: &AscentOptions,
) -> Result<Tensor> {
    let x = own.of(all)?;
    let rows = batch_rows(&x, options.batch_size);
    let margin = |x: &Tensor, y: &Tensor| -> Result<tch::Tensor> {
        let _guard = no_grad();
        Objective::Margin.rows(energy.logits(x)?.raw(), y.raw())
    };
    let ready = Ready::new(energy, &x)?;
    let mut best = x.split(rows, 0)?;
    let labels = own.of(y)?.split(rows, 0)?;
    for (o, objective) in options.objectives.iter().enumerate() {
        let (starts, steps) = (
            dry_run::cut(options.starts, 1),
            dry_run::cut(options.steps, 2),
        );
        for start in 0..starts {
            seed(
                options.seed as u64,
                Stream::Evaluate,
                5_000_000 + o as u64 * 4096 + start as u64,
            );
            let noise = own.of(&ascent.ball.start(all)?)?.split(rows, 0)?;
            for (i, x0) in x.split(rows, 0)?.iter().enumerate() {
                let work = ((options.steps + 1) * options.starts) / ((steps + 1) * starts);
                let found = dry_run::repeated("attacks", 1, work, || {
                    ascent.highest(x0, &noise[i], &mut |at| {
                        let labels = labels[i].raw();
                        let slope = tch::with_grad(|| objective.slope(&ready, at, labels))?;
                        Ok((slope.value.into(), slope.gradient.into()))
                    })
                })?;
                let better =
                    margin(&found, &labels[i])?.f_gt_tensor(&margin(&best[i], &labels[i])?)?;
                let mut shape = vec![1; x0.ndim()];
                shape[0] = x0.len();
                best[i] = found
                    .raw()
                    .f_where_self(&better.f_view(&shape[..])?, best[i].raw())?
                    .into();
            }
        }
    }
    Tensor::cat(&best, 0)
}

/// Accuracies of models on each other's attacked images.
#[derive(Clone)]
pub struct Transfer {
    /// The models.
    pub names: Vec<String>,
    /// Accuracy without an attack.
    pub clean: Vec<f64>,
    /// `accuracy[source][target]`: of the target on images made for the source.
    pub accuracy: Vec<Vec<f64>>,
    /// What was done.
    pub protocol: String,
}

impl Transfer {
    /// The accuracy of a model on images made for another.
    pub fn at(&self, source: &str, target: &str) -> Result<f64> {
        let place = |name: &str| {
            let known = self.names.iter().map(String::as_str);
            self.names
                .iter()
                .position(|n| n == name)
                .ok_or_else(|| Error::unknown(&format!("transfer: no model `{name}`"), name, known))
        };
        Ok(self.accuracy[place(source)?][place(target)?])
    }
}

/// Attacks each model on its own, and shows the attacked images to all.
pub fn transfer(
    models: &[(String, Energy)],
    part: &Part,
    eps: f64,
    options: &AdversarialOptions,
) -> Result<Transfer> {
    if models.is_empty() {
        return Err(
            Error::argument("evaluate::transfer: needs at least one model")
                .with_hint("#{ \"JEM\": model, \"cross-entropy\": other }"),
        );
    }
    let about = &options.ascent;
    let judge = |energy: &Energy, part: &Part| -> Result<f64> {
        Ok(Accuracy::of(&Logits::of(OWNER, energy, part, about.batch_size)?)?.accuracy)
    };
    let clean = models
        .iter()
        .map(|(_, energy)| judge(energy, part))
        .collect::<Result<_>>()?;
    let mut accuracy = Vec::with_capacity(models.len());
    for (name, source) in models {
        let images = adversarial(source, part, eps, options).map_err(|e| e.context(name))?;
        accuracy.push(
            models
                .iter()
                .map(|(_, target)| judge(target, &images))
                .collect::<Result<Vec<f64>>>()?,
        );
    }
    let protocol = format!(
        "accuracy of the column's model on images made for the row's: PGD {} ε = {} in units of the [0, 1] range, {} steps, \
         {} starts, objectives {}, the point of largest margin; {} images of {}",
        about.norm.sign(),
        size(eps),
        about.steps,
        about.starts,
        Objective::told(&about.objectives),
        part.len(),
        part.name
    );
    Ok(Transfer {
        names: models.iter().map(|(n, _)| n.clone()).collect(),
        clean,
        accuracy,
        protocol,
    })
}

impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table =
            Table::new(std::iter::once("made for").chain(self.names.iter().map(String::as_str)));
        let cells = |values: &[f64]| values.iter().map(|v| percent(*v)).collect::<Vec<_>>();
        table.row(std::iter::once("no one (clean)".to_owned()).chain(cells(&self.clean)));
        for (name, row) in self.names.iter().zip(&self.accuracy) {
            table.row(std::iter::once(name.clone()).chain(cells(row)));
        }
        write!(
            f,
            "{}\n{}",
            table.shown(f),
            wrapped(&self.protocol, WIDTH, "")
        )
    }
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
