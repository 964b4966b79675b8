//! The space between two pieces on a line.

use super::pieces::{Kind, Piece, pieces};
use crate::script::scan::WORDS;

/// What a sign does where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is no operator.
    None,
    /// It stands before its operand: `-x`, `!x`.
    Before,
    /// It stands between two operands.
    Between,
    /// It stands behind its operand: `!` of `f!(x)`.
    Behind,
    /// The bars around the parameters of a closure.
    Begins,
    Ends,
    /// Both of them, of a closure without parameters.
    Empty,
}

/// Operators that stand between operands wherever they stand.
const BETWEEN: &[&str] = &[
    "=", "+=", "-=", "*=", "/=", "%=", "**=", "<<=", ">>=", "|=", "&=", "^=", "==", "!=", "<", ">",
    "<=", ">=", "&&", "??", "=>", "**", "*", "/", "%", "&", "^", "<<", ">>", "!in",
];

/// The role of each piece.
pub fn roles(all: &[Piece]) -> Vec<Role> {
    let mut roles: Vec<Role> = Vec::with_capacity(all.len());
    // Whether an operand ends before, and whether the parameters of a closure are open.
    let (mut operand, mut params) = (false, false);
    for (i, piece) in all.iter().enumerate() {
        if piece.is_comment() {
            roles.push(Role::None);
            continue;
        }
        let role = match piece.text {
            _ if piece.kind != Kind::Sign => Role::None,
            "|" if params => Role::Ends,
            "|" if !operand => Role::Begins,
            "||" if !operand && !params => Role::Empty,
            "|" | "||" => Role::Between,
            "!" if operand && all.get(i + 1).is_some_and(|n| n.is("(")) => Role::Behind,
            "!" => Role::Before,
            "+" | "-" if operand => Role::Between,
            "+" | "-" => Role::Before,
            sign if BETWEEN.contains(&sign) => Role::Between,
            _ => Role::None,
        };
        params = match role {
            Role::Begins => true,
            Role::Ends => false,
            _ => params,
        };
        operand = match piece.kind {
            Kind::Word => !WORDS.contains(&piece.text),
            Kind::Number | Kind::Text => true,
            _ => piece.closes(),
        };
        roles.push(role);
    }
    roles
}

/// Whether a space stands between two pieces of a line. `near` tells whether they touch now.
pub fn space(a: &Piece, b: &Piece, roles: (Role, Role), near: bool) -> bool {
    let wanted = wanted(a, b, roles).unwrap_or(!near);
    // What would be read as one piece must stay apart.
    wanted || (!near && !stay_apart(a, b))
}

/// `None` where it stays as it is.
fn wanted(a: &Piece, b: &Piece, (of_a, of_b): (Role, Role)) -> Option<bool> {
    if b.kind == Kind::Line {
        return Some(true);
    }
    let tight = |p: &Piece| {
        p.kind == Kind::Sign && matches!(p.text, "." | "?." | "::" | "?[" | ".." | "..=")
    };
    let keyword = |p: &Piece| p.kind == Kind::Word && WORDS.contains(&p.text);
    let operand = |p: &Piece| match p.kind {
        Kind::Word => !keyword(p),
        Kind::Text => true,
        _ => p.is(")") || p.is("]"),
    };
    let sign = |p: &Piece| match p.kind {
        Kind::Sign => p.text.to_owned(),
        _ => String::new(),
    };
    let (left, right) = (sign(a), sign(b));
    Some(match (left.as_str(), right.as_str()) {
        (_, "," | ";" | ")" | "]" | ":") => false,
        ("(" | "[" | "?[", _) => false,
        ("{" | "#{", "}") => false,
        ("{" | "#{", _) | (_, "}") => true,
        ("," | ";" | ":", _) => true,
        _ if matches!(of_a, Role::Between | Role::Ends | Role::Empty) => true,
        _ if matches!(of_a, Role::Before | Role::Begins) => false,
        _ if of_b == Role::Between => true,
        _ if matches!(of_b, Role::Ends | Role::Behind) => false,
        _ if of_a == Role::Behind => false,
        _ if keyword(a) => true,
        _ if tight(a) || tight(b) => false,
        ("}", "(" | "[") => return None,
        (_, "(" | "[") => !operand(a),
        (_, "{") => true,
        _ if known(a) && known(b) => true,
        _ => return None,
    })
}

/// Whether we know what a piece does; nothing is said of the others.
fn known(p: &Piece) -> bool {
    p.kind != Kind::Sign
        || matches!(
            p.text,
            ")" | "]" | "}" | "#{" | "-" | "+" | "!" | "|" | "||"
        )
}

/// Whether two pieces are still two without a space.
fn stay_apart(a: &Piece, b: &Piece) -> bool {
    if a.kind == Kind::Text || b.kind == Kind::Text || a.is_comment() || b.is_comment() {
        return a.kind != Kind::Line;
    }
    let both = format!("{}{} ", a.text, b.text);
    let same = |found: &[Piece]| matches!(found, [x, y] if x.text == a.text && y.text == b.text);
    pieces(&both).is_some_and(|found| same(&found))
}
