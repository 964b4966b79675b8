//! What is left out, and what it would cost.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use super::*;

fn nap(ms: u64) {
    std::thread::sleep(std::time::Duration::from_millis(ms));
}

#[test]
fn what_is_left_out_adds_up() {
    start(None);
    // 10 × (rest + 5 × inner): the inner work is done 50 times in all.
    let (_, wall, real) = timed(|| {
        repeated("outer", 1, 10, || {
            nap(10);
            repeated("inner", 1, 5, || nap(10));
        });
    });
    assert!(wall >= 0.02);
    let expected = 10.0 * (0.01 + 5.0 * 0.01);
    assert!(real.low >= expected, "{real:?}");
    assert!(
        finish().unwrap().missing.is_empty(),
        "timed work is counted by its caller"
    );
    assert_eq!(cut(100, 2), 100);
}

#[test]
fn the_first_turn_is_no_rate() {
    start(None);
    turns("loop", 1_000, 2, |i| {
        nap(if i == 0 { 200 } else { 5 });
        Ok::<(), ()>(())
    })
    .unwrap();
    let missing = finish().unwrap().missing["loop"];
    // Near 1,000 × 5 ms; 1,000 × 102 ms were it the mean.
    assert!((4.0..40.0).contains(&missing.high), "{missing:?}");
}

#[test]
fn rows_cost_what_a_batch_and_a_row_cost() {
    start(None);
    let calls = std::cell::Cell::new(0);
    let one = Rows {
        what: "rows",
        key: "sleeper",
        here: 16,
        real: 10_000,
        batch: 100,
    };
    // A cold start of 150 ms, then 4 ms a batch and 100 µs a row: 100 × 4 ms + 10,000 × 100 µs =
    // 1.4 s.
    let work = |n: i64| {
        if calls.replace(calls.get() + 1) == 0 {
            nap(150);
        }
        std::thread::sleep(std::time::Duration::from_micros(4_000 + 100 * n as u64));
        Ok::<(), ()>(())
    };
    rows(&one, work).unwrap();
    let asked = calls.get();
    rows(&one, work).unwrap();
    assert_eq!(calls.get(), asked + 1, "the pace is known");
    let found = finish().unwrap();
    let missing = found.missing["rows"];
    assert!(found.probed > 0.0);
    assert!(
        missing.low > 1.2 && missing.high < 9.0 && missing.high / missing.low < 2.5,
        "{missing:?}"
    );
}

#[test]
fn independent_errors_do_not_add_their_worst() {
    let (a, b) = (
        Span {
            low: 1.0,
            high: 3.0,
        },
        Span {
            low: 10.0,
            high: 12.0,
        },
    );
    let both = a.beside(b);
    assert!(
        (both.middle() - 13.0).abs() < 1e-12 && (both.high - both.low - 8f64.sqrt()).abs() < 1e-12
    );
    assert_eq!(
        a.plus(b),
        Span {
            low: 11.0,
            high: 15.0
        }
    );
}
