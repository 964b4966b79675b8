//! What creeps: medians over windows of iterations that run away from where they lay before.
//!
//! A bound is passed late. A sampler that falls behind by a little each iteration shows long before
//! in the median of the gap over fifty iterations, which noise hardly moves. A window is compared
//! with those before it by robust statistics (median, and the median of absolute deviations), so
//! that a single wild iteration neither raises an alarm nor hides one.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

/// Windows that must run the same way, one further than the other.
const RUN: usize = 3;
/// Windows before those that say where a quantity lies.
const REFERENCE: usize = 4;
/// How many spreads away is no longer noise: six, of which a normal one would see none in a
/// lifetime.
const FAR: f64 = 6.0;
/// How many spreads away still counts as where it lay: from there a drift is dated.
const NEAR: f64 = 2.0;
/// A creeping quantity is acted on at this share of its bound, not before: what is small does no
/// harm.
const SHARE: f64 = 0.2;
/// Quantities that are never acted on by themselves, since healthy trainings move them, too: what they did is said
/// beside what is acted on.
const WITNESSES: [&str; 3] = ["grad_norm", "sampler_grad_norm", "at_clamp"];
/// How many times as large or as small makes a witness speak.
const TELLING: f64 = 2.0;
/// Windows that are remembered.
const MEMORY: usize = 64;
/// What makes a median of absolute deviations the standard deviation of normal numbers.
const NORMAL: f64 = 1.4826;

/// What the numbers of a training that goes wrong point to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::train) enum Cause {
    /// The gap rises: chains no longer reach where the energy is low.
    Behind,
    /// The gap falls: chains find maxima of the density that no data are near.
    Beaten,
    /// Energies of data and samples run away together; only their difference is trained.
    Drift,
    /// Some other quantity stayed beyond its bound.
    Bounds,
    /// A value is no number.
    NotFinite,
}

impl Cause {
    /// As scripts and the log see it.
    pub(in crate::train) fn words(self) -> &'static str {
        match self {
            Cause::Behind => "sampler behind",
            Cause::Beaten => "samples beat the data",
            Cause::Drift => "energies drift",
            Cause::Bounds => "out of bounds",
            Cause::NotFinite => "not finite",
        }
    }

    /// What a gap says.
    pub(super) fn of_gap(gap: f64) -> Cause {
        match gap > 0.0 {
            true => Cause::Behind,
            false => Cause::Beaten,
        }
    }
}

/// One window of one quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Window {
    /// The iteration that ends it.
    end: i64,
    median: f64,
    spread: f64,
}

/// What a look at the end of a window found.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sign {
    /// Something runs away: what it points to, in words with the numbers, and the last iteration
    /// at which all was as before.
    Creeps {
        cause: Cause,
        reason: String,
        since: i64,
    },
    /// Data have no lower energy than noise.
    Collapsed(String),
}

/// The windows of all quantities that tell of a training's health.
#[derive(Clone, Debug, Default)]
pub(super) struct Trend {
    /// Iterations in a window.
    every: i64,
    gap: f64,
    energy: f64,
    current: BTreeMap<String, Vec<f64>>,
    windows: BTreeMap<String, Vec<Window>>,
    collapsed: bool,
}

impl Trend {
    /// Windows of so many iterations; the bounds of the gap and of mean energies.
    pub(super) fn new(every: i64, gap: f64, energy: f64) -> Trend {
        Trend {
            every,
            gap,
            energy,
            ..Trend::default()
        }
    }

    /// Takes one iteration's numbers in; at the end of a window says what it saw.
    pub(super) fn look(&mut self, iteration: i64, values: &[(String, f64)]) -> Option<Sign> {
        let find = |name: &str| values.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
        let own = ["gap", "e_data", "e_fake"];
        let own = own.iter().chain(&WITNESSES).map(|name| (*name, find(name)));
        let margin = find("e_noise").zip(find("e_data")).map(|(n, d)| n - d);
        for (name, value) in own.chain([("margin", margin)]) {
            if let Some(value) = value {
                self.current.entry(name.to_owned()).or_default().push(value);
            }
        }
        if iteration % self.every != 0 {
            return None;
        }
        for (name, values) in std::mem::take(&mut self.current) {
            let (median, spread) = robust(&values);
            let windows = self.windows.entry(name).or_default();
            windows.push(Window {
                end: iteration,
                median,
                spread,
            });
            let old = windows.len().saturating_sub(MEMORY);
            windows.drain(..old);
        }
        self.gap_creeps()
            .or_else(|| self.energies_drift())
            .or_else(|| self.collapse())
    }

    fn gap_creeps(&self) -> Option<Sign> {
        let run = Run::of(self.windows.get("gap")?)?;
        // On its way to 0 it heals.
        if run.to.abs() <= (SHARE * self.gap).max(run.from.abs()) {
            return None;
        }
        let cause = Cause::of_gap(run.to - run.from);
        Some(run.sign(cause, "the gap", &self.witnesses()))
    }

    /// Both energies, the same way.
    fn energies_drift(&self) -> Option<Sign> {
        let [data, fake] = ["e_data", "e_fake"].map(|name| Run::of(self.windows.get(name)?));
        let (data, fake) = (data?, fake?);
        let together = (data.to - data.from) * (fake.to - fake.from) > 0.0;
        if !together || data.to.abs().min(fake.to.abs()) <= SHARE * self.energy {
            return None;
        }
        Some(data.sign(
            Cause::Drift,
            "the energy of data, and that of samples with it,",
            &self.witnesses(),
        ))
    }

    /// What the witnesses did meanwhile: `; grad_norm from 2.1 to 9.6`.
    fn witnesses(&self) -> String {
        let told = |name: &&str| {
            let windows = self.windows.get(*name)?;
            let (before, last) = windows.split_at_checked(windows.len().checked_sub(RUN)?)?;
            let ((from, _), to) = (usual(before)?, last.last()?.median);
            let times = to / from;
            let silent = times.is_nan() || (1.0 / TELLING..TELLING).contains(&times);
            (!silent).then(|| format!("; {name} from {from:.3} to {to:.3}"))
        };
        WITNESSES.iter().filter_map(told).collect()
    }

    /// A margin between noise and data that there was, and is no more. Said once.
    fn collapse(&mut self) -> Option<Sign> {
        let windows = self.windows.get("margin")?;
        let (before, last) = windows.split_at_checked(windows.len().checked_sub(RUN)?)?;
        if self.collapsed || before.len() < REFERENCE {
            return None;
        }
        let usual = robust(&before.iter().map(|w| w.median).collect::<Vec<_>>()).0;
        let gone = |w: &Window| w.median <= (usual * 0.02).max(0.0);
        if !last.iter().all(gone) {
            return None;
        }
        self.collapsed = true;
        let now = last.last()?.median;
        Some(Sign::Collapsed(format!(
            "e_noise − e_data is {now:.3} and was {usual:.3}: data have no lower energy than noise"
        )))
    }

    /// The training goes on from an earlier iteration.
    pub(super) fn cut(&mut self, to: i64) {
        self.current.clear();
        for windows in self.windows.values_mut() {
            windows.retain(|w| w.end <= to);
        }
        self.collapsed = false;
    }

    /// The last iteration at which the gap lay where it used to, as far as can be told.
    pub(super) fn usual_until(&self) -> Option<i64> {
        let windows = self.windows.get("gap")?;
        let reference = windows.get(..windows.len().checked_sub(RUN)?)?;
        let (centre, spread) = usual(reference)?;
        let usual = |w: &&Window| (w.median - centre).abs() <= NEAR * spread;
        windows.iter().rev().find(usual).map(|w| w.end)
    }

    /// What it remembers.
    pub(super) fn save(&self) -> Json {
        let windows = |all: &Vec<Window>| -> Json {
            let one = |w: &Window| json!([w.end, w.median, w.spread]);
            all.iter().map(one).collect()
        };
        let windows: serde_json::Map<String, Json> = self
            .windows
            .iter()
            .map(|(name, all)| (name.clone(), windows(all)))
            .collect();
        json!({ "current": self.current, "windows": windows, "collapsed": self.collapsed })
    }

    /// Takes up what [`Trend::save`] gave.
    pub(super) fn load(&mut self, kept: &Json) -> Option<()> {
        let window = |w: &Json| {
            Some(Window {
                end: w[0].as_i64()?,
                median: w[1].as_f64()?,
                spread: w[2].as_f64()?,
            })
        };
        let named = |all: &Json| all.as_object().cloned();
        self.current = named(&kept["current"])?
            .into_iter()
            .map(|(name, all)| {
                let all = all.as_array()?.iter().map(Json::as_f64);
                Some((name, all.collect::<Option<_>>()?))
            })
            .collect::<Option<_>>()?;
        self.windows = named(&kept["windows"])?
            .into_iter()
            .map(|(name, all)| {
                let all = all.as_array()?.iter().map(window);
                Some((name, all.collect::<Option<_>>()?))
            })
            .collect::<Option<_>>()?;
        self.collapsed = kept["collapsed"].as_bool()?;
        Some(())
    }
}

/// The last windows of a quantity that have run one way, away from where it lay.
struct Run {
    from: f64,
    to: f64,
    spread: f64,
    since: i64,
}

impl Run {
    fn of(windows: &[Window]) -> Option<Run> {
        let (before, last) = windows.split_at_checked(windows.len().checked_sub(RUN)?)?;
        let (from, spread) = usual(before)?;
        let away: Vec<f64> = last.iter().map(|w| w.median - from).collect();
        let further = |pair: &[f64]| pair[0] * pair[1] > 0.0 && pair[1].abs() > pair[0].abs();
        let far = away.last()?.abs() > FAR * spread;
        if !(far && away.windows(2).all(further)) {
            return None;
        }
        // The drift began after the last window that was as ever.
        let as_ever = |w: &&Window| (w.median - from).abs() <= NEAR * spread;
        let since = windows.iter().rev().find(as_ever).map_or(0, |w| w.end);
        Some(Run {
            from,
            to: last.last()?.median,
            spread,
            since,
        })
    }

    fn sign(&self, cause: Cause, what: &str, witnesses: &str) -> Sign {
        let Run {
            from,
            to,
            spread,
            since,
        } = *self;
        let reason = format!(
            "{}: {what} runs away since {since}, from {from:.3} ± {spread:.3} to {to:.3}{witnesses}",
            cause.words()
        );
        Sign::Creeps {
            cause,
            reason,
            since,
        }
    }
}

/// Where windows lie, and how far one may lie from another by noise alone; `None` of too few.
fn usual(windows: &[Window]) -> Option<(f64, f64)> {
    if windows.len() < REFERENCE {
        return None;
    }
    let medians: Vec<f64> = windows.iter().map(|w| w.median).collect();
    let (centre, between) = robust(&medians);
    let spreads: Vec<f64> = windows.iter().map(|w| w.spread).collect();
    let within = median(&spreads);
    Some((centre, between.max(within).max(1e-6 * centre.abs())))
}

/// The median, and the spread around it that would be the standard deviation of normal numbers.
fn robust(values: &[f64]) -> (f64, f64) {
    let centre = median(values);
    let away: Vec<f64> = values.iter().map(|v| (v - centre).abs()).collect();
    (centre, NORMAL * median(&away))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of so many iterations; the first sign, and when it came.
    fn first(length: i64, values: impl Fn(i64) -> Vec<(&'static str, f64)>) -> Option<(i64, Sign)> {
        let mut trend = Trend::new(50, 50.0, 1e4);
        (1..=length).find_map(|i| {
            let named: Vec<_> = values(i)
                .into_iter()
                .map(|(n, v)| (n.to_owned(), v))
                .collect();
            trend.look(i, &named).map(|sign| (i, sign))
        })
    }

    /// Noise between -1 and 1 that is the same each time.
    fn noise(i: i64) -> f64 {
        let hashed = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11;
        2.0 * (hashed as f64 / (1u64 << 53) as f64) - 1.0
    }

    #[test]
    fn a_gap_that_creeps_is_seen_before_the_bound_and_dated() {
        let creeping = |sign: f64| {
            first(2_000, move |i| {
                let away = (i - 600).max(0) as f64;
                vec![("gap", noise(i) + sign * 0.04 * away)]
            })
        };
        for (sign, wanted) in [(1.0, Cause::Behind), (-1.0, Cause::Beaten)] {
            let Some((at, Sign::Creeps { cause, since, .. })) = creeping(sign) else {
                panic!("nothing was seen");
            };
            assert_eq!(cause, wanted);
            // Beyond ±50 it would be at 1,850; at a fifth of that, at 850.
            assert!((850..=950).contains(&at), "{at}");
            assert!((550..=650).contains(&since), "{since}");
        }
    }

    #[test]
    fn norms_that_move_are_said_beside_and_never_alone() {
        let grown = |i: i64| 2.0 + 0.01 * (i - 600).max(0) as f64;
        assert_eq!(first(3_000, |i| vec![("grad_norm", grown(i))]), None);
        let creeping = |i: i64| {
            vec![
                ("gap", noise(i) + 0.04 * (i - 600).max(0) as f64),
                ("grad_norm", grown(i)),
                ("sampler_grad_norm", 1.0 + 0.1 * noise(i)),
                ("at_clamp", 0.001 * (i - 600).max(0) as f64),
            ]
        };
        let Some((_, Sign::Creeps { reason, .. })) = first(2_000, creeping) else {
            panic!("nothing was seen");
        };
        assert!(reason.contains("; grad_norm from 2.000 to "), "{reason}");
        assert!(!reason.contains("sampler_grad_norm"), "{reason}");
        // From nothing at all is a rise, too.
        assert!(reason.contains("; at_clamp from 0.000 to "), "{reason}");
    }

    #[test]
    fn noise_steps_and_what_settles_are_no_trend() {
        assert_eq!(first(5_000, |i| vec![("gap", 8.0 * noise(i))]), None);
        // A transient at the beginning.
        let settles = |i: i64| 30.0 * (-(i as f64) / 200.0).exp() + noise(i);
        assert_eq!(first(5_000, |i| vec![("gap", settles(i))]), None);
        // One wild window among quiet ones.
        let wild = |i: i64| {
            if (700..720).contains(&i) {
                45.0
            } else {
                noise(i)
            }
        };
        assert_eq!(first(5_000, |i| vec![("gap", wild(i))]), None);
        // Far from 0, but at rest.
        assert_eq!(first(5_000, |i| vec![("gap", 20.0 + noise(i))]), None);
        // Small, however steady.
        assert_eq!(first(2_000, |i| vec![("gap", 0.004 * i as f64)]), None);
    }

    #[test]
    fn energies_that_drift_together_are_seen() {
        let both = |i: i64| {
            let e = 5.0 * (i - 500).max(0) as f64 + noise(i);
            vec![
                ("e_data", e),
                ("e_fake", e + 0.5),
                ("gap", 0.5 + noise(i + 1)),
            ]
        };
        let Some((at, Sign::Creeps { cause, .. })) = first(3_000, both) else {
            panic!("nothing was seen");
        };
        assert_eq!((cause, at), (Cause::Drift, 950));
        let apart = |i: i64| {
            let e = 5.0 * (i - 500).max(0) as f64;
            vec![("e_data", e), ("e_fake", -e)]
        };
        assert_eq!(first(3_000, apart), None);
    }

    #[test]
    fn a_margin_that_goes_is_a_collapse_and_said_once() {
        let mut trend = Trend::new(50, 50.0, 1e4);
        let mut seen = Vec::new();
        for i in 1..=1_500 {
            let noise_energy = if i < 600 { 4.0 + noise(i) } else { -0.1 };
            let values = [
                ("e_noise".to_owned(), noise_energy),
                ("e_data".to_owned(), 0.0),
            ];
            seen.extend(trend.look(i, &values).map(|sign| (i, sign)));
        }
        // The first three windows that are below, whole.
        assert!(matches!(seen[..], [(750, Sign::Collapsed(_))]), "{seen:?}");
    }

    #[test]
    fn it_goes_on_from_what_it_kept() {
        let value = |i: i64| {
            vec![(
                "gap".to_owned(),
                noise(i) / 3.0 + 0.05 * (i - 400).max(0) as f64,
            )]
        };
        let mut whole = Trend::new(50, 50.0, 1e4);
        let mut signs = Vec::new();
        for i in 1..=1_000 {
            signs.extend(whole.look(i, &value(i)).map(|s| (i, s)));
        }
        let mut halves = Vec::new();
        let mut trend = Trend::new(50, 50.0, 1e4);
        for i in 1..=1_000 {
            halves.extend(trend.look(i, &value(i)).map(|s| (i, s)));
            if i == 533 {
                let kept: Json = serde_json::from_str(&trend.save().to_string()).unwrap();
                trend = Trend::new(50, 50.0, 1e4);
                trend.load(&kept).unwrap();
            }
        }
        assert!(!signs.is_empty());
        assert_eq!(signs, halves);
    }
}
