//! What differs between the processor and other devices, both ways on the processor; and what no
//! other test would notice.

use super::*;
use crate::tensor::{Stream, seed};

#[test]
fn both_ways_to_start_anew_give_the_same() -> Result<()> {
    seed(6, Stream::Train, 0);
    let options = ReplayOptions {
        size: 8,
        range: (5.0, 6.0),
        ..ReplayOptions::default()
    };
    let replay = Replay::new(&[2, 3], &options)?;
    let inner = replay.0.borrow();
    let old = Tensor::zeros(&[4, 2, 3])?;
    let index = Tensor::of_ints(&[1, 0, 7, 3])?;
    for marked in [[true, false, false, true], [false; 4], [true; 4]] {
        let anew = Tensor::of_ints(&marked.map(i64::from))?.to_kind(Kind::Bool)?;
        for made in [
            inner.renewed_by_rows(&old, &anew, &index)?,
            inner.renewed_at_once(&old, &anew, &index)?,
        ] {
            for (row, marked) in marked.iter().enumerate() {
                let values = made.get(row as i64)?.to_vec()?;
                let fits = |v: &f64| {
                    if *marked {
                        (5.0..=6.0).contains(v)
                    } else {
                        *v == 0.0
                    }
                };
                assert!(
                    values.len() == 6 && values.iter().all(fits),
                    "{marked} {values:?}"
                );
            }
        }
    }
    Ok(())
}

/// A processor writes rows in their order, so only the choice of rows shows what a device, which
/// does not, would write.
#[test]
fn chains_of_one_entry_all_write_the_last_of_them() -> Result<()> {
    let last = last_chain(&Tensor::of_ints(&[3, 1, 3, 2, 1, 3])?)?;
    assert_eq!(last.to_ints()?, [5, 4, 5, 3, 4, 5]);
    let x = Tensor::arange(0.0, 6.0, 1.0)?.reshape(&[6, 1])?;
    assert_eq!(
        ends(&Tensor::of_ints(&[3, 1, 3, 2, 1, 3])?, &x)?.to_vec()?,
        [5.0, 4.0, 5.0, 3.0, 4.0, 5.0]
    );
    Ok(())
}
