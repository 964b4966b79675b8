//! Where lines begin: four columns further in than the line that opened the bracket they are in;
//! one that goes on with a statement, four more.

use super::Script;
use super::pieces::{Kind, Piece};
use super::spaces::Role;

const STEP: usize = 4;

/// Words whose block belongs to the line that they are on, however long the condition is.
const HEADS: &[&str] = &[
    "if", "while", "for", "switch", "until", "fn", "catch", "else",
];

/// The columns of space before each line.
pub fn indents(script: &Script) -> Vec<usize> {
    let mut found = Vec::with_capacity(script.lines.len());
    // The indent of the line of each open bracket, and whether what is in it begins on that line.
    let mut open: Vec<(usize, bool)> = Vec::new();
    // The words whose block is still to come: how many brackets were open, and the indent.
    let mut heads: Vec<(usize, usize)> = Vec::new();
    let mut last: Option<&Piece> = None;
    for line in &script.lines {
        let pieces = &script.pieces[line.from..line.to];
        let leading = pieces.iter().take_while(|p| p.closes()).count();
        let (inner, begun) = open.last().map_or((0, false), |o| (o.0 + STEP, o.1));
        let indent = match leading {
            // Behind `f(a +` the bracket has moved it already.
            0 if goes_on(script, line.from, last) && !begun => inner + STEP,
            0 => inner,
            n => open.get(open.len().wrapping_sub(n)).map_or(0, |o| o.0),
        };
        found.push(indent);
        let mut base = indent;
        for (i, p) in pieces.iter().enumerate() {
            if p.opens() {
                let begun = pieces.get(i + 1).is_some_and(|next| !next.is_comment());
                let head = heads.pop_if(|(depth, _)| p.is("{") && *depth == open.len());
                open.push((head.map_or(base, |(_, indent)| indent), begun));
            } else if p.closes() {
                base = base.min(open.pop().map_or(0, |o| o.0));
                heads.retain(|(depth, _)| *depth <= open.len());
            } else if p.kind == Kind::Word && HEADS.contains(&p.text) {
                heads.retain(|(depth, _)| *depth != open.len());
                heads.push((open.len(), base));
            } else if p.is(";") {
                heads.retain(|(depth, _)| *depth < open.len());
            }
            if !p.is_comment() {
                last = Some(p);
            }
        }
    }
    found
}

/// Whether a line goes on with what the one before began.
fn goes_on(script: &Script, first: usize, last: Option<&Piece>) -> bool {
    let Some(last) = last else {
        return false;
    };
    let p = &script.pieces[first];
    if p.is("{") {
        return false;
    }
    let chained = p.is(".") || p.is("?.");
    if last.is("}") {
        let between = script.roles[first] == Role::Between;
        return chained || (between && !matches!(p.text, "-" | "+" | "|" | "||"));
    }
    let ended = last.opens() || last.is(";") || last.is(",");
    chained || !ended
}
