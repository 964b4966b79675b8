//! How optimisers are made: of one set of parameters, or of groups with options of their own.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use super::lbfgs::History;
use super::{
    AdamOptions, AdamWOptions, Common, LbfgsOptions, LionOptions, Method, Moving, Optimizer, Rate,
    RmsPropOptions, Rule, SamOptions, Schedule, SgdOptions, adam, clip::Clip,
};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::params::{Flat, Named, deduplicated};
use crate::tensor::Tensor;
use crate::world::World;

/// The options of an optimiser that takes one gradient a step.
pub trait Recipe: Options + Clone {
    /// What errors and scripts call it.
    const NAME: &'static str;
    /// What all optimisers are told.
    fn common(&self) -> Common;
    /// The rule with these options.
    fn rule(&self) -> Box<dyn Rule>;
}

macro_rules! recipes {
    ($( $options:ident: $name:literal, $rule:expr; )*) => { $(
        impl Recipe for $options {
            const NAME: &'static str = $name;

            fn common(&self) -> Common {
                self.shared()
            }

            fn rule(&self) -> Box<dyn Rule> {
                let make: fn(&Self) -> Box<dyn Rule> = $rule;
                make(self)
            }
        }
    )* };
}

recipes! {
    AdamOptions: "adam", |o| Box::new(adam::Adam::from(o));
    AdamWOptions: "adamw", |o| Box::new(adam::Adam::from(o));
    SgdOptions: "sgd", |o| Box::new(o.clone());
    RmsPropOptions: "rmsprop", |o| Box::new(o.clone());
    LionOptions: "lion", |o| Box::new(o.clone());
}

impl Optimizer {
    /// Adam over the trained parameters among these.
    pub fn adam(named: Named, options: &AdamOptions) -> Result<Optimizer> {
        Optimizer::of_groups(vec![(named, options.clone())])
    }

    /// AdamW over the trained parameters among these: the decay acts on the weights and not through
    /// the moments.
    pub fn adamw(named: Named, options: &AdamWOptions) -> Result<Optimizer> {
        Optimizer::of_groups(vec![(named, options.clone())])
    }

    /// Stochastic gradient descent over the trained parameters among these.
    pub fn sgd(named: Named, options: &SgdOptions) -> Result<Optimizer> {
        Optimizer::of_groups(vec![(named, options.clone())])
    }

    /// RMSprop over the trained parameters among these.
    pub fn rmsprop(named: Named, options: &RmsPropOptions) -> Result<Optimizer> {
        Optimizer::of_groups(vec![(named, options.clone())])
    }

    /// Lion over the trained parameters among these.
    pub fn lion(named: Named, options: &LionOptions) -> Result<Optimizer> {
        Optimizer::of_groups(vec![(named, options.clone())])
    }

    /// L-BFGS over the trained parameters among these.
    pub fn lbfgs(named: Named, options: &LbfgsOptions) -> Result<Optimizer> {
        options.check()?;
        let flat = Flat::gather(LbfgsOptions::OWNER, named)?;
        let rates = vec![(options.lr.clone(), Schedule::default())];
        let shown = format!("lbfgs({})", options.show());
        let method = Method::Lbfgs(options.clone());
        let groups = vec![0; flat.params().len()];
        let clip = Clip::new(None, None);
        Optimizer::made(("lbfgs", shown), method, rates, clip, flat, groups)
    }

    /// Groups of parameters, each with options of its own. What bounds the gradient is that of the
    /// first one, for all of them together.
    pub fn of_groups<R: Recipe>(groups: Vec<(Named, R)>) -> Result<Optimizer> {
        let Some((_, first)) = groups.first() else {
            return Err(Error::argument(format!("{}: no groups", R::OWNER)));
        };
        let (clip, alone) = (first.common().clip, groups.len() == 1);
        let mut shown = format!("{}({})", R::NAME, first.show());
        let usual = first.pairs();
        let (mut all, mut group_of) = (Named::new(), Vec::new());
        let (mut rates, mut rules) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for (i, (named, options)) in groups.into_iter().enumerate() {
            options.check()?;
            let mut named = deduplicated(named);
            named.retain(|(_, p)| p.trainable());
            if let Some((name, _)) = named.iter().find(|(_, p)| !seen.insert(p.id())) {
                return Err(Error::argument(format!(
                    "{}: parameter `{name}` is in two groups",
                    R::OWNER
                )));
            }
            if !alone {
                if named.is_empty() {
                    let text = format!("{}: group {i} has no parameters", R::OWNER);
                    return Err(Error::argument(text));
                }
                let own: Vec<String> = options
                    .pairs()
                    .iter()
                    .zip(&usual)
                    .filter(|(own, usual)| own.1 != usual.1)
                    .map(|(own, _)| format!("{}: {}", own.0, own.1))
                    .collect();
                let own = match own.is_empty() {
                    true => String::new(),
                    false => format!(", #{{ {} }}", own.join(", ")),
                };
                shown += &format!(
                    "\ngroup {i}: {}{own}",
                    crate::nn::counted_parameters(&named)
                );
            }
            let Common { lr, schedule, .. } = options.common();
            rates.push((lr, schedule));
            rules.push(options.rule());
            group_of.extend(named.iter().map(|_| i));
            all.extend(named);
        }
        let flat = Flat::gather(R::OWNER, all)?;
        let method = Method::Rules(rules);
        Optimizer::made((R::NAME, shown), method, rates, clip, flat, group_of)
    }

    fn made(
        (name, shown): (&'static str, String),
        method: Method,
        rates: Vec<(Rate, Schedule)>,
        clip: Clip,
        flat: Flat,
        group_of: Vec<usize>,
    ) -> Result<Optimizer> {
        let mut memory: Vec<(&'static str, Tensor)> = Vec::new();
        if let Method::Rules(rules) = &method {
            for name in rules.iter().flat_map(|rule| rule.memory()) {
                if memory.iter().all(|(n, _)| *n != name) {
                    memory.push((name, Tensor::from(flat.values.raw().f_zeros_like()?)));
                }
            }
        }
        let moving = RefCell::new(Moving {
            memory,
            history: History::default(),
            steps: 0,
            counts: vec![0; group_of.len()],
            lr_scale: 1.0,
            lr: None,
            pending: None,
            held: None,
        });
        Ok(Optimizer {
            inner: Rc::new(super::Inner {
                world: World::current(),
                name,
                shown,
                method,
                rates,
                clip,
                flat,
                group_of,
                moving,
            }),
            sam: None,
        })
    }

    /// SAM over another optimiser, whose weights, memory and rate are its own: a step goes by the
    /// gradient at `w + e`, the highest point near the weights.
    pub fn sam(base: &Optimizer, options: &SamOptions) -> Result<Optimizer> {
        options.check()?;
        if base.sam.is_some() || matches!(base.inner.method, Method::Lbfgs(_)) {
            let what = base.sam.as_ref().map_or(base.inner.name, |_| "sam");
            return Err(Error::argument(format!(
                "optim::sam: goes over an optimiser with one gradient a step, not over {what}"
            ))
            .with_hint("as in optim::sam(optim::sgd(net, #{ lr: 0.1, momentum: 0.9 }))"));
        }
        Ok(Optimizer {
            inner: base.inner.clone(),
            sam: Some(Rc::new(options.clone())),
        })
    }
}
