//! The options of all optimisers: each rule's own, and those that all share.

use super::clip::Clip;
use super::{Common, Rate, Schedule};
use crate::error::{Error, Result};
use crate::options;

/// Declares the options of an optimiser: its own rows, then the common ones. `check` is about its
/// own.
macro_rules! optimizer_options {
    (
        $(#[$meta:meta])*
        $name:ident for $owner:literal { $($own:tt)* }
        check |$o:ident| $check:block
    ) => {
        options! {
            $(#[$meta])*
            pub struct $name for $owner {
                $($own)*
                /// steps over which the rate rises linearly from 0
                warmup: i64 = 0,
                /// steps after which the rate is multiplied by gamma, each
                milestones: Vec<i64> = Vec::new(),
                /// factor of the rate at each milestone
                gamma: f64 = 0.1,
                /// step at which the rate has fallen to 0 along half a cosine; 0 is off
                cosine: i64 = 0,
                /// largest norm of the gradient, by which longer ones are shortened; off unless
                /// given
                clip_norm: Option<f64> = None,
                /// largest size of each entry of the gradient; off unless given
                clip_value: Option<f64> = None,
            }
            check |o| {
                not_negative($owner, &[("lr", o.lr.number().unwrap_or(0.0)), ("weight_decay", o.weight_decay), ("gamma", o.gamma)])?;
                let bounds = [("clip_norm", o.clip_norm), ("clip_value", o.clip_value)];
                not_negative($owner, &bounds.map(|(name, bound)| (name, bound.unwrap_or(0.0))))?;
                o.shared().schedule.check($owner)?;
                let $o = o;
                $check
            }
        }

        impl $name {
            pub(super) fn shared(&self) -> Common {
                Common {
                    lr: self.lr.clone(),
                    schedule: Schedule {
                        warmup: self.warmup,
                        milestones: self.milestones.clone(),
                        gamma: self.gamma,
                        cosine: self.cosine,
                    },
                    clip: Clip::new(self.clip_norm, self.clip_value),
                }
            }
        }
    };
}

optimizer_options! {
    /// Options of [`Optimizer::adam`](super::Optimizer::adam).
    AdamOptions for "optim::adam" {
        /// learning rate: a number, or a function of the step, which counts from 0
        lr: Rate = 1e-3.into(),
        /// memory of the gradient's mean and of its square's
        betas: [f64; 2] = [0.9, 0.999],
        /// added to the root of the mean square
        eps: f64 = 1e-8,
        /// L2 penalty that joins the gradient
        weight_decay: f64 = 0.0,
        /// factor and summand `[a, b]`: each entry of the gradient is cut at `a` times the root of
        /// its mean square so far, plus `b` (IGEBM: `[3, 0.1]`); off unless given
        clip_adaptive: Option<[f64; 2]> = None,
    }
    check |o| {
        let [factor, summand] = o.clip_adaptive.unwrap_or_default();
        not_negative("optim::adam", &[("clip_adaptive", factor), ("clip_adaptive", summand)])?;
        check_adam("optim::adam", o.betas, o.eps)
    }
}

optimizer_options! {
    /// Options of [`Optimizer::adamw`](super::Optimizer::adamw).
    AdamWOptions for "optim::adamw" {
        /// learning rate: a number, or a function of the step, which counts from 0
        lr: Rate = 1e-3.into(),
        /// memory of the gradient's mean and of its square's
        betas: [f64; 2] = [0.9, 0.999],
        /// added to the root of the mean square
        eps: f64 = 1e-8,
        /// share of each weight, times the rate, that is taken off at each step
        weight_decay: f64 = 0.01,
    }
    check |o| { check_adam("optim::adamw", o.betas, o.eps) }
}

optimizer_options! {
    /// Options of [`Optimizer::sgd`](super::Optimizer::sgd).
    SgdOptions for "optim::sgd" {
        /// learning rate: a number, or a function of the step, which counts from 0
        lr: Rate = 1e-3.into(),
        /// memory of the step's direction
        momentum: f64 = 0.0,
        /// whether the gradient is taken to be that after the coming step
        nesterov: bool = false,
        /// L2 penalty that joins the gradient
        weight_decay: f64 = 0.0,
    }
    check |o| {
        not_negative("optim::sgd", &[("momentum", o.momentum)])?;
        if o.nesterov && o.momentum == 0.0 {
            return Err(Error::argument("optim::sgd: `nesterov` needs a `momentum` above 0").with_hint("usual is 0.9"));
        }
        Ok(())
    }
}

optimizer_options! {
    /// Options of [`Optimizer::rmsprop`](super::Optimizer::rmsprop).
    RmsPropOptions for "optim::rmsprop" {
        /// learning rate: a number, or a function of the step, which counts from 0
        lr: Rate = 1e-2.into(),
        /// memory of the gradient's mean square
        alpha: f64 = 0.99,
        /// added to the root of the mean square
        eps: f64 = 1e-8,
        /// L2 penalty that joins the gradient
        weight_decay: f64 = 0.0,
        /// memory of the step's direction
        momentum: f64 = 0.0,
        /// whether the gradient is divided by its deviation from its mean
        centered: bool = false,
    }
    check |o| {
        not_negative("optim::rmsprop", &[("eps", o.eps), ("momentum", o.momentum)])?;
        share("optim::rmsprop", "alpha", &[o.alpha])
    }
}

optimizer_options! {
    /// Options of [`Optimizer::lion`](super::Optimizer::lion).
    LionOptions for "optim::lion" {
        /// learning rate: a number, or a function of the step, which counts from 0
        lr: Rate = 1e-4.into(),
        /// share of the momentum in the step, and memory of the momentum
        betas: [f64; 2] = [0.9, 0.99],
        /// share of each weight, times the rate, that is taken off at each step
        weight_decay: f64 = 0.0,
    }
    check |o| { share("optim::lion", "betas", &o.betas) }
}

options! {
    /// Options of [`Optimizer::lbfgs`](super::Optimizer::lbfgs).
    pub struct LbfgsOptions for "optim::lbfgs" {
        /// learning rate: a number, or a function of the step, which counts from 0
        lr: Rate = 1.0.into(),
        /// iterations in a step, at most
        max_iter: i64 = 20,
        /// evaluations of the loss in a step, at most; a quarter more than iterations unless given
        max_eval: Option<i64> = None,
        /// largest entry of the gradient at which a step ends
        tolerance_grad: f64 = 1e-7,
        /// change of loss and weights at which a step ends
        tolerance_change: f64 = 1e-9,
        /// changes that are remembered
        history_size: i64 = 100,
    }
    check |o| {
        not_negative("optim::lbfgs", &[
            ("lr", o.lr.number().unwrap_or(0.0)),
            ("tolerance_grad", o.tolerance_grad),
            ("tolerance_change", o.tolerance_change),
        ])?;
        let counts = [("max_iter", o.max_iter), ("max_eval", o.max_eval.unwrap_or(1)), ("history_size", o.history_size)];
        match counts.iter().find(|(_, n)| *n < 1) {
            Some((name, n)) => Err(Error::argument(format!("optim::lbfgs: `{name}` must be at least 1, got {n}"))),
            None => Ok(()),
        }
    }
}

options! {
    /// Options of [`Optimizer::sam`](super::Optimizer::sam).
    pub struct SamOptions for "optim::sam" {
        /// how far the weights go up before the gradient is taken
        rho: f64 = 0.05,
        /// whether each weight goes in proportion to its size (ASAM)
        adaptive: bool = false,
    }
    check |o| { not_negative("optim::sam", &[("rho", o.rho)]) }
}

fn not_negative(owner: &str, numbers: &[(&str, f64)]) -> Result<()> {
    match numbers.iter().find(|(_, x)| !x.is_finite() || *x < 0.0) {
        Some((name, x)) => Err(Error::argument(format!(
            "{owner}: `{name}` must not be negative, got {x}"
        ))),
        None => Ok(()),
    }
}

fn check_adam(owner: &str, betas: [f64; 2], eps: f64) -> Result<()> {
    not_negative(owner, &[("eps", eps)])?;
    share(owner, "betas", &betas)
}

/// What is kept of a mean at each step: below 1, or it would never move.
fn share(owner: &str, name: &str, found: &[f64]) -> Result<()> {
    match found {
        all if all.iter().all(|b| (0.0..1.0).contains(b)) => Ok(()),
        [one] => Err(Error::argument(format!(
            "{owner}: `{name}` must be at least 0 and below 1, got {one}"
        ))),
        both => Err(Error::argument(format!(
            "{owner}: both `{name}` must be at least 0 and below 1, got {both:?}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Options, Value};

    #[test]
    fn impossible_options_are_named() {
        let said = |pairs: &[(&str, Value)]| {
            let found = AdamOptions::from_map(pairs.iter().map(|(k, v)| (*k, v)));
            found
                .err()
                .map(|e| e.message().to_owned())
                .unwrap_or_default()
        };
        assert_eq!(
            said(&[("lr", Value::Float(f64::NAN))]),
            "optim::adam: `lr` must not be negative, got NaN"
        );
        assert_eq!(
            said(&[("betas", Value::List(vec![Value::Int(1), Value::Float(0.9)]))]),
            "optim::adam: both `betas` must be at least 0 and below 1, got [1.0, 0.9]"
        );
        assert_eq!(
            said(&[("betas", Value::Float(0.9))]),
            "optim::adam: option `betas` must be [number, number], got float 0.9"
        );
        assert_eq!(
            said(&[("warmup", Value::Int(-1))]),
            "optim::adam: `warmup` must not be negative, got -1"
        );
        assert_eq!(
            said(&[("warmup", Value::Int(10)), ("cosine", Value::Int(10))]),
            "optim::adam: `cosine` (10) must be greater than `warmup` (10)"
        );
        assert_eq!(
            said(&[(
                "milestones",
                Value::List(vec![Value::Int(160), Value::Int(180)])
            )]),
            ""
        );
        assert!(
            SgdOptions {
                nesterov: true,
                ..Default::default()
            }
            .check()
            .is_err()
        );
    }
}
