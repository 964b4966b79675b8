//! The literal map of options in a call, or in a variable before it, against the options of the
//! function.

use std::rc::Rc;

use rhai::{Expr, FnCallExpr, FnPtr, Stmt};

use super::library::{entries, takes_count};
use super::walk::Walk;
use crate::error::Error;
use crate::options::{Function, Value, unknown_option, wrong_type};
use crate::script::TORCH;
use crate::script::reference::{Entry, Form, operators};

impl Walk<'_> {
    /// Checks the options of a call; `before` counts the arguments that stand in front of the
    /// written ones: the receiver.
    pub fn options(&mut self, room: &str, x: &FnCallExpr, before: usize) {
        if room == TORCH {
            return self.arguments_by_name(x);
        }
        let count = x.args.len() + before;
        let candidates: Vec<&'static Entry> = entries(room, &x.name, Form::Function)
            .filter(|e| takes_count(e, count))
            .collect();
        // Every function that the call can mean must take its options at the same place.
        let place = |e: &Entry| {
            e.params
                .iter()
                .rposition(|p| p.1 == "map")
                .filter(|_| !e.options.is_empty())
        };
        let Some(at) = candidates.first().and_then(|e| place(e)) else {
            return;
        };
        if !candidates.iter().all(|e| place(e) == Some(at)) {
            return;
        }
        // A literal map, or a variable that started as one and has lost none of its keys.
        let (expression, changed) = match at.checked_sub(before).and_then(|i| x.args.get(i)) {
            Some(Expr::Variable(v, ..)) if v.2.path.is_empty() => match self.map_of(&v.1) {
                Some(found) => found,
                None => return,
            },
            Some(e @ Expr::Map(..)) => (e.clone(), false),
            _ => return,
        };
        let Expr::Map(map, _) = expression else {
            return;
        };
        let owner = |e: &Entry| {
            if e.home.is_empty() {
                e.name.clone()
            } else {
                format!("{}::{}", e.home, e.name)
            }
        };
        for (key, value) in &map.0 {
            let fields: Vec<_> = candidates
                .iter()
                .filter_map(|e| e.options.iter().find(|f| f.name == key.name))
                .collect();
            let first = candidates[0];
            let Some(field) = fields.first() else {
                self.error(
                    key.pos,
                    unknown_option(&owner(first), &key.name, &first.options),
                );
                continue;
            };
            if let Some(value_given) = literal(value).filter(|_| !changed)
                && !fields.iter().any(|f| (f.accepts)(&value_given))
            {
                let at = if value.position().is_none() {
                    key.pos
                } else {
                    value.position()
                };
                self.error(
                    at,
                    wrong_type(
                        &owner(first),
                        &key.name,
                        (field.kind, field.words),
                        &value_given,
                    ),
                );
            }
        }
    }

    /// The keys of the literal map behind the arguments of an operator of libtorch.
    fn arguments_by_name(&mut self, x: &FnCallExpr) {
        let Some(Expr::Map(map, _)) = x.args.last() else {
            return;
        };
        let known = operators::arguments(&x.name);
        for (key, _) in &map.0 {
            let is_known = |known: &String| *known == key.name;
            if known.is_empty() || key.name == "input" || known.iter().any(is_known) {
                continue;
            }
            let text = format!("torch::{} has no argument `{}`", x.name, key.name);
            let names = known.iter().map(String::as_str);
            self.error(key.pos, Error::unknown(&text, &key.name, names));
        }
    }
}

/// A literal's value; `None` where it is not one.
pub fn literal(e: &Expr) -> Option<Value> {
    Some(match e {
        Expr::BoolConstant(b, _) => Value::Bool(*b),
        Expr::IntegerConstant(i, _) => Value::Int(*i),
        Expr::FloatConstant(f, _) => Value::Float(**f),
        Expr::StringConstant(s, _) => Value::Str(s.to_string()),
        Expr::Unit(_) => Value::None,
        Expr::Array(x, _) => Value::List(x.iter().map(literal).collect::<Option<_>>()?),
        Expr::Map(x, _) => Value::Map(
            x.0.iter()
                .map(|(k, v)| Some((k.name.to_string(), literal(v)?)))
                .collect::<Option<_>>()?,
        ),
        Expr::FnCall(x, _) if x.name == "-" && x.args.len() == 1 => match literal(&x.args[0])? {
            Value::Int(i) => Value::Int(i.checked_neg()?),
            Value::Float(f) => Value::Float(-f),
            _ => return None,
        },
        e if closure(e).is_some() => Value::Function(Function(Rc::new(|_| {
            Err(Error::state("a function of a script that is only checked"))
        }))),
        _ => return None,
    })
}

/// The hidden name of the closure that an expression makes, and what it captures.
pub fn closure(e: &Expr) -> Option<(String, &[Expr])> {
    match e {
        Expr::DynamicConstant(value, _) => value
            .read_lock::<FnPtr>()
            .map(|f| (f.fn_name().to_owned(), &[] as &[Expr])),
        Expr::FnCall(x, _) if x.name == "curry" && !x.args.is_empty() => {
            Some((closure(&x.args[0])?.0, &x.args[1..]))
        }
        // rhai shares what a closure captures, then makes the closure.
        Expr::Stmt(block) => match block.statements() {
            [Stmt::Share(..), Stmt::Expr(made)] => closure(made),
            _ => None,
        },
        _ => None,
    }
}
