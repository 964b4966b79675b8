//! Changes of a text within its lines, and where what stands in the changed text stood before.

use crate::script::places::Moves;

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
            moves.add(line, column + 1, removed, edit.inserted.chars().count());
            column += removed;
            from = edit.at + edit.removed;
        }
        out += &text[from..];
        (out, moves)
    }
}
