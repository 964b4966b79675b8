//! How some work went on a rank, as a number that travels. Of an error the others need to know what
//! they act on: a training goes back where a number is not finite, and ends in order where the user
//! asked to stop.

use crate::error::{ErrorKind, Result};

pub(crate) const WELL: f64 = 0.0;
pub(crate) const NOT_FINITE: f64 = 1.0;
pub(crate) const FAILED: f64 = 2.0;
pub(crate) const INTERRUPTED: f64 = 3.0;

/// The number of an outcome.
pub(crate) fn number<T>(outcome: &Result<T>) -> f64 {
    match outcome.as_ref().map_err(|e| e.kind()) {
        Ok(_) => WELL,
        Err(ErrorKind::NonFinite) => NOT_FINITE,
        Err(ErrorKind::Interrupted) => INTERRUPTED,
        Err(_) => FAILED,
    }
}

/// What kind of error a number stands for.
pub(crate) fn kind(number: f64) -> ErrorKind {
    match number {
        NOT_FINITE => ErrorKind::NonFinite,
        INTERRUPTED => ErrorKind::Interrupted,
        _ => ErrorKind::Callback,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn what_others_act_on_arrives() {
        for sent in [
            ErrorKind::NonFinite,
            ErrorKind::Interrupted,
            ErrorKind::Callback,
        ] {
            assert_eq!(kind(number::<()>(&Err(Error::new(sent, "x")))), sent);
        }
        assert_eq!(number(&Ok(())), WELL);
        assert_eq!(number::<()>(&Err(Error::shape("x"))), FAILED);
    }
}
