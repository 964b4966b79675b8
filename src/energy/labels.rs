//! Labels that an energy can be given.

use crate::error::{Error, Result};
use crate::tensor::{Device, Kind, Tensor, kind_name};

/// Labels `[B]` of whole numbers.
pub(crate) fn check_label_shape(name: &str, y: &Tensor, rows: i64) -> Result<()> {
    if y.ndim() != 1 || y.len() != rows {
        return Err(Error::shape(format!(
            "{name}: needs one label per row, [{rows}], got labels {:?}",
            y.shape()
        )));
    }
    if y.is_float() || y.kind() == Kind::Bool {
        return Err(Error::argument(format!(
            "{name}: labels must be whole numbers (int64), got {}",
            kind_name(y.kind())
        ))
        .with_hint("`.to(\"int64\")` makes them so"));
    }
    Ok(())
}

/// Labels that fit logits `[B, C]`. Their range is looked at on the CPU only: elsewhere it would
/// stop the device's queue.
pub(crate) fn check_labels(name: &str, y: &Tensor, logits: &Tensor) -> Result<()> {
    if logits.ndim() != 2 {
        return Err(Error::shape(format!(
            "{name}: needs logits [B, classes], got {:?}",
            logits.shape()
        )));
    }
    check_label_shape(name, y, logits.len())?;
    let classes = logits.shape()[1];
    if y.device() == Device::Cpu && !y.is_empty() {
        let (low, high) = (
            y.raw().f_min()?.f_int64_value(&[])?,
            y.raw().f_max()?.f_int64_value(&[])?,
        );
        if low < 0 || high >= classes {
            let wrong = if low < 0 { low } else { high };
            return Err(Error::argument(format!(
                "{name}: label {wrong} for {classes} classes, counted from 0"
            ))
            .with_hint("the network needs one output per class"));
        }
    }
    Ok(())
}
