//! How a tensor prints: a header with shape, type and device, then its values, cut in the middle
//! where there are many.

use std::fmt;

use super::{Kind, Tensor, device_name, kind_name};

/// Rows or columns shown at each end before the middle is cut.
const EDGE: i64 = 3;

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.detach();
        if plain.ndim() == 0 {
            return match entry(&plain) {
                Ok(text) => f.write_str(&text),
                Err(error) => write!(f, "{error}"),
            };
        }
        write!(
            f,
            "tensor {:?} {} on {}",
            plain.shape(),
            kind_name(plain.kind()),
            device_name(plain.device())
        )?;
        if !plain.is_empty() {
            write!(f, "\n{}", body(&plain, 0).unwrap_or_default())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn body(t: &Tensor, indent: usize) -> crate::error::Result<String> {
    let n = t.len();
    let shown: Vec<Option<i64>> = if n <= 2 * EDGE + 2 {
        (0..n).map(Some).collect()
    } else {
        (0..EDGE)
            .map(Some)
            .chain([None])
            .chain((n - EDGE..n).map(Some))
            .collect()
    };
    let mut parts = Vec::new();
    for index in shown {
        parts.push(match index {
            None => "…".to_owned(),
            Some(i) if t.ndim() == 1 => entry(&t.get(i)?)?,
            Some(i) => body(&t.get(i)?, indent + 1)?,
        });
    }
    let separator = if t.ndim() == 1 {
        ", ".to_owned()
    } else {
        format!(",\n{}", " ".repeat(indent + 1))
    };
    Ok(format!("[{}]", parts.join(&separator)))
}

/// The one number of a tensor: `1.5`, of a complex one `1.5-2i`.
fn entry(t: &Tensor) -> crate::error::Result<String> {
    if !t.is_complex() {
        return Ok(number(t.item()?, t.kind()));
    }
    let parts = Tensor::from(t.raw().f_view_as_real()?).to_vec()?;
    let imaginary = number(parts[1], Kind::Float);
    let plus = if imaginary.starts_with('-') { "" } else { "+" };
    Ok(format!(
        "{}{plus}{imaginary}i",
        number(parts[0], Kind::Float)
    ))
}

/// A number in at most four decimals, or with an exponent where those would hide it.
fn number(value: f64, kind: Kind) -> String {
    match kind {
        Kind::Bool => (value != 0.0).to_string(),
        Kind::Int64 | Kind::Int | Kind::Uint8 | Kind::Int8 | Kind::Int16 => {
            format!("{}", value as i64)
        }
        _ if value == 0.0 || !value.is_finite() => format!("{value}"),
        _ if value.abs() >= 1e5 || value.abs() < 1e-3 => format!("{value:.4e}"),
        _ => {
            let text = format!("{value:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}
