//! What work on rows costs, from a few of them: seconds of a batch, and seconds of a row.

use std::time::Instant;

use super::{Span, add, on, probed, timed, with};

/// Seconds of work on rows: of each batch, and of each row.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    batch: f64,
    row: Span,
}

/// Seconds for measuring work on rows: of one kind, and of all.
const ONE_KIND: f64 = 0.6;
const ALL_KINDS: f64 = 6.0;

/// Work on rows in batches, of which a dry run has few.
pub struct Rows<'a> {
    /// What kind of work.
    pub what: &'static str,
    /// What its pace depends on: the work, the model, the shape of a row.
    pub key: &'a str,
    /// The rows that are here.
    pub here: i64,
    /// The rows of the real run.
    pub real: i64,
    /// Rows that are worked on at a time.
    pub batch: i64,
}

/// Does work on a few rows, and counts what all of them would take. `work` is asked for a number of
/// rows, and may be asked again, with more of them, to see what a batch costs and what a row.
pub fn rows<T, E>(
    rows: &Rows,
    work: impl Fn(i64) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    if !on() || rows.real <= rows.here || rows.here == 0 {
        return work(rows.here);
    }
    let (value, wall, first) = timed(|| work(rows.here));
    let value = value?;
    let pace = match with(|s| s.paces.get(rows.key).copied()).flatten() {
        Some(pace) => pace,
        None => {
            let pace = measured(rows, first, wall, &work)?;
            with(|s| s.paces.insert(rows.key.to_owned(), pace));
            pace
        }
    };
    let batches = (rows.real as f64 / rows.batch.max(1) as f64).ceil();
    let all = pace
        .row
        .by(rows.real as f64)
        .plus(Span::exactly(batches * pace.batch));
    add(
        rows.what,
        Span {
            low: all.low - wall,
            high: all.high - wall,
        },
    );
    Ok(value)
}

/// The pace of work, from the few rows once more, now warm, and from a larger batch.
fn measured<T, E>(
    rows: &Rows,
    first: Span,
    wall: f64,
    work: &impl Fn(i64) -> std::result::Result<T, E>,
) -> std::result::Result<Pace, E> {
    let started = Instant::now();
    let allowed = |seconds: f64| {
        started.elapsed().as_secs_f64() + seconds < ONE_KIND && probed(0.0) + seconds < ALL_KINDS
    };
    let probe = |n: i64| {
        let (value, wall, real) = timed(|| work(n));
        probed(wall);
        value.map(|_| (wall, real))
    };
    let here = rows.here as f64;
    if !allowed(wall) {
        // One cold look: more rows at a time cost less each.
        let row = Span {
            low: 0.2 * first.low / here,
            high: first.high / here,
        };
        return Ok(Pace { batch: 0.0, row });
    }
    let (mut warm_wall, mut warm) = probe(rows.here)?;
    if allowed(warm_wall) {
        let (again_wall, again) = probe(rows.here)?;
        if again.high < warm.high {
            (warm_wall, warm) = (again_wall, again);
        }
    }
    let most = rows.batch.min(rows.real);
    let (mut n, mut seen, mut seen_wall) = (rows.here, warm, warm_wall);
    while n < most {
        let next = (4 * n).min(most);
        // Twice: a new size warms up, too.
        if !allowed(2.0 * seen_wall * next as f64 / n as f64) {
            break;
        }
        let (a, b) = (probe(next)?, probe(next)?);
        let better = if a.1.high < b.1.high { a } else { b };
        (n, seen_wall, seen) = (next, better.0, better.1);
    }
    let row = if n > rows.here {
        let slope = |warm: f64, seen: f64| ((seen - warm) / (n as f64 - here)).max(0.0);
        // The larger the batch was, the surer the slope.
        let sure = (n as f64 / most as f64).sqrt();
        Span {
            low: slope(warm.low, seen.low) * (0.6 + 0.35 * sure),
            high: slope(warm.high, seen.high) * 1.1,
        }
    } else {
        Span {
            low: 0.3 * warm.low / here,
            high: warm.high / here,
        }
    };
    // What is no row's is a batch's.
    let batch = if n > rows.here {
        (warm.low - here * row.high / 1.1).max(0.0)
    } else {
        0.0
    };
    Ok(Pace { batch, row })
}
