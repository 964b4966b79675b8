//! Columns: where a piece stands below another in the line before, with more than one space before
//! either, it stands below it afterwards, too; so do comments at the ends of lines. No column moves
//! to the left.

use super::Script;
use super::pieces::Kind;

/// Columns of a tab.
const TAB: usize = 4;

/// A piece with space before it.
struct Stop {
    piece: usize,
    line: usize,
    /// The column in the text as it is.
    column: usize,
    /// Whether more than one space stands before it.
    wide: bool,
}

/// The space before each piece.
pub fn gaps(script: &Script, indents: &[usize]) -> Vec<usize> {
    let mut gaps = script.gaps();
    let stops = stops(script);
    let mut groups = groups(script, &stops);
    groups.sort_by_key(|g| stops[g[0]].column);
    for group in groups {
        let comment = script.pieces[stops[group[0]].piece].kind == Kind::Line;
        let lone = group.len() == 1 && !(comment && stops[group[0]].wide);
        if lone {
            continue;
        }
        let natural: Vec<usize> = group
            .iter()
            .map(|s| place(script, indents, &gaps, &stops[*s]))
            .collect();
        let furthest = natural.iter().max().copied().unwrap_or(0);
        let column = furthest.max(stops[group[0]].column);
        for (s, natural) in group.iter().zip(natural) {
            gaps[stops[*s].piece] += column - natural;
            let first = script.lines[stops[*s].line].from;
            if stops[*s].piece == first {
                gaps[first] = column;
            }
        }
    }
    gaps
}

/// The column at which a piece would stand with the space before it that it has now.
fn place(script: &Script, indents: &[usize], gaps: &[usize], stop: &Stop) -> usize {
    let line = &script.lines[stop.line];
    let indent = indents[stop.line];
    if stop.piece == line.from {
        return indent;
    }
    let texts = script.pieces[line.from..stop.piece].iter();
    let spaces = gaps[line.from + 1..=stop.piece].iter();
    indent + texts.map(|p| width(p.text)).sum::<usize>() + spaces.sum::<usize>()
}

/// The pieces with space before them, but for the first of each line; a comment alone on its line
/// counts where it goes on with the one at the end of the line before.
fn stops(script: &Script) -> Vec<Stop> {
    let mut found: Vec<Stop> = Vec::new();
    let mut behind: Option<usize> = None;
    for (n, line) in script.lines.iter().enumerate() {
        let first = &script.pieces[line.from];
        let start = script.text[..first.at].rfind('\n').map_or(0, |i| i + 1);
        let lead = width(&script.text[start..first.at]);
        let goes_on = first.kind == Kind::Line && behind == Some(lead) && !line.apart;
        if goes_on {
            found.push(Stop {
                piece: line.from,
                line: n,
                column: lead,
                wide: true,
            });
        } else {
            behind = None;
        }
        let mut column = lead;
        for i in line.from..line.to {
            let p = &script.pieces[i];
            if i > line.from {
                let before = &script.pieces[i - 1];
                let gap = &script.text[before.at + before.text.len()..p.at];
                if script.is_long(i - 1) {
                    break;
                }
                column += width(before.text) + width(gap);
                if !gap.is_empty() {
                    found.push(Stop {
                        piece: i,
                        line: n,
                        column,
                        wide: width(gap) > 1,
                    });
                }
                if p.kind == Kind::Line {
                    behind = Some(column);
                }
            }
        }
    }
    found
}

fn width(text: &str) -> usize {
    text.chars().map(|c| if c == '\t' { TAB } else { 1 }).sum()
}

/// Stops that stand below one another in lines that follow one another.
fn groups(script: &Script, stops: &[Stop]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    // The group of each stop of the line before.
    let mut before: Vec<(usize, usize)> = Vec::new();
    let mut now: Vec<(usize, usize)> = Vec::new();
    let mut line = usize::MAX;
    for (s, stop) in stops.iter().enumerate() {
        if stop.line != line {
            let follows = line != usize::MAX && stop.line == line + 1;
            let apart = script.lines[stop.line].apart;
            before = std::mem::take(&mut now);
            if !follows || apart {
                before.clear();
            }
            line = stop.line;
        }
        let above = before
            .iter()
            .find(|(b, _)| stops[*b].column == stop.column && (stop.wide || stops[*b].wide));
        let group = match above {
            Some((_, group)) => *group,
            None => {
                groups.push(Vec::new());
                groups.len() - 1
            }
        };
        groups[group].push(s);
        now.push((s, group));
    }
    groups
}
