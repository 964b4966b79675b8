//! Places: where what stands in a script that was rewritten, or among the cells of a session, stood
//! as it was written.

use std::collections::BTreeMap;

/// The name that all cells of a session bear as a script; users see `entry #3` in its place.
pub const SOURCE: &str = "cells";

/// A cell of a session: where its lines begin among all lines.
pub struct Place {
    pub label: String,
    pub text: String,
    pub first: usize,
}

impl Place {
    pub fn lines(&self) -> std::ops::Range<usize> {
        self.first..self.first + self.text.lines().count().max(1)
    }
}

#[derive(Clone, Copy, Debug)]
struct Move {
    /// The column, from 1, in the line as it was.
    column: usize,
    removed: usize,
    inserted: usize,
}

/// What has moved within the lines of a text.
#[derive(Clone, Debug, Default)]
pub struct Moves(BTreeMap<usize, Vec<Move>>);

impl Moves {
    /// Notes that in a line, as it was, `removed` characters from a column on gave way to
    /// `inserted` ones. Changes of a line are noted from left to right.
    pub fn add(&mut self, line: usize, column: usize, removed: usize, inserted: usize) {
        self.0.entry(line).or_default().push(Move {
            column,
            removed,
            inserted,
        });
    }

    /// The column at which something stood that stands in a column now.
    pub fn before(&self, line: usize, column: usize) -> usize {
        let mut behind = column;
        for one in self.0.get(&line).into_iter().flatten() {
            // `behind` is the column that it had but for this change and those after it.
            if behind < one.column {
                break;
            }
            if behind < one.column + one.inserted {
                return one.column;
            }
            behind = behind + one.removed - one.inserted;
        }
        behind
    }

    /// Puts the lines of another in the place of those of a range.
    pub fn take_lines(&mut self, lines: std::ops::Range<usize>, other: Moves) {
        self.0.retain(|line, _| !lines.contains(line));
        self.0.extend(other.0);
    }
}
