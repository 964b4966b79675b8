//! What the language has beyond rhai's grammar. Before a script is parsed, these are written as rhai
//! has them; lines stay what they are, and [`Moves`] knows the columns.
//!
//! | in a script | rhai's |
//! |---|---|
//! | `f(1)`, where `f` is a variable | `call(callee__("f", f), 1)` |
//! | `a.map(\|x\| x + a.len())` | `copied__(a).map(…)`: `a` is in use elsewhere |
//! | `-x ** 2` | `-(x ** 2)` |
//! | `PI` | `PI()` |
//! | `x /= 2` | `x /= over__(2)`: of whole numbers, too, the quotient is a float |
//! | `a[1..3]`, `a[1..]` | `a.slice__(1..3)` |
//! | `x[.., 0]` | `x[[0..MAX, 0]]` |
//! | `let [a, b] = f();` | `let a = parts__(2, f()); let b = a[1]; a = a[0];` |
//! | `m.steps ?? 20` | `m.maybe__("steps") ?? 20`: also of a map without `steps` |
//! | a line break in back-ticks, written as `\n` | `${"\n"}` |

mod code;
mod edits;
mod meaning;
mod visible;

use rhai::{AST, Engine, ParseError, Position, Scope};

use self::code::Code;
use self::edits::Edits;
pub use self::meaning::{install, not_called};
use self::visible::Visible;
use super::places::Moves;
use super::scan::{Token, backtick};

/// What is called, where it is a variable.
pub const CALLEE: &str = "callee__";
/// A divisor.
pub const OVER: &str = "over__";
/// A value in its own right, which the variable that it comes from does not lock.
pub const COPIED: &str = "copied__";
/// Some entries of a value.
pub const SLICE: &str = "slice__";
/// A property that may be missing.
pub const MAYBE: &str = "maybe__";
/// An array of as many entries as there are names for them.
pub const PARTS: &str = "parts__";

/// Methods that take a function and change nothing.
const LOOKS: &[&str] = &[
    "map",
    "filter",
    "reduce",
    "reduce_rev",
    "some",
    "all",
    "find",
    "find_map",
    "index_of",
    "for_each",
];

/// Calls that rhai itself knows, whatever variables there are.
const RHAIS: &[&str] = &[
    "Fn",
    "call",
    "curry",
    "is_shared",
    "is_def_var",
    "is_def_fn",
    "type_of",
    "print",
    "debug",
    "eval",
    "this",
];

/// Compiles a script, in whose scope some variables are already. On an error its place is that in
/// the script as it is written.
pub fn compile(engine: &Engine, text: &str, scope: &Scope) -> Result<(AST, Moves), ParseError> {
    let (plain, moves) = rewrite(text, &scope.iter_raw().map(|v| v.0).collect::<Vec<_>>());
    match engine.compile_with_scope(scope, &plain) {
        Ok(ast) => Ok((ast, moves)),
        Err(error) => Err(moved(error, &moves)),
    }
}

/// An error with its place in the text before it was rewritten.
pub fn moved(error: ParseError, moves: &Moves) -> ParseError {
    ParseError(error.0, before(error.1, moves))
}

/// A place in the text before it was rewritten.
pub fn before(at: Position, moves: &Moves) -> Position {
    match (at.line(), at.position()) {
        (Some(line), Some(column)) => {
            let column = moves.before(line, column);
            Position::new(line as u16, u16::try_from(column).unwrap_or(u16::MAX))
        }
        _ => at,
    }
}

/// The script in rhai's own words. `variables` are there already.
pub fn rewrite(text: &str, variables: &[&str]) -> (String, Moves) {
    let Some(code) = Code::of(text) else {
        return (text.to_owned(), Moves::default());
    };
    let mut edits = Edits::default();
    let mut visible = Visible::new(&code, variables);
    for i in 0..code.len() {
        visible.step(&code, i, &mut edits);
        match code.token(i) {
            Some(Token::Word(name)) if code.opens(i + 1, "(") && visible.calls(&code, i, name) => {
                call(&code, i, i + 1, name, &mut edits);
            }
            Some(Token::Word("PI")) if visible.is_no_variable(&code, i, "PI") => {
                edits.behind(code.end(i), "()");
            }
            Some(Token::Sign("(")) if code.is_of_result(i) => {
                if let Some(start) = code.chain_start(i) {
                    call(&code, start, i, "", &mut edits);
                }
            }
            Some(Token::Sign("[")) if code.is_applied(i) => index(&code, i, &mut edits),
            Some(Token::Sign(".")) => own_use(&code, i, &mut edits),
            Some(Token::Sign("-")) => power(&code, i, &mut edits),
            Some(Token::Sign("/")) if code.joined(i + 1, "=") => quotient(&code, i, &mut edits),
            Some(Token::Sign("?")) if code.joined(i + 1, "?") => default(&code, i, &mut edits),
            Some(Token::Text) => text_in_backticks(&code, i, &mut edits),
            _ => {}
        }
    }
    visible.finish(&code, &mut edits);
    edits.apply(text)
}

/// `f(1)`: what stands from `start` to the bracket is called.
fn call(code: &Code, start: usize, bracket: usize, name: &str, edits: &mut Edits) {
    edits.before(code.start(start), format!("call({CALLEE}(\"{name}\", "));
    let bare = code.partner(bracket) == Some(bracket + 1);
    edits.replace(code.start(bracket), 1, if bare { ")" } else { "), " });
}

/// `a.keys().map(|k| a[k])`: rhai locks `a` as long as what stands behind it runs.
fn own_use(code: &Code, dot: usize, edits: &mut Edits) {
    if code.word(dot + 1).is_some_and(|name| LOOKS.contains(&name))
        && let Some(start) = code.root_used_inside(dot)
    {
        edits.before(code.start(start), format!("{COPIED}("));
        edits.behind(code.end(dot - 1), ")");
    }
}

/// Where a method of this name is first called on what its own argument uses, too: `a.retain(|x| x <
/// a.len())`. Line and column from 1.
pub fn place_of_own_use(text: &str, method: &str) -> Option<(usize, usize)> {
    let code = Code::of(text)?;
    let dot = (0..code.len()).find(|i| {
        code.is(*i, ".") && code.word(i + 1) == Some(method) && code.root_used_inside(*i).is_some()
    })?;
    let before = &text[..code.start(dot + 1)];
    let line = before.matches('\n').count() + 1;
    Some((
        line,
        before.lines().last().unwrap_or("").chars().count() + 1,
    ))
}

/// `-x ** 2` is −(x²), as everywhere in mathematics.
fn power(code: &Code, i: usize, edits: &mut Edits) {
    if i > 0 && code.ends_operand(i - 1) || code.joined(i + 1, "=") {
        return;
    }
    if let Some((end, true)) = code.operand_end(i + 1) {
        edits.behind(code.end(i), "(");
        edits.behind(code.end(end - 1), ")");
    }
}

/// The token at which a statement ends that goes on at `i`.
fn statement_end(code: &Code, mut i: usize) -> usize {
    while let Some(token) = code.token(i) {
        match token {
            Token::Sign(";" | "," | ")" | "]" | "}") => return i,
            Token::Sign("(" | "[" | "{") => i = code.partner(i).unwrap_or(i) + 1,
            _ => i += 1,
        }
    }
    i
}

/// `x /= 2`.
fn quotient(code: &Code, i: usize, edits: &mut Edits) {
    let end = statement_end(code, i + 2);
    if end > i + 2 {
        edits.behind(code.end(i + 1), format!(" {OVER}("));
        edits.behind(code.end(end - 1), ")");
    }
}

/// Where the parts between two brackets begin, and whether there are ranges among them.
fn parts(code: &Code, open: usize, close: usize) -> (Vec<usize>, bool) {
    let (mut parts, mut ranges) = (vec![open + 1], false);
    let mut i = open + 1;
    while i < close {
        match code.token(i) {
            Some(Token::Sign(",")) => parts.push(i + 1),
            Some(Token::Sign("..")) => ranges = true,
            Some(Token::Sign("(" | "[" | "{")) => i = code.partner(i).unwrap_or(i),
            _ => {}
        }
        i += 1;
    }
    (parts, ranges)
}

/// `a[1..3]`, `x[.., 0]`.
fn index(code: &Code, open: usize, edits: &mut Edits) {
    let Some(close) = code.partner(open) else {
        return;
    };
    let (parts, ranges) = parts(code, open, close);
    let several = parts.len() > 1;
    if !several && !ranges {
        return;
    }
    let written = several
        || code
            .chain_end(close + 1)
            .is_some_and(|end| code.assigns(end));
    let (before, behind) = match (several, written) {
        (true, _) => ("[[", "]]"),
        (_, true) => ("[", "]"),
        _ => (&*format!(".{SLICE}("), ")"),
    };
    if before.len() > 1 {
        edits.replace(code.start(open), 1, before);
    }
    let ends = parts.iter().skip(1).map(|next| next - 1).chain([close]);
    for (from, to) in parts.iter().copied().zip(ends) {
        if from < to && code.is(from, "..") {
            edits.before(code.start(from), "0");
        }
        if from < to && code.is(to - 1, "..") {
            edits.behind(code.end(to - 1), i64::MAX.to_string());
        }
    }
    if behind.len() > 1 || before.len() > 2 {
        edits.replace(code.start(close), 1, behind);
    }
}

/// `m.steps ?? 20`, `m["steps"] ?? 20`, `m[name] ?? 20`.
fn default(code: &Code, i: usize, edits: &mut Edits) {
    let Some(last) = i.checked_sub(1) else {
        return;
    };
    if let (Some(name), true) = (code.word(last), last > 1 && code.is(last - 1, ".")) {
        let start = code.start(last - 1);
        edits.replace(
            start,
            code.end(last) - start,
            format!(".{MAYBE}(\"{name}\")"),
        );
    } else if let Some(open) = code.partner(last).filter(|_| code.is(last, "]"))
        && code.is_applied(open)
        && matches!(parts(code, open, last), (parts, false) if parts.len() == 1)
    {
        edits.replace(code.start(open), 1, format!(".{MAYBE}("));
        edits.replace(code.start(last), 1, ")");
    }
}

/// Back-ticks take `\n`, `\t` and `\\` as quotes do.
fn text_in_backticks(code: &Code, i: usize, edits: &mut Edits) {
    let from = code.start(i) + 1;
    if !code.text[code.start(i)..].starts_with(['`', '}']) {
        return;
    }
    let Some((end, _)) = backtick(&code.text[from..]) else {
        return;
    };
    let inside = &code.text[from..from + end];
    let mut at = 0;
    while let Some(found) = inside[at..].find('\\') {
        let here = at + found;
        let escape = match inside[here + 1..].chars().next() {
            Some(c @ ('n' | 't' | 'r' | '\\')) => Some(c),
            _ => None,
        };
        if let Some(c) = escape {
            edits.replace(from + here, 2, format!("${{\"\\{c}\"}}"));
        }
        at = here + 1 + usize::from(escape.is_some());
    }
}

#[cfg(test)]
mod tests;
