//! What cannot be judged is refused: a number of samples that are not numbers, or of logits taken
//! for probabilities, would be NaN, 0 or infinite, or worse, look right.

use crate::error::{Error, ErrorKind, Result};
use crate::tensor::{Kind, Tensor};

/// How far the sum of a row of probabilities may be from 1: those of half precision are that rough.
const ROUGH: f64 = 5e-3;

/// An error where a value is infinite or not a number; `what` says what they are.
pub(super) fn finite(owner: &str, what: &str, values: &Tensor) -> Result<()> {
    if values.is_empty() || values.isfinite()?.all()? {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::NonFinite,
        format!("{owner}: some {what} are infinite or not a number"),
    )
    .with_hint("samples of a chain that exploded, or a network that diverged, cannot be judged"))
}

/// An error where rows `[N, C]` are no probabilities of classes.
pub(super) fn probabilities(owner: &str, rows: &Tensor) -> Result<()> {
    finite(owner, "probabilities", rows)?;
    let rows = rows.to_kind(Kind::Double)?;
    let off = rows.sum_dims(&[1], false)?.sub(1.0)?.abs()?.max()?.item()?;
    if rows.min()?.item()? < -ROUGH || off > ROUGH {
        return Err(Error::argument(format!(
            "{owner}: needs probabilities, rows of numbers from 0 that add up to 1"
        ))
        .with_hint("are these logits? `.softmax(1)` makes probabilities of them"));
    }
    Ok(())
}
