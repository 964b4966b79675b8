//! Energies: any function `E(x)` of a batch gives a density `p(x) = exp(−E(x)) / Z` (JEM, equation
//! 1).
//!
//! Low energy means likely. Everything that takes an energy takes any: a network's, a closed form,
//! a user's function, a sum, a scaled, tempered or conditioned one.
//!
//! | file | what |
//! |---|---|
//! | `joint.rs` | a classifier as an energy (equations 5 and 6) |
//! | `scalar.rs` | a network with one output |
//! | `closure.rs` | a function written by the user |
//! | `gaussian.rs`, `mixture.rs`, `analytic.rs` | closed forms, energy and score |
//! | `compose.rs` | sum, scale, temper, condition |
//! | `ready.rs` | an energy made ready for one walk of chains |
//! | `written.rs` | scores of networks that are written out, without autograd |

mod analytic;
mod closure;
mod compose;
mod gaussian;
mod joint;
mod labels;
mod laplacian;
mod mixture;
mod ready;
mod scalar;
mod written;

use std::fmt;
use std::rc::Rc;

pub use analytic::{DoubleWellOptions, FunnelOptions, RosenbrockOptions};
pub use closure::ClosureOptions;
pub(crate) use joint::chosen;
pub(crate) use labels::{check_label_shape, check_labels};
pub use laplacian::{Direction, LaplacianOptions};
pub use mixture::MixtureOptions;
pub use ready::{Asked, Climbed, Given, Preparation, Ready, Scorer, Slope};

use crate::error::{Error, Result};
use crate::nn::Network;
use crate::options::{Function, Options};
use crate::params::{Named, Snapshot, State, deduplicated, load_named, save_named};
use crate::plan::Unplanned;
use crate::tensor::{Tensor, differentiable};

crate::options! {
    /// Options of a score.
    pub struct ScoreOptions for "energy::score" {
        /// whether gradients flow through the score
        create_graph: bool = false,
    }
}

/// What an energy has to say of itself.
pub trait EnergyFunction {
    /// `E(x)`, `[B]`, for a batch `x` `[B, …]`.
    fn energy(&self, x: &Tensor) -> Result<Tensor>;

    /// `E(x, y)`, `[B]`, for labels `y` `[B]`, up to a constant; only energies with classes have
    /// one.
    fn joint_energy(&self, _x: &Tensor, _y: &Tensor) -> Result<Tensor> {
        Err(no_classes(&self.describe(), "E(x, y)"))
    }

    /// `E(x, class)`, `[B]`: the same class for every row.
    fn class_energy(&self, x: &Tensor, class: i64) -> Result<Tensor> {
        let y = tch::Tensor::f_full([x.len()], class, (crate::tensor::Kind::Int64, x.device()))?;
        self.joint_energy(x, &Tensor::from(y))
    }

    /// The logits `f(x)`, `[B, C]`; only energies with classes have them.
    fn logits(&self, _x: &Tensor) -> Result<Tensor> {
        Err(no_classes(&self.describe(), "logits"))
    }

    /// Whether `E(x, y)` exists.
    fn has_classes(&self) -> bool {
        false
    }

    /// Whether the energy of a row depends on that row alone: two batches may then be passed as
    /// one.
    fn rowwise(&self) -> bool {
        false
    }

    /// `E(x)` and the score `−∇E(x)`, both detached. The default differentiates
    /// [`EnergyFunction::energy`]; an explicit gradient enters here.
    fn energy_and_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        autograd_score(|x| self.energy(x), x)
    }

    /// What can be done once for many scores of batches like `x`, with weights that stand still.
    fn prepare(&self, _x: &Tensor, _asked: &Asked) -> Result<Preparation> {
        Ok(Preparation::None(Unplanned::because(format!(
            "`{}` is not made of a network's layers",
            self.describe()
        ))))
    }

    /// The networks inside, for those who choose between training and evaluation mode.
    fn networks(&self) -> Vec<Network> {
        Vec::new()
    }

    /// Trained parameters and buffers, found through every composition.
    fn parameters(&self) -> Named {
        Vec::new()
    }

    /// The user's functions inside: a checkpoint keeps what they have captured.
    fn functions(&self) -> Vec<Function> {
        self.networks()
            .iter()
            .flat_map(Network::functions)
            .collect()
    }

    /// The parts of a sum.
    fn terms(&self) -> Option<&[Energy]> {
        None
    }

    /// The energy as written in a script.
    fn describe(&self) -> String;
}

fn no_classes(what: &str, wanted: &str) -> Error {
    Error::argument(format!("{what} has no classes, so no {wanted}"))
        .with_hint("`energy::joint(network)` has")
}

/// `f(x)` and `−∇f(x)` by automatic differentiation; weights get no gradient.
pub(crate) fn autograd_score(
    f: impl Fn(&Tensor) -> Result<Tensor>,
    x: &Tensor,
) -> Result<(Tensor, Tensor)> {
    // A caller that records no gradients (an evaluation, say) may still ask for a score.
    tch::with_grad(|| {
        let leaf = x.leaf()?;
        let energy = f(&leaf)?;
        let score = gradient(&energy.sum()?.neg()?, &leaf, false)?;
        Ok((energy.detach(), score))
    })
}

/// `∂ output / ∂ x`, where an output that does not depend on x is the user's mistake.
fn gradient(output: &Tensor, x: &Tensor, create_graph: bool) -> Result<Tensor> {
    let found = crate::tensor::backward(output.raw(), &[x.raw()], create_graph)?
        .into_iter()
        .next()
        .flatten();
    found.map(Tensor::from).ok_or_else(|| {
        Error::state("score: the energy does not depend on x, or loses its gradient on the way").with_hint(
            "an energy must compute with its argument, without `detach`, rounding or a constant in its place",
        )
    })
}

/// A handle to an energy; clones share parameters.
#[derive(Clone)]
pub struct Energy {
    function: Rc<dyn EnergyFunction>,
    /// How many compositions lie inside each other.
    depth: usize,
}

/// Compositions inside each other: each takes stack in every evaluation. A sum of sums is one
/// composition.
const MAX_DEPTH: usize = 500;

impl Energy {
    /// Wraps an energy.
    pub fn of(function: impl EnergyFunction + 'static) -> Energy {
        Energy {
            function: Rc::new(function),
            depth: 0,
        }
    }

    /// Wraps an energy that is made of others.
    fn around(function: impl EnergyFunction + 'static, parts: &[Energy]) -> Result<Energy> {
        let depth = 1 + parts.iter().map(|e| e.depth).max().unwrap_or(0);
        if depth > MAX_DEPTH {
            return Err(Error::argument(format!("an energy can be composed {MAX_DEPTH} times over, not more"))
                .with_hint("does a loop scale or temper its own result? `energy::sum` adds up as many as you like"));
        }
        Ok(Energy {
            function: Rc::new(function),
            depth,
        })
    }

    /// A classifier as an energy: `E(x, y) = −f(x)[y]`, `E(x) = −log Σ_y exp f(x)[y]` (equations 5
    /// and 6).
    pub fn joint(network: &Network) -> Energy {
        Energy::of(joint::Joint::new(network))
    }

    /// A network with one output: `E(x) = −net(x)`.
    pub fn scalar(network: &Network) -> Energy {
        Energy::of(scalar::Scalar::new(network))
    }

    /// A function of a batch, given as a tensor, that returns one number per row.
    pub fn closure(function: &Function, options: &ClosureOptions) -> Result<Energy> {
        Ok(Energy::of(closure::Closure::new(function, options)?))
    }

    /// A Rust function of a batch that returns one number per row, with the networks that it uses.
    pub fn from_fn(
        f: impl Fn(&Tensor) -> Result<Tensor> + 'static,
        networks: &[Network],
    ) -> Energy {
        Energy::of(closure::Closure::from_fn(f, networks))
    }

    /// A normal density: `E(x) = ½ (x − μ)ᵀ Σ⁻¹ (x − μ)`, for `mean` `[d]` and `covariance` `[d,
    /// d]`; its `log Z` is left out.
    pub fn gaussian(mean: &Tensor, covariance: &Tensor) -> Result<Energy> {
        Ok(Energy::of(gaussian::Gaussian::new(mean, covariance)?))
    }

    /// A mixture of normal densities around `means` `[K, d]`.
    pub fn mixture(means: &Tensor, options: &MixtureOptions) -> Result<Energy> {
        Ok(Energy::of(mixture::Mixture::new(means, options)?))
    }

    /// Two wells in every coordinate: `E(x) = h Σ_i ((x_i/a)² − 1)²`.
    pub fn double_well(options: &DoubleWellOptions) -> Result<Energy> {
        options.check()?;
        Ok(Energy::of(analytic::DoubleWell(options.clone())))
    }

    /// Rosenbrock's curved valley: `E(x) = Σ_i (a − x_i)² + b (x_{i+1} − x_i²)²`.
    pub fn rosenbrock(options: &RosenbrockOptions) -> Result<Energy> {
        options.check()?;
        Ok(Energy::of(analytic::Rosenbrock(options.clone())))
    }

    /// Neal's funnel: `x_1 ~ N(0, s²)`, all others `N(0, exp(x_1))`.
    pub fn funnel(options: &FunnelOptions) -> Result<Energy> {
        options.check()?;
        Ok(Energy::of(analytic::Funnel(options.clone())))
    }

    /// The sum of energies: the product of their densities.
    pub fn sum(parts: &[Energy]) -> Result<Energy> {
        if parts.is_empty() {
            return Err(Error::argument("energy::sum: needs at least one energy"));
        }
        // A sum inside a sum gives its parts: so a loop that adds does not nest.
        let terms: Vec<Energy> = parts
            .iter()
            .flat_map(|e| {
                e.function
                    .terms()
                    .unwrap_or(std::slice::from_ref(e))
                    .to_vec()
            })
            .collect();
        Energy::around(compose::Sum(terms.clone()), &terms)
    }

    /// `E + E'`: the product of two densities.
    pub fn plus(&self, other: &Energy) -> Result<Energy> {
        Energy::sum(&[self.clone(), other.clone()])
    }

    /// `factor · E`.
    pub fn scaled(&self, factor: f64) -> Result<Energy> {
        if !factor.is_finite() {
            return Err(Error::argument(format!(
                "scaled: the factor must be a finite number, got {factor}"
            )));
        }
        Energy::around(
            compose::Scaled {
                factor,
                inner: self.clone(),
            },
            std::slice::from_ref(self),
        )
    }

    /// `E / T`: the density at temperature `T`, flatter for `T > 1`.
    pub fn tempered(&self, temperature: f64) -> Result<Energy> {
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(Error::argument(format!(
                "tempered: the temperature must be above 0, got {temperature}"
            )));
        }
        Energy::around(
            compose::Tempered {
                temperature,
                inner: self.clone(),
            },
            std::slice::from_ref(self),
        )
    }

    /// `E(x | class) = E(x, class)` up to a constant.
    pub fn given(&self, class: i64) -> Result<Energy> {
        self.needs_classes("given")?;
        if class < 0 {
            return Err(Error::argument(format!(
                "given: classes count from 0, got {class}"
            )));
        }
        Energy::around(
            compose::GivenClass {
                class,
                inner: self.clone(),
            },
            std::slice::from_ref(self),
        )
    }

    /// `E(x | y) = E(x, y)` up to a constant, with a class for each row: `labels` `[B]`.
    pub fn given_labels(&self, labels: &Tensor) -> Result<Energy> {
        self.needs_classes("given")?;
        check_label_shape("given", labels, labels.len())?;
        Energy::around(
            compose::GivenLabels {
                labels: labels.clone(),
                inner: self.clone(),
            },
            std::slice::from_ref(self),
        )
    }

    fn needs_classes(&self, name: &str) -> Result<()> {
        if self.has_classes() {
            Ok(())
        } else {
            Err(no_classes(&self.describe(), "E(x, y)").context(name))
        }
    }

    /// `E(x)`, `[B]`; differentiable. A result of another shape is an error.
    pub fn energy(&self, x: &Tensor) -> Result<Tensor> {
        one_per_row(x, self.function.energy(x)?)
    }

    /// `E(x, y)`, `[B]`, for labels `y` `[B]`; differentiable.
    pub fn joint_energy(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        check_label_shape("E(x, y)", y, x.len())?;
        one_per_row(x, self.function.joint_energy(x, y)?)
    }

    /// `E(x, class)`, `[B]`, the same class for every row; differentiable.
    pub fn class_energy(&self, x: &Tensor, class: i64) -> Result<Tensor> {
        one_per_row(x, self.function.class_energy(x, class)?)
    }

    /// The logits, `[B, C]`; differentiable.
    pub fn logits(&self, x: &Tensor) -> Result<Tensor> {
        self.function.logits(x)
    }

    /// `E(x)` and the score `−∇E(x) = ∇ log p(x)`, both detached.
    pub fn energy_and_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (energy, score) = self.function.energy_and_score(x)?;
        Ok((one_per_row(x, energy)?, score))
    }

    /// What can be done once for many scores of batches like `x`; see [`EnergyFunction::prepare`].
    pub fn prepare(&self, x: &Tensor, asked: &Asked) -> Result<Preparation> {
        self.function.prepare(x, asked)
    }

    /// The score `−∇E(x) = ∇ log p(x)`, detached.
    pub fn score(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.energy_and_score(x)?.1)
    }

    /// `E(x)` and the score, both differentiable, through x where it carries a history and through
    /// the weights.
    pub fn differentiable_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        tch::with_grad(|| {
            let x = differentiable(x)?;
            let energy = self.energy(&x)?;
            let score = gradient(&energy.sum()?.neg()?, &x, true)?;
            Ok((energy, score))
        })
    }

    /// `log p(y|x)`, `[B, C]`.
    pub fn log_p_y(&self, x: &Tensor) -> Result<Tensor> {
        self.logits(x)?.log_softmax(1)
    }

    /// `log p(x)` up to the unknown constant `log Z`: −E(x).
    pub fn log_p_x(&self, x: &Tensor) -> Result<Tensor> {
        self.energy(x)?.neg()
    }

    /// Whether there is an `E(x, y)`.
    pub fn has_classes(&self) -> bool {
        self.function.has_classes()
    }

    /// Whether the energy of a row depends on that row alone.
    pub fn rowwise(&self) -> bool {
        self.function.rowwise()
    }

    /// The network inside, if there is exactly one.
    pub fn network(&self) -> Option<Network> {
        let mut networks = self.function.networks();
        if networks.len() == 1 {
            networks.pop()
        } else {
            None
        }
    }

    /// All networks inside.
    pub fn networks(&self) -> Vec<Network> {
        self.function.networks()
    }

    /// Parameters and buffers, each once.
    pub fn parameters(&self) -> Named {
        deduplicated(self.function.parameters())
    }

    /// The user's functions inside.
    pub fn functions(&self) -> Vec<Function> {
        self.function.functions()
    }

    /// What tells this energy from all others.
    pub fn id(&self) -> usize {
        Rc::as_ptr(&self.function).cast::<()>() as usize
    }

    /// The energy as written in a script.
    pub fn describe(&self) -> String {
        self.function.describe()
    }
}

/// An energy `[B]` for a batch `[B, …]`, or an error.
fn one_per_row(x: &Tensor, energy: Tensor) -> Result<Tensor> {
    if x.ndim() == 0 || energy.shape() != [x.len()] {
        return Err(Error::shape(format!(
            "energy: must give one number per row of x {:?}, gave {:?}",
            x.shape(),
            energy.shape()
        ))
        .with_hint("sum over all but the first dimension, as in `.flatten(1).sum(1)`"));
    }
    Ok(energy)
}

impl State for Energy {
    fn about(&self) -> String {
        format!(
            "energy with {}",
            crate::nn::counted_parameters(&self.parameters())
        )
    }

    fn named(&self) -> Named {
        self.parameters()
    }

    fn save(&self, path: &str, into: &mut Snapshot) -> Result<()> {
        save_named(&self.parameters(), path, into)
    }
    fn load(&self, path: &str, from: &Snapshot) -> Result<()> {
        load_named(&self.parameters(), path, from)
    }
}

impl fmt::Display for Energy {
    /// As written in a script, and how many numbers it trains.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())?;
        let parameters = self.parameters();
        if parameters.is_empty() {
            Ok(())
        } else {
            write!(f, ", {}", crate::nn::counted_parameters(&parameters))
        }
    }
}

impl fmt::Debug for Energy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
