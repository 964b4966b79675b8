//! The formatter: `jemscript fmt`.
//!
//! It sets the space between the pieces of a script and at the start of its lines, and nothing
//! else. Where lines end is the author's decision, and so are columns: what stands below something
//! else stays below it. A script means afterwards what it meant before, since its pieces are the
//! same; that is compared each time.

mod columns;
mod indent;
mod pieces;
mod spaces;

use self::pieces::{Kind, Piece};
use self::spaces::Role;
use crate::error::{Error, Result};

pub use self::pieces::code_end;

/// Passes after which columns must be at rest.
const PASSES: usize = 6;

/// A line of a script: a range of its pieces.
struct Line {
    from: usize,
    to: usize,
    /// Whether an empty line stands before it.
    apart: bool,
}

/// A script as the formatter sees it.
struct Script<'a> {
    text: &'a str,
    pieces: Vec<Piece<'a>>,
    roles: Vec<Role>,
    lines: Vec<Line>,
}

/// The script in its form. An error where a text, a comment or a bracket has no end.
pub fn format(text: &str) -> Result<String> {
    // A first line for the system, and the mark that some editors put before a text, stay.
    let (head, body) = match text.strip_prefix('\u{feff}') {
        Some(rest) => ("\u{feff}", rest),
        None => ("", text),
    };
    let (first, body) = match body.starts_with("#!") {
        true => body.split_at(body.find('\n').map_or(body.len(), |end| end + 1)),
        false => ("", body),
    };
    let mut now = pass(body, true)?;
    for _ in 0..PASSES {
        let next = pass(&now, true)?;
        if next == now {
            return Ok(format!("{head}{first}{now}"));
        }
        now = next;
    }
    // Columns that find no rest are given up; without them a second pass changes nothing.
    Ok(format!(
        "{head}{first}{}",
        pass(&pass(body, false)?, false)?
    ))
}

fn pass(text: &str, columns: bool) -> Result<String> {
    let Some(script) = Script::of(text) else {
        return Err(Error::argument(
            "the script cannot be formatted: a text, a comment or a bracket has no end",
        )
        .with_hint("`jemscript check` says where"));
    };
    let new = script.write(columns);
    match same(&script.pieces, &new) {
        true => Ok(new),
        false => Err(Error::argument(
            "the script stays as it is: in its new form it would not be the same script",
        )
        .with_hint("this should not be; set the line that is unusual by hand")),
    }
}

/// Whether a text has these pieces and no others.
fn same(before: &[Piece], text: &str) -> bool {
    let Some(after) = pieces::pieces(text) else {
        return false;
    };
    before.len() == after.len()
        && before
            .iter()
            .zip(&after)
            .all(|(a, b)| a.kind == b.kind && a.text == b.text)
}

impl<'a> Script<'a> {
    fn of(text: &'a str) -> Option<Script<'a>> {
        let pieces = pieces::pieces(text)?;
        let mut open = Vec::new();
        for p in &pieces {
            if p.opens() {
                open.push(p.text);
            } else if p.closes() {
                let fits = match open.pop()? {
                    "(" => ")",
                    "[" | "?[" => "]",
                    _ => "}",
                };
                if p.text != fits {
                    return None;
                }
            }
        }
        if !open.is_empty() {
            return None;
        }
        let mut lines: Vec<Line> = Vec::new();
        let mut end = 0;
        for (i, p) in pieces.iter().enumerate() {
            let breaks = text[end..p.at].matches('\n').count();
            match lines.last_mut() {
                Some(line) if breaks == 0 => line.to = i + 1,
                _ => lines.push(Line {
                    from: i,
                    to: i + 1,
                    apart: breaks > 1 && i > 0,
                }),
            }
            end = p.at + p.text.len();
        }
        let roles = spaces::roles(&pieces);
        Some(Script {
            text,
            pieces,
            roles,
            lines,
        })
    }

    /// The space before each piece on its line, without columns.
    fn gaps(&self) -> Vec<usize> {
        let mut gaps = vec![0; self.pieces.len()];
        for line in &self.lines {
            let pieces = self.pieces[line.from..line.to].windows(2);
            let roles = self.roles[line.from..line.to].windows(2);
            let behind_first = &mut gaps[line.from + 1..line.to];
            for ((gap, pair), of) in behind_first.iter_mut().zip(pieces).zip(roles) {
                let near = pair[0].at + pair[0].text.len() == pair[1].at;
                let space = spaces::space(&pair[0], &pair[1], (of[0], of[1]), near);
                *gap = usize::from(space);
            }
        }
        gaps
    }

    fn write(&self, columns: bool) -> String {
        let indents = indent::indents(self);
        let gaps = match columns {
            true => columns::gaps(self, &indents),
            false => self.gaps(),
        };
        let end = if self.text.contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        let mut out = String::with_capacity(self.text.len());
        for (line, indent) in self.lines.iter().zip(&indents) {
            if line.apart {
                out += end;
            }
            let pieces = &self.pieces[line.from..line.to];
            for (i, (piece, gap)) in pieces.iter().zip(&gaps[line.from..]).enumerate() {
                let space = if i == 0 { indent.max(gap) } else { gap };
                out += &" ".repeat(*space);
                out += piece.text;
            }
            out += end;
        }
        out
    }

    /// Whether a piece has several lines.
    fn is_long(&self, i: usize) -> bool {
        matches!(self.pieces[i].kind, Kind::Text | Kind::Block)
            && self.pieces[i].text.contains('\n')
    }
}

#[cfg(test)]
mod tests;
