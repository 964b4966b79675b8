//! Axes: which values are shown, and where the ticks stand.

use crate::error::{Error, Result};

/// One direction of a chart.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub low: f64,
    pub high: f64,
    pub log: bool,
    pub label: String,
}

impl Axis {
    /// An axis over exactly this range.
    pub(super) fn exact(low: f64, high: f64, label: &str) -> Axis {
        Axis {
            low,
            high,
            log: false,
            label: label.to_owned(),
        }
    }

    /// An axis over these values with a little room, or over a range that the user chose. Values
    /// that are not finite (and, on a logarithmic axis, not positive) do not count; none left is an
    /// error.
    pub(super) fn over(
        who: &str,
        values: impl IntoIterator<Item = f64>,
        chosen: Option<(f64, f64)>,
        log: bool,
        label: &str,
    ) -> Result<Axis> {
        let made = |low: f64, high: f64| Axis {
            low,
            high,
            log,
            label: label.to_owned(),
        };
        if let Some((low, high)) = chosen {
            let possible = low.is_finite() && high.is_finite() && low < high && (!log || low > 0.0);
            // Ends too close to tell apart leave no room for ticks.
            if !possible || high - low <= 1e-12 * low.abs().max(high.abs()) || high - low > 1e300 {
                let positive = if log { " and be positive" } else { "" };
                return Err(Error::argument(format!(
                    "{who}: a range must rise{positive}, got [{low}, {high}]"
                )));
            }
            return Ok(made(low, high));
        }
        let usable = values.into_iter().filter(|v| shown(*v, log));
        let (low, high) = usable.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
            (l.min(v), h.max(v))
        });
        if low > high {
            let positive = if log { "positive and " } else { "" };
            return Err(Error::argument(format!(
                "{who}: nothing to draw, no value is {positive}finite"
            )));
        }
        if log {
            let room = ((high / low).ln() * 0.04).max(0.05).exp();
            return Ok(made(
                (low / room).max(f64::MIN_POSITIVE),
                (high * room).min(f64::MAX),
            ));
        }
        let span = high - low;
        // A constant gets a range around it.
        let room = if span > 1e-12 * low.abs().max(high.abs()) {
            span * 0.04
        } else {
            (low.abs() * 0.1).max(0.5)
        };
        if !(span + 2.0 * room).is_finite() {
            return Err(Error::argument(format!(
                "{who}: values from {low:e} to {high:e} are too far apart to draw"
            ))
            .with_hint("choose a range"));
        }
        Ok(made(low - room, high + room))
    }

    /// Where a value stands, from 0 at the low end to 1 at the high end; outside the range it is
    /// outside of that.
    pub(super) fn place(&self, value: f64) -> f64 {
        if self.log {
            (value.max(f64::MIN_POSITIVE).ln() - self.low.ln()) / (self.high.ln() - self.low.ln())
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    /// Whether a value can stand on this axis at all.
    pub(super) fn shows(&self, value: f64) -> bool {
        shown(value, self.log)
    }

    /// Whether a value stands within the ends.
    pub(super) fn holds(&self, value: f64) -> bool {
        self.shows(value) && (self.low..=self.high).contains(&value)
    }

    /// About `count` ticks with their texts.
    pub(super) fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        let found = if self.log {
            self.log_ticks(count)
        } else {
            self.linear_ticks(count)
        };
        found
            .into_iter()
            .filter(|(v, _)| (-1e-9..=1.0 + 1e-9).contains(&self.place(*v)))
            .collect()
    }

    /// Multiples of 1, 2 or 5 times a power of ten.
    fn linear_ticks(&self, count: usize) -> Vec<(f64, String)> {
        let rough = (self.high - self.low) / count.max(1) as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|m| m * power)
            .into_iter()
            .find(|s| *s >= rough * 0.999);
        let step = step.unwrap_or(10.0 * power);
        let first = (self.low / step - 1e-9).ceil();
        let many = ((self.high - self.low) / step) as usize + 2;
        let largest = self.low.abs().max(self.high.abs());
        (0..many.min(100))
            .map(|i| (first + i as f64) * step)
            .map(|v| (v, tick(v, step, largest)))
            .collect()
    }

    /// Powers of ten; with 2 and 5 between them where there are few.
    fn log_ticks(&self, count: usize) -> Vec<(f64, String)> {
        let (from, to) = (
            self.low.log10().floor() as i32,
            self.high.log10().ceil() as i32,
        );
        let inside = (self.high.log10().floor() - self.low.log10().ceil()) as i32 + 1;
        if inside < 1 || (inside < 2 && self.high / self.low < 4.0) {
            return self.linear_ticks(count);
        }
        // Every power, or each second, fifth, tenth, …: as many as fit.
        let fitting = |step: &usize| (inside as usize).div_ceil(*step) <= count.max(1);
        let every = [1, 2, 5, 10, 20, 50, 100, 200]
            .into_iter()
            .find(fitting)
            .unwrap_or(500);
        let between: &[f64] = if (inside as usize) * 3 <= count + 2 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let powers = (from..=to).filter(|p| p.rem_euclid(every as i32) == 0);
        // All numbers in one style: plain ones where they are short.
        let plain = self.low > 0.9e-3 && self.high < 1.1e4;
        powers
            .flat_map(|p| between.iter().map(move |m| m * 10f64.powi(p)))
            .map(|v| (v, power_text(v, plain)))
            .collect()
    }
}

fn shown(value: f64, log: bool) -> bool {
    value.is_finite() && (!log || value > 0.0)
}

/// A value on a linear axis, with as many digits as the step needs.
fn tick(value: f64, step: f64, largest: f64) -> String {
    if value.abs() < step * 1e-6 {
        return "0".to_owned();
    }
    let digits = |step: f64| (-(step * 1.000_001).log10().floor()).max(0.0) as usize;
    let text = if largest >= 1e9 || step < 1e-5 {
        let exponent = value.abs().log10().floor() as i32;
        let scale = 10f64.powi(exponent);
        format!(
            "{:.*}×10{}",
            digits(step / scale).min(15),
            value / scale,
            raised(exponent)
        )
    } else if largest >= 1e6 && step >= 1e4 {
        format!("{:.*}M", digits(step / 1e6), value / 1e6)
    } else if largest >= 1e4 && step >= 100.0 {
        format!("{:.*}k", digits(step / 1e3), value / 1e3)
    } else {
        format!("{value:.*}", digits(step))
    };
    text.replace('-', "−")
}

/// A value on a logarithmic axis.
fn power_text(value: f64, plain: bool) -> String {
    if plain || value == 1.0 {
        return format!("{}", (value * 1e6).round() / 1e6);
    }
    let exponent = (value * 1.000_001).log10().floor() as i32;
    match (value / 10f64.powi(exponent)).round() {
        1.0 => format!("10{}", raised(exponent)),
        m => format!("{m}×10{}", raised(exponent)),
    }
}

/// A value in about four digits, as charts write it beside what they draw.
pub(super) fn brief(value: f64, whole: bool) -> String {
    let size = value.abs();
    let text = if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        format!("{}∞", if value < 0.0 { "-" } else { "" })
    } else if size > 0.0 && !(1e-3..1e6).contains(&size) {
        let exponent = size.log10().floor() as i32;
        // In two steps: a power below 10⁻³⁰⁸ is 0.
        let mantissa = value / 10f64.powi(exponent / 2) / 10f64.powi(exponent - exponent / 2);
        format!("{mantissa:.2}×10{}", raised(exponent))
    } else if whole {
        format!("{value:.0}")
    } else {
        let before = size.max(1.0).log10().floor() as usize;
        format!("{value:.*}", 3usize.saturating_sub(before))
    };
    text.replace('-', "−")
}

fn raised(exponent: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digit = |c: char| c.to_digit(10).map_or('⁻', |d| DIGITS[d as usize]);
    exponent.to_string().chars().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(low: f64, high: f64, log: bool, count: usize) -> Vec<String> {
        Axis {
            low,
            high,
            log,
            label: String::new(),
        }
        .ticks(count)
        .into_iter()
        .map(|(_, t)| t)
        .collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(
            texts(-0.04, 1.04, false, 6),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
                .map(|t| { if t == "0.0" { "0" } else { t } })
        );
        assert_eq!(texts(-3.0, 7.0, false, 5), ["−2", "0", "2", "4", "6"]);
        assert_eq!(
            texts(0.0, 25_000.0, false, 5),
            ["0", "5k", "10k", "15k", "20k", "25k"]
        );
        assert_eq!(
            texts(0.0, 2500.0, false, 5),
            ["0", "500", "1000", "1500", "2000", "2500"]
        );
        assert_eq!(
            texts(0.0, 3e-6, false, 3),
            ["0", "1×10⁻⁶", "2×10⁻⁶", "3×10⁻⁶"]
        );
        assert_eq!(
            texts(1e-5, 1.0, true, 6),
            ["10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "1"]
        );
        assert_eq!(texts(0.9, 60.0, true, 6), ["1", "2", "5", "10", "20", "50"]);
        assert_eq!(
            texts(1e-20, 1e20, true, 5),
            ["10⁻²⁰", "10⁻¹⁰", "1", "10¹⁰", "10²⁰"].map(str::to_owned)
        );
    }

    #[test]
    fn values_are_written_briefly() {
        let cases = [0.99, 12.345, 1234.5, 1e-5, -2.5e7, f64::NAN, f64::INFINITY];
        let texts = cases.map(|v| brief(v, false));
        let wanted = [
            "0.990",
            "12.35",
            "1234",
            "1.00×10⁻⁵",
            "−2.50×10⁷",
            "NaN",
            "∞",
        ];
        assert_eq!(texts, wanted);
        assert_eq!(brief(7.0, true), "7");
        assert!(brief(5e-324, false).ends_with("×10⁻³²⁴"));
    }

    #[test]
    fn any_values_give_an_axis_or_an_error() {
        let over = |values: &[f64], log| Axis::over("plot", values.iter().copied(), None, log, "");
        assert!(over(&[], false).is_err());
        assert!(over(&[f64::NAN, f64::INFINITY], false).is_err());
        assert!(over(&[0.0, -1.0], true).is_err());
        assert!(over(&[-1.7e308, 1.7e308], false).is_err());
        for values in [
            &[3.0][..],
            &[0.0, 0.0],
            &[1e-300, 1e300],
            &[5e-324, 1.0],
            &[1e9, 1e9 + 1e-3],
            &[-2.0, f64::NAN],
        ] {
            for log in [false, true] {
                let Ok(axis) = over(values, log) else {
                    continue;
                };
                assert!(axis.low < axis.high, "{axis:?}");
                for count in [0, 1, 3, 10] {
                    assert!(axis.ticks(count).len() < 120, "{axis:?}");
                }
                assert!(
                    values
                        .iter()
                        .filter(|v| axis.shows(**v))
                        .all(|v| (0.0..=1.0).contains(&axis.place(*v)))
                );
            }
        }
        for range in [
            (1.0, 1.0),
            (2.0, 1.0),
            (f64::NAN, 1.0),
            (0.0, f64::INFINITY),
        ] {
            assert!(
                Axis::over("plot", [1.0], Some(range), false, "").is_err(),
                "{range:?}"
            );
        }
        assert!(Axis::over("plot", [1.0], Some((0.0, 1.0)), true, "").is_err());
    }
}
