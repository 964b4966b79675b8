//! Scores of a network that is written out (see [`crate::plan`]): where every layer can describe
//! itself, on the CPU, in float32 or float64.

use std::cell::RefCell;
use std::rc::Rc;

use super::check_label_shape;
use super::ready::{Asked, Climbed, Given, Preparation, Scorer, Slope};
use crate::error::Result;
use crate::nn::Network;
use crate::plan::{
    Head, Langevin, Place, Plan, Planned, Precision, Real, Sketch, Stride, Unplanned, Walked,
    instruction_set,
};
use crate::tensor::{Device, InsideVmap, Kind, Tensor};

/// Plans of one network, kept from chain to chain: only the weights change.
#[derive(Default)]
pub(super) struct Plans {
    single: RefCell<Option<Rc<Plan<f32>>>>,
    double: RefCell<Option<Rc<Plan<f64>>>>,
}

/// Which of a network's outputs the energy is made of.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Outputs {
    /// One a class.
    Classes,
    /// A single number.
    One,
}

impl Plans {
    /// A network's energy, written out; or why it is not.
    pub(super) fn prepare(
        &self,
        network: &Network,
        outputs: Outputs,
        x: &Tensor,
        asked: &Asked,
    ) -> Result<Preparation> {
        let made = match x.kind() {
            Kind::Float => prepare::<f32>(&self.single, network, outputs, x, asked)?,
            Kind::Double => prepare::<f64>(&self.double, network, outputs, x, asked)?,
            _ => Err(Unplanned::because(
                "kernels know float32 and float64 numbers only",
            )),
        };
        Ok(match made {
            Ok(scorer) => Preparation::Scorer(scorer),
            Err(why) => Preparation::None(why),
        })
    }
}

fn prepare<T: Real>(
    kept: &RefCell<Option<Rc<Plan<T>>>>,
    network: &Network,
    outputs: Outputs,
    x: &Tensor,
    asked: &Asked,
) -> Result<Planned<Box<dyn Scorer>>> {
    let sketch = match sketch::<T>(network, x) {
        Ok(sketch) => sketch,
        Err(why) => return Ok(Err(why)),
    };
    let plan = planned(kept, &sketch, asked.precision)?;
    if outputs == Outputs::One && plan.outputs() != 1 {
        return Ok(Err(Unplanned::because(
            "the network has more than one output",
        )));
    }
    // A block is sixteen rows: with few of them most of the work would be for none.
    if x.len() < 4 && plan.work() > 200_000 {
        return Ok(Err(Unplanned::because(
            "the batch is smaller than four rows",
        )));
    }
    let Some(head) = head(outputs, plan.outputs(), x, asked.given)? else {
        // Wrong labels: autograd's path says what is wrong.
        return Ok(Err(Unplanned::because("the labels do not fit")));
    };
    let row = x.shape()[1..].to_vec();
    let precision = asked.precision;
    Ok(Ok(Box::new(Written {
        plan,
        head,
        row,
        precision,
    })))
}

/// The network described for rows like those of `x`.
fn sketch<T: Real>(network: &Network, x: &Tensor) -> Planned<Sketch> {
    if x.device() != Device::Cpu {
        return Err(Unplanned::because("the network is not on the CPU"));
    }
    if InsideVmap::now() {
        return Err(Unplanned::because("it is asked for inside vmap"));
    }
    if std::env::var_os("JEMSCRIPT_KERNELS").is_some_and(|v| v == "none") {
        return Err(Unplanned::because(
            "JEMSCRIPT_KERNELS=none asks for autograd",
        ));
    }
    let shape = x.shape();
    let (mut sketch, input): (Sketch, Place) = Sketch::new(shape.get(1..).unwrap_or_default())?;
    let output = network.plan(&mut sketch, &input)?;
    let sketch = sketch.finish(&output)?;
    if sketch
        .weights()
        .any(|w| w.kind() != T::KIND || w.device() != Device::Cpu)
    {
        return Err(Unplanned::because(
            "weights and inputs differ in element type or device",
        ));
    }
    Ok(sketch)
}

/// The plan of a sketch: the one that is kept, with new weights, unless somebody still uses it.
fn planned<T: Real>(
    kept: &RefCell<Option<Rc<Plan<T>>>>,
    sketch: &Sketch,
    precision: Precision,
) -> Result<Rc<Plan<T>>> {
    let mut kept = kept.borrow_mut();
    if let Some(shared) = kept.as_mut()
        && let Some(plan) = Rc::get_mut(shared)
        && plan.reload(sketch, precision)?
    {
        return Ok(shared.clone());
    }
    let made = Rc::new(Plan::new(sketch, precision)?);
    *kept = Some(made.clone());
    Ok(made)
}

fn head(
    outputs: Outputs,
    classes: usize,
    x: &Tensor,
    given: Option<Given>,
) -> Result<Option<Head>> {
    let classes = classes as i64;
    Ok(match (outputs, given) {
        (Outputs::One, _) => Some(Head::Scalar),
        (Outputs::Classes, None) => Some(Head::LogSumExp),
        (Outputs::Classes, Some(Given::Class(class))) => {
            let rows = x.len() as usize;
            (0..classes)
                .contains(&class)
                .then(|| Head::Chosen(vec![class; rows]))
        }
        (Outputs::Classes, Some(Given::Labels(labels))) => {
            let fits = check_label_shape("E(x, y)", labels, x.len()).is_ok();
            labels_in(labels, classes, fits)?.map(Head::Chosen)
        }
    })
}

/// Labels as numbers, where all of them are classes.
fn labels_in(labels: &Tensor, classes: i64, fits: bool) -> Result<Option<Vec<i64>>> {
    if !fits || labels.device() != Device::Cpu {
        return Ok(None);
    }
    let all: Vec<i64> = Vec::try_from(&labels.raw().f_to_kind(Kind::Int64)?.f_contiguous()?)
        .map_err(crate::Error::from)?;
    Ok(all.iter().all(|y| (0..classes).contains(y)).then_some(all))
}

/// Multiply-adds between two looks for an interrupt.
const PORTION: usize = 4_000_000_000;

/// An energy that is written out.
struct Written<T: Real> {
    plan: Rc<Plan<T>>,
    head: Head,
    /// The shape of one row.
    row: Vec<i64>,
    /// What was asked for.
    precision: Precision,
}

impl<T: Real> Written<T> {
    /// Whether a batch is of the kind that was planned for.
    fn takes(&self, x: &Tensor) -> bool {
        let shape = x.shape();
        shape.get(1..) == Some(&self.row[..]) && x.kind() == T::KIND && x.device() == Device::Cpu
    }
}

impl<T: Real> Scorer for Written<T> {
    fn energy_and_score(&self, x: &Tensor) -> Result<Option<(Tensor, Tensor)>> {
        if !self.takes(x) || !self.head.fits(x.len()) {
            return Ok(None);
        }
        Ok(Some(self.plan.scores(x, &self.head)?))
    }

    fn path(&self) -> String {
        let numbers = match (self.precision, self.plan.half()) {
            (Precision::Bf16, true) => ", bf16",
            (Precision::Bf16, false) => ", without bf16: there are no instructions for it",
            (Precision::Full, _) => "",
        };
        format!("written out ({}{numbers})", instruction_set())
    }

    fn climb(&self, x: &Tensor, y: &Tensor, what: Climbed) -> Result<Option<Slope>> {
        let classes = self.plan.outputs() as i64;
        if !self.takes(x) || !matches!(self.head, Head::LogSumExp) || classes < 2 {
            return Ok(None);
        }
        let fits = check_label_shape("attack", y, x.len()).is_ok();
        let Some(labels) = labels_in(y, classes, fits)? else {
            return Ok(None);
        };
        let head = match what {
            Climbed::LogOdds => Head::LogOdds(labels),
            Climbed::Margin => Head::Margin(labels),
        };
        let (logits, energy, gradient) = self.plan.logits_and_scores(x, &head)?;
        Ok(Some(Slope {
            logits,
            value: energy.neg()?,
            gradient,
        }))
    }

    fn walk(
        &self,
        x: &Tensor,
        rule: &Langevin,
        first: usize,
        strides: &[Stride],
    ) -> Result<Option<Walked>> {
        if !self.takes(x) || !self.head.fits(x.len()) {
            return Ok(None);
        }
        // In portions of a fraction of a second, so that an interrupt is heard.
        let row = (self.plan.work() * x.len() as usize).max(1);
        let portion = (PORTION / row).max(1);
        let mut walked: Option<Walked> = None;
        for (i, strides) in strides.chunks(portion).enumerate() {
            crate::interrupt::poll()?;
            let from = walked.as_ref().map_or(x, |w| &w.x);
            let at = first + i * portion;
            walked = Some(self.plan.chains(from, &self.head, rule, at, strides)?);
        }
        Ok(walked)
    }
}

impl<T: Real> Drop for Written<T> {
    fn drop(&mut self) {
        self.plan.tidy();
    }
}
