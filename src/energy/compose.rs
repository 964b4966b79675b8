//! Energies made of energies: sum (the product of densities), scale, temper (`E/T`) and condition
//! (`E(x, y)` at a given y).
//!
//! A sum in which one part has classes has them too: `E(x, y) = E₁(x, y) + E₂(x)` marginalises to
//! `E₁(x) + E₂(x)`. A scaled or tempered energy keeps its `E(x, y)`, scaled, but loses its logits:
//! `−log Σ_y exp(s f(x)[y])` is not `s E(x)`.

use super::ready::{Asked, Given, Part, Preparation, Scorer};
use super::{Energy, EnergyFunction};
use crate::error::{Error, Result};
use crate::nn::Network;
use crate::options::Function;
use crate::params::{Named, prefixed};
use crate::tensor::Tensor;

/// Parameters of several parts: with the part's number before each name where more than one part
/// has any.
pub(super) fn numbered(parts: Vec<Named>) -> Named {
    if parts.iter().filter(|named| !named.is_empty()).count() < 2 {
        return parts.into_iter().flatten().collect();
    }
    parts
        .into_iter()
        .enumerate()
        .flat_map(|(i, named)| prefixed(&i.to_string(), named))
        .collect()
}

/// The text in brackets, where one of these operators stands outside of all brackets.
fn bracketed(text: &str, operators: &[u8]) -> String {
    let mut depth = 0;
    let found = text.bytes().any(|c| {
        depth +=
            i32::from(matches!(c, b'(' | b'[' | b'{')) - i32::from(matches!(c, b')' | b']' | b'}'));
        depth == 0 && operators.contains(&c)
    });
    if found {
        format!("({text})")
    } else {
        text.to_owned()
    }
}

/// What can be multiplied by a number.
fn factor(inner: &Energy) -> String {
    bracketed(&inner.describe(), b"+")
}

/// What a method can be called on.
fn receiver(inner: &Energy) -> String {
    bracketed(&inner.describe(), b"+*")
}

/// `Σ_i E_i(x)`.
pub(super) struct Sum(pub Vec<Energy>);

impl Sum {
    /// The parts added up, one of them seen in its own way.
    fn added(&self, f: impl Fn(&Energy) -> Result<Tensor>) -> Result<Tensor> {
        let mut total = f(&self.0[0])?;
        for part in &self.0[1..] {
            total = total.add(f(part)?)?;
        }
        Ok(total)
    }

    fn one_with_classes(&self) -> Result<()> {
        match self.0.iter().filter(|e| e.has_classes()).count() {
            1 => Ok(()),
            0 => Err(super::no_classes(&self.describe(), "E(x, y)")),
            _ => Err(Error::argument(format!(
                "{}: two parts have classes, so E(x, y) is not defined",
                self.describe()
            ))
            .with_hint("condition them first: `a.given(3) + b.given(3)`")),
        }
    }
}

impl EnergyFunction for Sum {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        self.added(|e| e.energy(x))
    }

    fn joint_energy(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        self.one_with_classes()?;
        self.added(|e| {
            if e.has_classes() {
                e.joint_energy(x, y)
            } else {
                e.energy(x)
            }
        })
    }

    fn class_energy(&self, x: &Tensor, class: i64) -> Result<Tensor> {
        self.one_with_classes()?;
        self.added(|e| {
            if e.has_classes() {
                e.class_energy(x, class)
            } else {
                e.energy(x)
            }
        })
    }

    fn logits(&self, x: &Tensor) -> Result<Tensor> {
        self.one_with_classes()?;
        self.added(|e| {
            if e.has_classes() {
                e.logits(x)
            } else {
                e.energy(x)?.neg()?.unsqueeze(1)
            }
        })
    }

    fn has_classes(&self) -> bool {
        self.0.iter().filter(|e| e.has_classes()).count() == 1
    }

    fn rowwise(&self) -> bool {
        self.0.iter().all(Energy::rowwise)
    }

    fn energy_and_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        // Each part on its own: closed forms then need no automatic differentiation.
        totals(self.0.iter().map(|part| part.energy_and_score(x)))
    }

    fn prepare(&self, x: &Tensor, asked: &Asked) -> Result<Preparation> {
        if asked.given.is_some() {
            self.one_with_classes()?;
        }
        let parts = self.0.iter().map(|e| {
            let given = asked.given.filter(|_| e.has_classes());
            Part::new(e, x, &Asked { given, ..*asked })
        });
        let parts = parts.collect::<Result<Vec<Part>>>()?;
        // One part with a scorer of its own is enough: each is asked by itself.
        let none = parts.iter().filter_map(Part::unplanned);
        Ok(match none.clone().next().cloned() {
            Some(why) if none.count() == parts.len() => Preparation::None(why),
            _ => Preparation::Scorer(Box::new(ReadySum(parts))),
        })
    }

    fn networks(&self) -> Vec<Network> {
        self.0.iter().flat_map(Energy::networks).collect()
    }

    fn functions(&self) -> Vec<Function> {
        self.0.iter().flat_map(Energy::functions).collect()
    }

    fn parameters(&self) -> Named {
        numbered(self.0.iter().map(Energy::parameters).collect())
    }

    fn terms(&self) -> Option<&[Energy]> {
        Some(&self.0)
    }

    fn describe(&self) -> String {
        self.0
            .iter()
            .map(Energy::describe)
            .collect::<Vec<_>>()
            .join(" + ")
    }
}

/// A sum in which some part was readied.
struct ReadySum(Vec<Part>);

impl Scorer for ReadySum {
    fn energy_and_score(&self, x: &Tensor) -> Result<Option<(Tensor, Tensor)>> {
        totals(self.0.iter().map(|part| part.energy_and_score(x))).map(Some)
    }
}

/// The sums of energies and of scores.
fn totals(mut parts: impl Iterator<Item = Result<(Tensor, Tensor)>>) -> Result<(Tensor, Tensor)> {
    let none = || Error::state("a sum of no energies");
    let first = parts.next().ok_or_else(none)??;
    parts.try_fold(first, |(energy, score), part| {
        let (e, s) = part?;
        Ok((energy.add(e)?, score.add(s)?))
    })
}

/// A readied energy, times a number.
struct ReadyMultiple {
    factor: f64,
    inner: Box<dyn Scorer>,
}

impl Scorer for ReadyMultiple {
    fn energy_and_score(&self, x: &Tensor) -> Result<Option<(Tensor, Tensor)>> {
        let times = |(energy, score): (Tensor, Tensor)| {
            Ok((energy.mul(self.factor)?, score.mul(self.factor)?))
        };
        self.inner.energy_and_score(x)?.map(times).transpose()
    }
}

/// Methods of an energy that multiplies another one by a number.
macro_rules! multiplied {
    ($name:ident, $factor:expr, $describe:expr) => {
        impl EnergyFunction for $name {
            fn energy(&self, x: &Tensor) -> Result<Tensor> {
                self.inner.energy(x)?.mul($factor(self))
            }
            fn joint_energy(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
                self.inner.joint_energy(x, y)?.mul($factor(self))
            }
            fn class_energy(&self, x: &Tensor, class: i64) -> Result<Tensor> {
                self.inner.class_energy(x, class)?.mul($factor(self))
            }
            fn logits(&self, _x: &Tensor) -> Result<Tensor> {
                Err(Error::argument(format!(
                    "{}: a scaled energy has no logits",
                    self.describe()
                ))
                .with_hint("ask the energy inside, or scale the network's output"))
            }
            fn has_classes(&self) -> bool {
                self.inner.has_classes()
            }
            fn rowwise(&self) -> bool {
                self.inner.rowwise()
            }
            fn energy_and_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
                let (energy, score) = self.inner.energy_and_score(x)?;
                Ok((energy.mul($factor(self))?, score.mul($factor(self))?))
            }
            fn prepare(&self, x: &Tensor, asked: &Asked) -> Result<Preparation> {
                let factor = $factor(self);
                Ok(match self.inner.prepare(x, asked)? {
                    Preparation::Scorer(inner) => {
                        Preparation::Scorer(Box::new(ReadyMultiple { factor, inner }))
                    }
                    none => none,
                })
            }
            fn networks(&self) -> Vec<Network> {
                self.inner.networks()
            }
            fn functions(&self) -> Vec<Function> {
                self.inner.functions()
            }
            fn parameters(&self) -> Named {
                self.inner.parameters()
            }
            fn describe(&self) -> String {
                $describe(self)
            }
        }
    };
}

/// `s · E(x)`.
pub(super) struct Scaled {
    pub factor: f64,
    pub inner: Energy,
}
multiplied!(Scaled, |e: &Scaled| e.factor, |e: &Scaled| format!(
    "{} * {}",
    e.factor,
    factor(&e.inner)
));

/// `E(x) / T`.
pub(super) struct Tempered {
    pub temperature: f64,
    pub inner: Energy,
}
multiplied!(
    Tempered,
    |e: &Tempered| 1.0 / e.temperature,
    |e: &Tempered| { format!("{}.tempered({})", receiver(&e.inner), e.temperature) }
);

/// `E(x, class)` as a function of x.
pub(super) struct GivenClass {
    pub class: i64,
    pub inner: Energy,
}

impl EnergyFunction for GivenClass {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        self.inner.class_energy(x, self.class)
    }

    fn prepare(&self, x: &Tensor, asked: &Asked) -> Result<Preparation> {
        self.inner
            .prepare(x, &asked.given(Given::Class(self.class)))
    }

    fn rowwise(&self) -> bool {
        self.inner.rowwise()
    }

    fn networks(&self) -> Vec<Network> {
        self.inner.networks()
    }
    fn functions(&self) -> Vec<Function> {
        self.inner.functions()
    }

    fn parameters(&self) -> Named {
        self.inner.parameters()
    }

    fn describe(&self) -> String {
        format!("{}.given({})", receiver(&self.inner), self.class)
    }
}

/// `E(x, y)` as a function of x, with a label for each row.
pub(super) struct GivenLabels {
    pub labels: Tensor,
    pub inner: Energy,
}

impl EnergyFunction for GivenLabels {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        self.inner.joint_energy(x, &self.labels)
    }

    fn prepare(&self, x: &Tensor, asked: &Asked) -> Result<Preparation> {
        self.inner
            .prepare(x, &asked.given(Given::Labels(&self.labels)))
    }

    /// Which label a row has is a matter of where it stands: another batch cannot be joined to it.
    fn rowwise(&self) -> bool {
        false
    }

    fn networks(&self) -> Vec<Network> {
        self.inner.networks()
    }
    fn functions(&self) -> Vec<Function> {
        self.inner.functions()
    }

    fn parameters(&self) -> Named {
        self.inner.parameters()
    }

    fn describe(&self) -> String {
        format!(
            "{}.given({} labels)",
            receiver(&self.inner),
            self.labels.len()
        )
    }
}
