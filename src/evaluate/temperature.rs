//! One number that divides all logits, fitted so that the negative log-likelihood of other rows is
//! smallest.
//!
//! The NLL is convex in 1/T, so along log T it has a single valley: a golden-section search finds
//! it.

use super::Logits;

/// Temperatures searched: 1/100 to 100.
const BOUND: f64 = 100.0;
/// The search narrows log T by this share a step: the golden section.
const GOLDEN: f64 = 0.618_033_988_749_895;

/// A fitted temperature.
#[derive(Clone, Copy, Debug)]
pub struct Fitted {
    /// The temperature.
    pub temperature: f64,
    /// Whether these rows do not determine it: all of them are right, or the best lies at the end
    /// of the range.
    pub undetermined: bool,
}

/// The temperature with the smallest NLL on these rows. Where all of them are right the NLL falls
/// for ever as T goes to 0: the temperature is then left at 1.
pub fn fit(logits: &Logits) -> Fitted {
    if (0..logits.len()).all(|i| logits.predicted(i) == logits.label(i)) {
        return Fitted {
            temperature: 1.0,
            undetermined: true,
        };
    }
    let (mut low, mut high) = (-BOUND.ln(), BOUND.ln());
    let cost = |log_t: f64| logits.nll(log_t.exp());
    let (mut a, mut b) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
    let (mut at_a, mut at_b) = (cost(a), cost(b));
    while high - low > 1e-7 {
        if at_a < at_b {
            (high, b, at_b) = (b, a, at_a);
            a = high - GOLDEN * (high - low);
            at_a = cost(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + GOLDEN * (high - low);
            at_b = cost(b);
        }
    }
    let log_t = 0.5 * (low + high);
    Fitted {
        temperature: log_t.exp(),
        undetermined: log_t.abs() > BOUND.ln() - 1e-3,
    }
}
