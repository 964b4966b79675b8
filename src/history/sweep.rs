//! The points of a sweep: all combinations of some values, or random ones among them.
//!
//! `lr=1e-4,3e-4` lists values, `seed=0..5` counts 0, 1, 2, 3, 4 (`0..=5` one more),
//! `lr=1e-5..1e-2:log` is a range of which random points are drawn: of a float also where the ends
//! are whole (`0..1`). The name of a point's folder says its values, so the same sweep finds its
//! runs again.

use crate::error::{Error, Result};
use crate::run::hash;

/// More runs than this are a slip.
const MOST: usize = 100_000;
/// Longer folder names are cut.
const NAME: usize = 120;

/// One parameter of a sweep, or the seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The parameter.
    pub name: String,
    /// What it may be.
    pub values: Values,
    /// The ends of a range that counts.
    ends: Option<(f64, f64)>,
    /// Whether what is drawn from a range is rounded.
    whole: bool,
}

/// The values of an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// These.
    Listed(Vec<String>),
    /// Any between two ends, evenly or evenly in the logarithm.
    Between(f64, f64, bool),
}

/// One run of a sweep: the value of each parameter, as it stands on the command line.
#[derive(Clone, Debug, PartialEq)]
pub struct Point(pub Vec<(String, String)>);

impl Axis {
    /// Reads `name=values`.
    pub fn parse(text: &str) -> Result<Axis> {
        let (name, values) = text
            .split_once('=')
            .map(|(n, v)| (n.trim(), v.trim()))
            .unwrap_or_default();
        let wrong = |said: &str| {
            Error::argument(format!("sweep: `{text}`: {said}"))
                .with_hint("as in lr=1e-4,3e-4 or seed=0..5 or, with --random, lr=1e-5..1e-2:log")
        };
        if name.is_empty() || values.is_empty() {
            return Err(wrong("parameters are written name=value,value"));
        }
        let (values, ends) = match range(values) {
            Some(found) => found.map_err(|said| wrong(&said))?,
            None => (Values::Listed(pieces(values)), None),
        };
        if let Values::Listed(list) = &values {
            if let Some(i) = (1..list.len()).find(|i| list[..*i].contains(&list[*i])) {
                return Err(wrong(&format!("`{}` stands there twice", list[i])));
            }
            if list.iter().any(String::is_empty) {
                return Err(wrong("a value is missing"));
            }
            if name == "seed" && list.iter().any(|s| s.parse::<u64>().is_err()) {
                return Err(wrong("seeds are whole numbers from 0"));
            }
        } else if name == "seed" {
            return Err(wrong("seeds are whole numbers from 0"));
        }
        Ok(Axis {
            name: name.to_owned(),
            values,
            ends,
            whole: false,
        })
    }

    /// Where a range counts, numbers between its ends are meant: the parameter is a float.
    pub fn draw_floats(&mut self) {
        if let Some((low, high)) = self.ends
            && low < high
        {
            self.values = Values::Between(low, high, false);
        }
    }

    /// What is drawn from a range is a whole number, as the parameter is.
    pub fn draw_whole(&mut self) {
        self.whole = true;
    }
}

impl Point {
    /// The seed, if the sweep names one.
    pub fn seed(&self) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n == "seed")
            .map(|(_, v)| v.as_str())
    }

    /// The parameters besides the seed.
    pub fn params(&self) -> impl Iterator<Item = &(String, String)> {
        self.0.iter().filter(|(n, _)| n != "seed")
    }

    /// The name of the run's folder: its values, with a hash where a name cannot say them.
    pub fn folder(&self) -> String {
        let whole = self
            .0
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect::<Vec<_>>()
            .join(",");
        let plain = |c: char| c.is_alphanumeric() || "=,.+-_".contains(c);
        let name: String = whole
            .chars()
            .map(|c| if plain(c) { c } else { '_' })
            .take(NAME)
            .collect();
        if name == whole && !name.starts_with('.') {
            name
        } else {
            format!("_{name}-{:08x}", hash(&whole) as u32)
        }
    }
}

/// The points of a sweep, in order: the last axis changes fastest. Of random points there are
/// `random` (drawn from a seed), each with all the seeds that the sweep names.
pub fn points(axes: &[Axis], random: Option<(usize, u64)>) -> Result<Vec<Point>> {
    if let Some(i) = (1..axes.len()).find(|i| axes[..*i].iter().any(|a| a.name == axes[*i].name)) {
        return Err(Error::argument(format!(
            "sweep: `{}` stands there twice",
            axes[i].name
        )));
    }
    let Some((wanted, seed)) = random else {
        return grid(axes);
    };
    if wanted == 0 {
        return Err(Error::argument("sweep: --random must be at least 1"));
    }
    let (seeds, others): (Vec<Axis>, Vec<Axis>) =
        axes.iter().cloned().partition(|a| a.name == "seed");
    if others.is_empty() {
        return Err(Error::argument(
            "sweep: --random needs parameters besides the seed",
        ));
    }
    let drawn = drawn(&others, wanted, seed)?;
    let seeds = grid(&seeds)?;
    if drawn.len().saturating_mul(seeds.len()) > MOST {
        return Err(too_many());
    }
    Ok(drawn
        .iter()
        .flat_map(|p| {
            seeds
                .iter()
                .map(|s| Point([p.0.clone(), s.0.clone()].concat()))
        })
        .collect())
}

fn too_many() -> Error {
    Error::argument(format!("sweep: more than {MOST} runs")).with_hint("--random N draws N of them")
}

fn grid(axes: &[Axis]) -> Result<Vec<Point>> {
    let mut all = vec![Point(Vec::new())];
    for axis in axes {
        let Values::Listed(list) = &axis.values else {
            return Err(Error::argument(format!(
                "sweep: `{}` is a range of numbers: a grid needs single ones",
                axis.name
            ))
            .with_hint("list values, or draw them with --random N"));
        };
        if all.len().saturating_mul(list.len()) > MOST {
            return Err(too_many());
        }
        let one = |p: &Point, v: &String| {
            Point([p.0.as_slice(), &[(axis.name.clone(), v.clone())]].concat())
        };
        all = all
            .iter()
            .flat_map(|p| list.iter().map(move |v| one(p, v)))
            .collect();
    }
    Ok(all)
}

/// Different random points; the whole grid where it is not larger.
fn drawn(axes: &[Axis], wanted: usize, seed: u64) -> Result<Vec<Point>> {
    let sizes = axes.iter().map(|a| match &a.values {
        Values::Listed(list) => list.len(),
        Values::Between(..) => usize::MAX,
    });
    if sizes.fold(1usize, usize::saturating_mul) <= wanted {
        return grid(axes);
    }
    if wanted > MOST {
        return Err(too_many());
    }
    let mut state = seed;
    let mut uniform = || {
        // SplitMix64: small, and the same everywhere.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut all: Vec<Point> = Vec::new();
    // A range so narrow that its values print alike gives fewer points.
    for _ in 0..wanted.saturating_mul(100) {
        let value = |axis: &Axis| {
            let u = uniform();
            let text = match &axis.values {
                Values::Listed(list) => list[(u * list.len() as f64) as usize].clone(),
                Values::Between(low, high, log) => {
                    let x = if *log {
                        (low.ln() + u * (high.ln() - low.ln())).exp()
                    } else {
                        low + u * (high - low)
                    };
                    if axis.whole {
                        format!("{}", x.round().clamp(low.ceil(), high.floor()) as i64)
                    } else {
                        short(x)
                    }
                }
            };
            (axis.name.clone(), text)
        };
        let point = Point(axes.iter().map(value).collect());
        if !all.contains(&point) {
            all.push(point);
        }
        if all.len() == wanted {
            break;
        }
    }
    Ok(all)
}

/// Four digits.
fn short(value: f64) -> String {
    format!("{value:.3e}")
}

/// The values of a range, and its ends where it counts.
type Ranged = (Values, Option<(f64, f64)>);

/// A range, if the text is one.
fn range(text: &str) -> Option<std::result::Result<Ranged, String>> {
    let (low, high) = text.split_once("..")?;
    let (high, log) = high
        .strip_suffix(":log")
        .map_or((high, false), |h| (h, true));
    let (last, closed) = high.strip_prefix('=').map_or((high, false), |h| (h, true));
    if let (Ok(low), Ok(high), false) = (low.parse::<i64>(), last.parse::<i64>(), log) {
        let count = high
            .checked_sub(low)
            .and_then(|n| n.checked_add(i64::from(closed)))
            .unwrap_or(i64::MAX);
        return Some(match count {
            n if n < 1 => Err("the range is empty".to_owned()),
            // Too many to list, not to draw from.
            n if n > MOST as i64 => Ok((Values::Between(low as f64, high as f64, false), None)),
            n => {
                let list = (low..low + n).map(|i| i.to_string()).collect();
                Ok((Values::Listed(list), Some((low as f64, high as f64))))
            }
        });
    }
    // A text with two dots in it, a path say, is no range.
    let (low, high) = (low.parse::<f64>().ok()?, last.parse::<f64>().ok()?);
    Some(
        match (
            low.is_finite() && high.is_finite() && low < high,
            log && low <= 0.0,
        ) {
            (false, _) => Err("the range is empty".to_owned()),
            (_, true) => Err("a logarithmic range starts above 0".to_owned()),
            _ => Ok((Values::Between(low, high, log), None)),
        },
    )
}

/// The values between commas; commas inside brackets, braces and quotes belong to a value.
fn pieces(text: &str) -> Vec<String> {
    let (mut all, mut depth, mut quoted) = (vec![String::new()], 0, false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            _ => {}
        }
        match (c, all.last_mut()) {
            (',', _) if depth == 0 && !quoted => all.push(String::new()),
            (c, Some(last)) => last.push(c),
            _ => {}
        }
    }
    all.iter().map(|v| v.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(texts: &[&str]) -> Result<Vec<Axis>> {
        texts.iter().map(|t| Axis::parse(t)).collect()
    }

    fn names(texts: &[&str], random: Option<(usize, u64)>) -> Result<Vec<String>> {
        Ok(points(&axes(texts)?, random)?
            .iter()
            .map(Point::folder)
            .collect())
    }

    #[test]
    fn a_grid_has_all_combinations() -> Result<()> {
        assert_eq!(
            names(&["lr=1e-4,3e-4", "seed=0..2"], None)?,
            [
                "lr=1e-4,seed=0",
                "lr=1e-4,seed=1",
                "lr=3e-4,seed=0",
                "lr=3e-4,seed=1"
            ]
        );
        assert_eq!(names(&["n=3..=5"], None)?, ["n=3", "n=4", "n=5"]);
        let lists = points(&axes(&["sizes=[1, 2],[3]", "name=\"a,b\",c"])?, None)?;
        assert_eq!(lists.len(), 4);
        assert_eq!(lists[0].0[0].1, "[1, 2]");
        assert_eq!(names(&["file=../a..b"], None)?.len(), 1);
        Ok(())
    }

    #[test]
    fn names_of_folders_are_safe_and_differ() -> Result<()> {
        let all = names(&["file=/data/a,_data_a,../../x"], None)?;
        assert!(
            all.iter().all(|n| !n.contains('/') && !n.starts_with('.')),
            "{all:?}"
        );
        assert_ne!(all[0], all[1]);
        let long = names(
            &[&format!("a={},{}", "x".repeat(300), "x".repeat(301))],
            None,
        )?;
        assert!(long[0] != long[1] && long[0].len() < 140, "{long:?}");
        Ok(())
    }

    #[test]
    fn random_points_are_the_same_each_time_and_in_range() -> Result<()> {
        let asked = axes(&["lr=1e-5..1e-1:log", "steps=10,20,40", "seed=0..3"])?;
        let all = points(&asked, Some((200, 7)))?;
        assert_eq!(all.len(), 600);
        assert_eq!(all, points(&asked, Some((200, 7)))?);
        assert_ne!(all, points(&asked, Some((200, 8)))?);
        assert_eq!(
            points(&asked, Some((20, 7)))?,
            all[..60],
            "more points go on where fewer ended"
        );
        let rates: Vec<f64> = all
            .iter()
            .map(|p| p.0[0].1.parse().unwrap_or(f64::NAN))
            .collect();
        assert!(rates.iter().all(|r| (1e-5..=1e-1).contains(r)));
        let low = rates.iter().filter(|r| **r < 1e-3).count() as f64 / rates.len() as f64;
        assert!(
            (low - 0.5).abs() < 0.12,
            "half of the points lie in half of the decades, not {low}"
        );
        assert_eq!(points(&axes(&["steps=10,20,40"])?, Some((9, 0)))?.len(), 3);
        Ok(())
    }

    #[test]
    fn the_parameters_type_says_what_is_drawn() -> Result<()> {
        let drawn = |text: &str, change: fn(&mut Axis)| -> Result<Vec<f64>> {
            let mut axis = Axis::parse(text)?;
            change(&mut axis);
            let all = points(&[axis], Some((50, 3)))?;
            Ok(all
                .iter()
                .map(|p| p.0[0].1.parse().unwrap_or(f64::NAN))
                .collect())
        };
        for text in ["p=0..1", "p=0..=1", "p=-1..1"] {
            let floats = drawn(text, Axis::draw_floats)?;
            assert_eq!(floats.len(), 50, "{text}");
            assert!(
                floats
                    .iter()
                    .all(|x| (-1.0..=1.0).contains(x) && x.fract() != 0.0),
                "{floats:?}"
            );
        }
        for text in ["p=10..1000:log", "p=1.0..500.0", "p=0..1000000"] {
            let whole = drawn(text, Axis::draw_whole)?;
            assert!(
                whole.len() > 40 && whole.iter().all(|x| x.fract() == 0.0),
                "{text}: {whole:?}"
            );
        }
        assert_eq!(drawn("p=0..3", Axis::draw_whole)?, [0.0, 1.0, 2.0]);
        Ok(())
    }

    #[test]
    fn slips_are_explained() {
        for (texts, said) in [
            (vec!["lr"], "name=value"),
            (vec!["lr="], "name=value"),
            (vec!["lr=1,,2"], "missing"),
            (vec!["lr=1,2,1"], "`1` stands there twice"),
            (vec!["seed=a"], "whole numbers"),
            (vec!["seed=5..5"], "empty"),
            (vec!["lr=1e-3..1e-1"], "--random"),
            (vec!["lr=0..0.1:log"], "above 0"),
            (vec!["a=1", "a=2"], "twice"),
            (vec!["a=0..1000", "b=0..1000"], "more than"),
        ] {
            let said_was = names(&texts, None)
                .err()
                .map(|e| e.to_string())
                .unwrap_or_default();
            assert!(said_was.contains(said), "{texts:?}: {said_was}");
        }
    }
}
