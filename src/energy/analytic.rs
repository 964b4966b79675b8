//! Closed forms of a few lines, with their scores written out; what closed forms share.
//!
//! Their `log Z` is unknown or left out: energies are right up to an additive constant.

use std::cell::RefCell;

use super::EnergyFunction;
use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, Tensor};

/// Points `[B, d]` of real numbers, with `d` as wanted.
pub(super) fn check_points(name: &str, x: &Tensor, d: Option<i64>) -> Result<()> {
    let shape = x.shape();
    if shape.len() != 2 || d.is_some_and(|d| shape[1] != d) {
        let wanted = d.map_or("d".to_owned(), |d| d.to_string());
        return Err(Error::shape(format!(
            "energy::{name}: needs points [B, {wanted}], got {shape:?}"
        )));
    }
    check_float(name, x)
}

fn check_float(name: &str, x: &Tensor) -> Result<()> {
    if x.is_float() {
        return Ok(());
    }
    Err(Error::argument(format!(
        "energy::{name}: needs real numbers, got {}",
        x.brief()
    ))
    .with_hint("`.to(\"float32\")` makes them so"))
}

/// A coefficient above 0.
fn positive(owner: &str, name: &str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::argument(format!(
        "{owner}: `{name}` must be above 0, got {value}"
    )))
}

/// Constants in float64, handed out in the type and on the device of what they are combined with.
pub(super) struct Constants {
    exact: Vec<Tensor>,
    cached: RefCell<Vec<Tensor>>,
}

impl Constants {
    pub(super) fn new(exact: Vec<Tensor>) -> Constants {
        Constants {
            exact,
            cached: RefCell::new(Vec::new()),
        }
    }

    pub(super) fn like(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let mut cached = self.cached.borrow_mut();
        if cached
            .first()
            .is_none_or(|c| c.kind() != x.kind() || c.device() != x.device())
        {
            *cached = self
                .exact
                .iter()
                .map(|c| c.like(x))
                .collect::<Result<_>>()?;
        }
        Ok(cached.clone())
    }
}

/// In float64 on the CPU, where factors and inverses of matrices are made.
pub(super) fn exact(t: &Tensor) -> Result<Tensor> {
    t.detach().to_device(Device::Cpu)?.to_kind(Kind::Double)
}

crate::options! {
    /// Options of the double well.
    pub struct DoubleWellOptions for "energy::double_well" {
        /// energy of the barrier between the wells, per coordinate
        barrier: f64 = 1.0,
        /// the wells are at ±this
        width: f64 = 1.0,
    }
    check |o| {
        positive("energy::double_well", "barrier", o.barrier)?;
        positive("energy::double_well", "width", o.width)
    }
}

/// `E(x) = h Σ_i ((x_i/a)² − 1)²`.
pub(super) struct DoubleWell(pub DoubleWellOptions);

impl DoubleWell {
    /// u = x/a and u² − 1, rows flattened.
    fn parts(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        check_float("double_well", x)?;
        if x.ndim() < 2 {
            return Err(Error::shape(format!(
                "energy::double_well: needs points [B, d], got {:?}",
                x.shape()
            )));
        }
        let u = x.div(self.0.width)?;
        let v = u.square()?.sub(1.0)?;
        Ok((u, v))
    }
}

impl EnergyFunction for DoubleWell {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        self.parts(x)?
            .1
            .square()?
            .flatten(1)?
            .sum_dims(&[1], false)?
            .mul(self.0.barrier)
    }

    fn energy_and_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (u, v) = self.parts(&x.detach())?;
        let energy = v
            .square()?
            .flatten(1)?
            .sum_dims(&[1], false)?
            .mul(self.0.barrier)?;
        Ok((energy, u.mul(v)?.mul(-4.0 * self.0.barrier / self.0.width)?))
    }

    fn rowwise(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!(
            "double_well(#{{ barrier: {}, width: {} }})",
            self.0.barrier, self.0.width
        )
    }
}

crate::options! {
    /// Options of Rosenbrock's function.
    pub struct RosenbrockOptions for "energy::rosenbrock" {
        /// the minimum is at (a, a², a⁴, …)
        a: f64 = 1.0,
        /// how narrow the valley is
        b: f64 = 100.0,
    }
    check |o| {
        if !o.a.is_finite() {
            return Err(Error::argument("energy::rosenbrock: `a` must be a finite number"));
        }
        positive("energy::rosenbrock", "b", o.b)
    }
}

/// `E(x) = Σ_{i<d} (a − x_i)² + b (x_{i+1} − x_i²)²`.
pub(super) struct Rosenbrock(pub RosenbrockOptions);

impl Rosenbrock {
    /// The left coordinates x_i, `a − x_i` and `x_{i+1} − x_i²`, each `[B, d − 1]`.
    fn parts(&self, x: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
        check_points("rosenbrock", x, None)?;
        let n = x.shape()[1] - 1;
        if n < 1 {
            return Err(Error::shape(
                "energy::rosenbrock: needs points of at least two coordinates",
            ));
        }
        let left = x.narrow(1, 0, n)?;
        let bend = x.narrow(1, 1, n)?.sub(left.square()?)?;
        let shift = left.neg()?.add(self.0.a)?;
        Ok((left, shift, bend))
    }
}

impl EnergyFunction for Rosenbrock {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        let (_, shift, bend) = self.parts(x)?;
        shift
            .square()?
            .add(bend.square()?.mul(self.0.b)?)?
            .sum_dims(&[1], false)
    }

    fn energy_and_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (left, shift, bend) = self.parts(&x.detach())?;
        let energy = shift
            .square()?
            .add(bend.square()?.mul(self.0.b)?)?
            .sum_dims(&[1], false)?;
        // −∂E/∂x_i = 2 (a − x_i) + 4 b x_i (x_{i+1} − x_i²) from its own term, −2 b (x_i −
        // x_{i−1}²) from the one before.
        let own = shift.mul(2.0)?.add(left.mul(&bend)?.mul(4.0 * self.0.b)?)?;
        let before = bend.mul(-2.0 * self.0.b)?;
        let edge = Tensor::from(
            own.raw()
                .f_new_zeros([x.len(), 1], (own.kind(), own.device()))?,
        );
        let score = Tensor::cat(&[own, edge.clone()], 1)?.add(Tensor::cat(&[edge, before], 1)?)?;
        Ok((energy, score))
    }

    fn rowwise(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!("rosenbrock(#{{ a: {}, b: {} }})", self.0.a, self.0.b)
    }
}

crate::options! {
    /// Options of Neal's funnel.
    pub struct FunnelOptions for "energy::funnel" {
        /// standard deviation of the first coordinate, the logarithm of the others' variance
        std: f64 = 3.0,
    }
    check |o| { positive("energy::funnel", "std", o.std) }
}

/// `E(v, r) = v²/(2s²) + ½ e^{−v} ‖r‖² + ½ (d − 1) v`, for x = (v, r).
pub(super) struct Funnel(pub FunnelOptions);

impl Funnel {
    /// v `[B, 1]`, r `[B, d − 1]`, e^{−v} `[B, 1]` and d − 1.
    fn parts(x: &Tensor) -> Result<(Tensor, Tensor, Tensor, f64)> {
        check_points("funnel", x, None)?;
        let n = x.shape()[1] - 1;
        if n < 1 {
            return Err(Error::shape(
                "energy::funnel: needs points of at least two coordinates",
            ));
        }
        let v = x.narrow(1, 0, 1)?;
        let precision = v.neg()?.exp()?;
        Ok((v, x.narrow(1, 1, n)?, precision, n as f64))
    }

    fn value(&self, v: &Tensor, r: &Tensor, precision: &Tensor, n: f64) -> Result<Tensor> {
        let own = v
            .square()?
            .mul(0.5 / (self.0.std * self.0.std))?
            .add(v.mul(0.5 * n)?)?;
        let rest = r.square()?.sum_dims(&[1], true)?.mul(precision)?.mul(0.5)?;
        own.add(rest)?.squeeze(1)
    }
}

impl EnergyFunction for Funnel {
    fn energy(&self, x: &Tensor) -> Result<Tensor> {
        let (v, r, precision, n) = Funnel::parts(x)?;
        self.value(&v, &r, &precision, n)
    }

    fn energy_and_score(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (v, r, precision, n) = Funnel::parts(&x.detach())?;
        let energy = self.value(&v, &r, &precision, n)?;
        let pull = r
            .square()?
            .sum_dims(&[1], true)?
            .mul(&precision)?
            .mul(0.5)?;
        let first = pull.sub(v.div(self.0.std * self.0.std)?)?.sub(0.5 * n)?;
        Ok((energy, Tensor::cat(&[first, r.mul(precision)?.neg()?], 1)?))
    }

    fn rowwise(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!("funnel(#{{ std: {} }})", self.0.std)
    }
}
