//! Distal adversarials: start from noise, climb the logit of one class until the model is sure of
//! it, and look at what it is sure of.
//!
//! A classifier that knows what its classes look like ends in something like the class; others end
//! in noise.

use std::fmt;

use super::ball::{check_ball, row_norms};
use super::logits::{batch_rows, placed};
use super::table::{Table, WIDTH, digits, percent, wrapped};
use crate::dry_run;
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::nn::InMode;
use crate::options::Options;
use crate::tensor::{Kind, Stream, Tensor, default_device, no_grad, seed};

const OWNER: &str = "evaluate::distal";
/// More than anyone looks at.
const MOST_IMAGES: i64 = 1_000_000;

crate::options! {
    /// Options of [`distal`].
    pub struct DistalOptions for "evaluate::distal" {
        /// shape of one image, as [3, 32, 32]
        shape: Vec<i64> = Vec::new(),
        /// classes to climb; () for all
        classes: Option<Vec<i64>> = None,
        /// images for each class
        each: i64 = 4,
        /// most steps
        steps: i64 = 200,
        /// length of a step: root mean square of the change of a pixel
        step: f64 = 0.02,
        /// p(y|x) at which an image is done
        confidence: f64 = 0.9,
        /// range of the pixels; images start from uniform noise on it
        range: (f64, f64) = (-1.0, 1.0),
        /// seed of the noise
        seed: i64 = 0,
    }
    check |o| {
        check_ball(OWNER, &[], Some(o.range))?;
        if o.shape.is_empty() || o.shape.iter().any(|n| *n < 1) {
            return Err(Error::argument(format!("{OWNER}: `shape` must be the shape of one image, got {:?}", o.shape))
                .with_hint("#{ shape: [3, 32, 32] }"));
        }
        if o.each < 1 || o.steps < 1 || !(o.step.is_finite() && o.step > 0.0) || !(0.0..=1.0).contains(&o.confidence) {
            return Err(Error::argument(format!(
                "{OWNER}: needs at least one of `each` and `steps`, `step` above 0 and `confidence` in [0, 1]"
            )));
        }
        Ok(())
    }
}

/// Images that a model is sure of, made from noise.
#[derive(Clone)]
pub struct Distal {
    /// The images `[N, …]`, class after class.
    pub x: Tensor,
    /// The class that each climbed, `[N]`.
    pub y: Tensor,
    /// `p(y|x)` of each at the end.
    pub confidence: Vec<f64>,
    /// Steps that each took; none where it never became sure enough.
    pub taken: Vec<Option<i64>>,
    /// log p(x) up to a constant, at the start and at the end.
    pub log_p_x: (Vec<f64>, Vec<f64>),
    /// What was done.
    pub protocol: String,
}

impl Distal {
    /// The share of images that became sure enough.
    pub fn reached(&self) -> f64 {
        self.taken.iter().filter(|t| t.is_some()).count() as f64 / self.taken.len().max(1) as f64
    }
}

/// Climbs the logit of each class from noise.
pub fn distal(energy: &Energy, options: &DistalOptions) -> Result<Distal> {
    options.check()?;
    let o = options;
    let _mode = InMode::enter(&energy.networks(), false);
    let blank = |n: i64| -> Result<Tensor> {
        let shape: Vec<i64> = std::iter::once(n).chain(o.shape.iter().copied()).collect();
        crate::tensor::check_shape(OWNER, &shape)?;
        let zeros = tch::Tensor::f_zeros(&shape[..], (Kind::Float, default_device()))?;
        placed(&Tensor::from(zeros), &energy.parameters())
    };
    let count = {
        let _guard = no_grad();
        energy
            .logits(&blank(1)?)
            .map_err(|e| e.context(OWNER))?
            .shape()
            .last()
            .copied()
            .unwrap_or(0)
    };
    let classes = o.classes.clone().unwrap_or_else(|| (0..count).collect());
    if let Some(bad) = classes.iter().find(|c| !(0..count).contains(c)) {
        return Err(Error::argument(format!(
            "{OWNER}: there are {count} classes, counted from 0, got {bad}"
        )));
    }
    if classes.is_empty() {
        return Err(Error::argument(format!("{OWNER}: needs a class to climb")));
    }
    crate::tensor::check_shape(OWNER, &[classes.len() as i64, o.each])?;
    if classes.len() as i64 * o.each > MOST_IMAGES {
        return Err(Error::argument(format!(
            "{OWNER}: at most {MOST_IMAGES} images, got {} for each class",
            o.each
        )));
    }
    let labels: Vec<i64> = classes
        .iter()
        .flat_map(|c| std::iter::repeat_n(*c, o.each as usize))
        .collect();
    seed(o.seed as u64, Stream::Evaluate, 40);
    let noise = blank(labels.len() as i64)?
        .rand_like()?
        .mul(o.range.1 - o.range.0)?
        .add(o.range.0)?;
    let y = Tensor::from(tch::Tensor::f_from_slice(&labels)?).to_device(noise.device())?;
    let steps = dry_run::cut(o.steps, 2);
    let (mut ends, mut confidence, mut taken) = (Vec::new(), Vec::new(), Vec::new());
    let rows = batch_rows(&noise, None);
    dry_run::repeated("evaluation", steps + 1, o.steps + 1, || -> Result<()> {
        for (x, y) in noise.split(rows, 0)?.iter().zip(y.split(rows, 0)?) {
            let (x, sure, after) = climb(energy, x, &y, o, steps)?;
            ends.push(x);
            confidence.extend(sure);
            taken.extend(after);
        }
        Ok(())
    })?;
    let x = Tensor::cat(&ends, 0)?;
    let log_p = |x: &Tensor| -> Result<Vec<f64>> {
        let _guard = no_grad();
        let mut all = Vec::new();
        for batch in x.split(rows, 0)? {
            all.extend(energy.log_p_x(&batch)?.to_vec()?);
        }
        Ok(all)
    };
    let protocol = format!(
        "from uniform noise on [{}, {}], {} images a class, up to {} steps along the gradient of the class's logit, each changing \
         pixels by {} (root mean square), clipped to the range; done at p(y|x) ≥ {}",
        o.range.0, o.range.1, o.each, o.steps, o.step, o.confidence
    );
    Ok(Distal {
        log_p_x: (log_p(&noise)?, log_p(&x)?),
        x,
        y,
        confidence,
        taken,
        protocol,
    })
}

type Climbed = (Tensor, Vec<f64>, Vec<Option<i64>>);

fn climb(
    energy: &Energy,
    x: &Tensor,
    y: &Tensor,
    o: &DistalOptions,
    steps: i64,
) -> Result<Climbed> {
    let mut x = x.clone();
    let root = (x.numel() as f64 / x.len() as f64).sqrt();
    let mut shape = vec![1; x.ndim()];
    shape[0] = x.len();
    // Steps until a row was sure; −1 until then.
    let mut done = y.raw().f_full_like(-1)?;
    for t in 0..=steps {
        crate::interrupt::poll()?;
        let (sure, gradient) = tch::with_grad(|| -> Result<_> {
            let leaf = x.leaf()?;
            let logits = energy.logits(&leaf).map_err(|e| e.context(OWNER))?;
            let logits = logits.raw();
            let own = |t: &tch::Tensor| {
                t.f_gather(1, &y.raw().f_unsqueeze(1)?, false)?
                    .f_squeeze_dim(1)
            };
            let sure = own(&logits.f_softmax(1, None::<Kind>)?)?.f_detach()?;
            Ok((sure, super::ball::slope_at(&own(logits)?, leaf.raw())?))
        })?;
        let fresh = sure.f_ge(o.confidence)?.f_logical_and(&done.f_lt(0)?)?;
        done = done.f_full_like(t)?.f_where_self(&fresh, &done)?;
        if t == steps {
            let taken = Tensor::from(done)
                .to_ints()?
                .into_iter()
                .map(|t| (t >= 0).then_some(t))
                .collect();
            return Ok((x, Tensor::from(sure).to_vec()?, taken));
        }
        let moved = gradient
            .f_div(&row_norms(&gradient)?.f_clamp_min(1e-30)?)?
            .f_mul_scalar(o.step * root)?;
        let next = x.raw().f_add(&moved)?.f_clamp(o.range.0, o.range.1)?;
        // Rows that are done stay.
        x = next
            .f_where_self(&done.f_lt(0)?.f_view(&shape[..])?, x.raw())?
            .into();
    }
    Err(Error::state(format!("{OWNER}: no step was taken")))
}

impl fmt::Display for Distal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = self.y.to_ints().unwrap_or_default();
        let mut classes = labels.clone();
        classes.dedup();
        let mut table = Table::new([
            "class",
            "n",
            "reached",
            "steps",
            "p(y|x)",
            "log p(x) before",
            "log p(x) after",
        ]);
        for class in classes {
            let rows: Vec<usize> = (0..labels.len()).filter(|i| labels[*i] == class).collect();
            let mean = |of: &[f64]| rows.iter().map(|i| of[*i]).sum::<f64>() / rows.len() as f64;
            let taken: Vec<f64> = rows
                .iter()
                .filter_map(|i| self.taken[*i].map(|t| t as f64))
                .collect();
            let steps = if taken.is_empty() {
                "—".to_owned()
            } else {
                digits(taken.iter().sum::<f64>() / taken.len() as f64)
            };
            table.row([
                class.to_string(),
                rows.len().to_string(),
                percent(taken.len() as f64 / rows.len() as f64),
                steps,
                format!("{:.3}", mean(&self.confidence)),
                digits(mean(&self.log_p_x.0)),
                digits(mean(&self.log_p_x.1)),
            ]);
        }
        write!(
            f,
            "{}\n{}",
            table.shown(f),
            wrapped(&self.protocol, WIDTH, "")
        )
    }
}

impl fmt::Debug for Distal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
