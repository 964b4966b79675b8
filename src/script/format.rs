//! Numbers as texts, in Python's formats: `.3f`, `d`, `e`, `g`, `%`, `>10`, `06`, `+`, `,`.

use crate::error::{Error, Result};

/// A format, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    fill: char,
    /// `<`, `>`, `^` or `=`: between sign and digits.
    align: char,
    plus: Option<char>,
    width: usize,
    thousands: bool,
    precision: Option<usize>,
    kind: Option<char>,
}

/// Wider texts are slips.
const MOST: usize = 1000;

impl Format {
    /// Takes one apart.
    pub fn of(text: &str) -> Result<Format> {
        let wrong = || {
            Error::argument(format!("fmt: {text:?} is no format of a number")).with_hint(
                "as in Python: \".3f\", \"d\", \".2e\", \"g\", \".1%\", with a width: \"8.3f\"",
            )
        };
        let mut rest: Vec<char> = text.chars().rev().collect();
        let is_align = |c: Option<&char>| matches!(c, Some('<' | '>' | '^' | '='));
        let second = rest.len().checked_sub(2).and_then(|i| rest.get(i));
        let fill = if is_align(second) { rest.pop() } else { None };
        let align = if is_align(rest.last()) {
            rest.pop()
        } else {
            None
        };
        let plus = match rest.last() {
            Some('+' | '-' | ' ') => rest.pop().filter(|c| *c != '-'),
            _ => None,
        };
        let zero = align.is_none() && rest.last() == Some(&'0');
        let width = digits(&mut rest).unwrap_or(0);
        let thousands = rest.last() == Some(&',') && rest.pop().is_some();
        let precision = match rest.last() {
            Some('.') => {
                rest.pop();
                Some(digits(&mut rest).ok_or_else(wrong)?)
            }
            _ => None,
        };
        let kind = rest.pop();
        let known = kind.is_none_or(|k| "defg%".contains(k));
        if !known || !rest.is_empty() || width > MOST || precision.is_some_and(|p| p > MOST) {
            return Err(wrong());
        }
        Ok(Format {
            fill: fill.unwrap_or(if zero { '0' } else { ' ' }),
            align: align.unwrap_or(if zero { '=' } else { '>' }),
            plus,
            width,
            thousands,
            precision,
            kind,
        })
    }
}

fn digits(rest: &mut Vec<char>) -> Option<usize> {
    let mut found = String::new();
    while let Some(c) = rest.pop_if(|c| c.is_ascii_digit()) {
        found.push(c);
    }
    found.parse().ok()
}

/// A number in a format; `whole` tells whether it is a whole one.
pub fn number(x: f64, whole: bool, format: &Format) -> Result<String> {
    let (size, precision) = (x.abs(), format.precision);
    let mut body = match format.kind {
        _ if !x.is_finite() => if x.is_nan() { "nan" } else { "inf" }.to_owned(),
        Some('d') if !whole => {
            return Err(
                Error::argument(format!("fmt: \"d\" is for whole numbers, got {x}"))
                    .with_hint("write \".0f\", or x.to_int()"),
            );
        }
        Some('d') => format!("{size:.0}"),
        Some('e') => exponent(size, precision.unwrap_or(6)),
        Some('f') => format!("{size:.*}", precision.unwrap_or(6)),
        Some('%') => format!("{:.*}", precision.unwrap_or(6), size * 100.0),
        Some(_) => general(size, precision.unwrap_or(6)),
        None if whole && precision.is_none() => format!("{size:.0}"),
        None => match precision {
            Some(precision) => general(size, precision),
            None => format!("{size:?}"),
        },
    };
    if format.thousands && x.is_finite() {
        body = grouped(&body);
    }
    if format.kind == Some('%') {
        body.push('%');
    }
    let sign = match format.plus {
        _ if x.is_sign_negative() && !x.is_nan() => "-".to_owned(),
        plus => plus.map(String::from).unwrap_or_default(),
    };
    let missing = format
        .width
        .saturating_sub(sign.len() + body.chars().count());
    let fill = |count: usize| format.fill.to_string().repeat(count);
    Ok(match format.align {
        '<' => format!("{sign}{body}{}", fill(missing)),
        '^' => format!(
            "{}{sign}{body}{}",
            fill(missing / 2),
            fill(missing - missing / 2)
        ),
        '=' => format!("{sign}{}{body}", fill(missing)),
        _ => format!("{}{sign}{body}", fill(missing)),
    })
}

/// `1.00e-05`: two digits at least behind the `e`, with a sign.
fn exponent(size: f64, precision: usize) -> String {
    let text = format!("{size:.precision$e}");
    match text.split_once('e') {
        Some((digits, power)) => {
            let power: i32 = power.parse().unwrap_or(0);
            let sign = if power < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", power.abs())
        }
        None => text,
    }
}

/// The shorter of both, with so many digits that mean something and no zeros at its end.
fn general(size: f64, precision: usize) -> String {
    let precision = precision.max(1);
    let scientific = exponent(size, precision - 1);
    let (digits, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i64 = power.parse().unwrap_or(0);
    let short = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if power < -4 || power >= precision as i64 {
        let end = &scientific[digits.len()..];
        return format!("{}{end}", short(digits));
    }
    let behind = (precision as i64 - 1 - power).max(0) as usize;
    short(&format!("{size:.behind$}"))
}

/// Commas between thousands.
fn grouped(body: &str) -> String {
    let end = body
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(body.len());
    let (whole, rest) = body.split_at(end);
    let mut made = String::new();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            made.push(',');
        }
        made.push(c);
    }
    made + rest
}
