//! Runs that are over, or under way elsewhere: read, compared, and planned as the points of a
//! sweep. Nothing here writes to a run.

mod compare;
mod read;
mod sweep;

pub use compare::{
    CLAIM, Comparison, Group, Measured, Spread, Wanted, compare, larger, main_metric,
};
pub use read::{At, Past, Series, Set, State, find, progress};
pub use sweep::{Axis, Point, Values, points};
