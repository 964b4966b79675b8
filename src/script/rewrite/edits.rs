//! Changes of a text within its lines, and where what stands in the changed text stood before.

use std::collections::BTreeMap;

/// One change.
struct Edit {
    at: usize,
    removed: usize,
    inserted: String,
    /// Whether it stands before an operand: behind all that stands behind a token, and of two such
    /// the later one is the outer.
    opens: bool,
}

/// Changes of a text.
#[derive(Default)]
pub struct Edits(Vec<Edit>);

impl Edits {
    /// Puts something before an operand.
    pub fn before(&mut self, at: usize, inserted: impl Into<String>) {
        self.add(at, 0, inserted.into(), true);
    }

    /// Puts something behind a token.
    pub fn behind(&mut self, at: usize, inserted: impl Into<String>) {
        self.add(at, 0, inserted.into(), false);
    }

    /// Puts something in the place of something.
    pub fn replace(&mut self, at: usize, removed: usize, inserted: impl Into<String>) {
        self.add(at, removed, inserted.into(), false);
    }

    fn add(&mut self, at: usize, removed: usize, inserted: String, opens: bool) {
        self.0.push(Edit {
            at,
            removed,
            inserted,
            opens,
        });
    }

    /// The changed text, and what has moved in it.
    pub fn apply(mut self, text: &str) -> (String, Moves) {
        let mut order: Vec<usize> = (0..self.0.len()).collect();
        order.sort_by_key(|i| {
            let edit = &self.0[*i];
            let turn = *i as i64;
            (
                edit.at,
                edit.removed > 0,
                edit.opens,
                if edit.opens { -turn } else { turn },
            )
        });
        let (mut out, mut moves) = (String::with_capacity(text.len()), Moves::default());
        let (mut line, mut column, mut from) = (1, 0, 0);
        for i in order {
            let edit = &mut self.0[i];
            let before = &text[from..edit.at.max(from)];
            out += before;
            for c in before.chars() {
                match c {
                    '\n' => (line, column) = (line + 1, 0),
                    _ => column += 1,
                }
            }
            out += &edit.inserted;
            let removed = text[edit.at..edit.at + edit.removed].chars().count();
            moves.0.entry(line).or_default().push(Move {
                column: column + 1,
                removed,
                inserted: edit.inserted.chars().count(),
            });
            column += removed;
            from = edit.at + edit.removed;
        }
        out += &text[from..];
        (out, moves)
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
