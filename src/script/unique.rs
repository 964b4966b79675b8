//! Functions of an imported script get names that no other script has.
//!
//! While a block runs, rhai remembers which function a name with so many arguments stands for, and
//! does not forget it where an imported script's function is entered. Two scripts that each have a
//! `helper(x)` would then call one another's, without an error. So a script is compiled a second
//! time for import, with `__of_3__` put behind the names of its own functions wherever it defines
//! or calls them. Behind its text stand functions of the plain names that hand on to these, for
//! those who import it: `fn helper(x) { handed__out(helper__of_3__(x)) }` (see [`super::handed`]).
//!
//! Constants are renamed likewise, since a script's functions read them as `global::K` wherever
//! they are called from: see [`super::handed`]. At the end stands the export of the plain name.
//!
//! Functions that use `this` keep their names: they are called as methods of values.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use rhai::{AST, Engine, FnAccess, ParseError, Position, Token};

use super::handed::{HAND_IN, HAND_OUT};
use super::own_names::own_name;

enum Plan {
    /// Notes what is read.
    Listen(Vec<(Token, Position)>),
    /// Renames at these places.
    Rename(HashSet<Position>, usize),
}

thread_local! {
    static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) };
}

/// Lets the engine's parser follow this file's plans.
#[allow(deprecated)] // rhai marks the token mapper as volatile; the version is pinned.
pub fn install(engine: &mut Engine) {
    engine.on_parse_token(|token, position, _| {
        let token = after_colons(token);
        super::caught::read(&token, position);
        PLAN.with_borrow_mut(|plan| match (plan, token) {
            (Some(Plan::Listen(seen)), token) => {
                seen.push((token.clone(), position));
                token
            }
            (Some(Plan::Rename(places, number)), Token::Identifier(name))
                if places.contains(&position) =>
            {
                Token::Identifier(Box::new(own_name(&name, *number).into()))
            }
            (_, token) => token,
        })
    });
}

/// Words that rhai reserves for later are names where they stand behind `::`: `nn::module`,
/// `torch::var`.
fn after_colons(token: Token) -> Token {
    thread_local! {
        static BEHIND: Cell<bool> = const { Cell::new(false) };
    }
    let behind = BEHIND.replace(matches!(token, Token::DoubleColon));
    match token {
        Token::Reserved(word) if behind => Token::Identifier(word),
        other => other,
    }
}

/// Compiles a script for import, its functions' names made unique by a number.
pub fn compile(engine: &Engine, text: &str, number: usize) -> Result<AST, ParseError> {
    PLAN.set(Some(Plan::Listen(Vec::new())));
    let plain = engine.compile(text);
    let Some(Plan::Listen(seen)) = PLAN.take() else {
        return plain;
    };
    let plain = plain?;
    let methods = methods(&seen);
    let own: HashSet<&str> = plain
        .iter_functions()
        .map(|f| f.name)
        .filter(|n| !n.contains('$') && !methods.contains(*n))
        .collect();
    let constants = constants(&seen);
    // The last statement of a script may lack its semicolon.
    let mut whole = format!("{text}\n;");
    for function in plain.iter_functions().filter(|f| own.contains(f.name)) {
        let (name, parameters) = (function.name, function.params.join(", "));
        let access = if function.access == FnAccess::Private {
            "private "
        } else {
            ""
        };
        whole += &format!(
            "\n{access}fn {name}({parameters}) {{ {HAND_IN}(); {HAND_OUT}({}({parameters})) }}",
            own_name(name, number)
        );
    }
    for (name, renamed) in exported(&seen) {
        if !constants.contains(name) {
            whole += &format!("\n{name} = {HAND_OUT}({name});");
        } else if !renamed {
            let out = own_name(&format!("{name}_out"), number);
            whole += &format!(
                "\nconst {out} = {HAND_OUT}({}); export {out} as {name};",
                own_name(name, number)
            );
        }
    }
    // rhai gives a script a place for constants with its first one; those of other scripts are put
    // there, too. Reading it notes the place.
    let none = own_name("no_constant", number);
    whole += &format!("\nconst {none} = (); {none};");
    let mut renamed_at = places(&seen, &own);
    renamed_at.extend(constant_places(&seen, &constants));
    PLAN.set(Some(Plan::Rename(renamed_at, number)));
    let renamed = engine.compile(&whole);
    PLAN.set(None);
    renamed
}

/// The functions that use `this`.
fn methods(seen: &[(Token, Position)]) -> HashSet<String> {
    let mut found = HashSet::new();
    let mut inside = None;
    for pair in seen.windows(2) {
        match (&pair[0].0, &pair[1].0) {
            (Token::Fn, Token::Identifier(name)) => inside = Some(name.to_string()),
            (_, Token::Identifier(word) | Token::Reserved(word)) if **word == "this" => {
                found.extend(inside.clone())
            }
            _ => {}
        }
    }
    found
}

/// Where a script defines or calls its own functions by name. A bare name may be a variable, and a
/// method another value's.
fn places(seen: &[(Token, Position)], own: &HashSet<&str>) -> HashSet<Position> {
    let mut found = HashSet::new();
    for (i, (token, position)) in seen.iter().enumerate() {
        let Token::Identifier(name) = token else {
            continue;
        };
        let before = i.checked_sub(1).map(|b| &seen[b].0);
        let qualified = matches!(
            before,
            Some(Token::Period | Token::Elvis | Token::DoubleColon)
        );
        // `()` is one token.
        let open = |at: usize| matches!(seen.get(at), Some((Token::LeftParen | Token::Unit, _)));
        let called =
            open(i + 1) || (matches!(seen.get(i + 1), Some((Token::Bang, _))) && open(i + 2));
        if own.contains(name.as_str()) && called && !qualified {
            found.insert(*position);
        }
    }
    found
}

/// The constants that a script defines.
fn constants(seen: &[(Token, Position)]) -> HashSet<&str> {
    let defined = |pair: &[(Token, Position)]| matches!(pair[0].0, Token::Const);
    seen.windows(2)
        .filter(|pair| defined(pair))
        .filter_map(|pair| name(&pair[1].0))
        .collect()
}

/// The variables that a script exports, and whether under another name.
fn exported(seen: &[(Token, Position)]) -> Vec<(&str, bool)> {
    let mut found = Vec::new();
    for (i, (token, _)) in seen.iter().enumerate() {
        if !matches!(token, Token::Export) {
            continue;
        }
        let at = if matches!(seen.get(i + 1), Some((Token::Const | Token::Let, _))) {
            i + 2
        } else {
            i + 1
        };
        let renamed = matches!(seen.get(at + 1), Some((Token::As, _)));
        let Some(name) = seen.get(at).and_then(|(token, _)| name(token)) else {
            continue;
        };
        found.push((name, renamed));
    }
    found
}

/// Where a script names its own constants: not as keys of maps, properties, functions, or another
/// script's.
fn constant_places(seen: &[(Token, Position)], constants: &HashSet<&str>) -> HashSet<Position> {
    let mut found = HashSet::new();
    for (i, (token, position)) in seen.iter().enumerate() {
        if !name(token).is_some_and(|name| constants.contains(name)) {
            continue;
        }
        let back = |steps: usize| i.checked_sub(steps).map(|at| &seen[at].0);
        let of_another = match back(1) {
            Some(Token::Period | Token::Elvis | Token::Fn) => true,
            Some(Token::DoubleColon) => back(2).and_then(name) != Some("global"),
            _ => false,
        };
        let next = seen.get(i + 1).map(|(token, _)| token);
        let another = matches!(
            next,
            Some(Token::Colon | Token::DoubleColon | Token::LeftParen | Token::Unit)
        );
        if !of_another && !another {
            found.insert(*position);
        }
    }
    found
}

fn name(token: &Token) -> Option<&str> {
    match token {
        Token::Identifier(name) => Some(name.as_str()),
        _ => None,
    }
}
