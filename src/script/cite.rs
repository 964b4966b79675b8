//! `jemscript cite`: the papers of the methods that a script uses, found without running it.
//!
//! The walk starts at the script's own statements and goes into the functions and closures that
//! they reach, also those of imported scripts; what a library holds beside is not cited.
//! `methods.bib` says which function belongs to which paper.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use rhai::{ASTNode, Expr, FnCallExpr, Stmt};

use super::check::Severity;
use super::check::files::{File, Files};
use super::check::options::{closure, literal};
use super::reference::{Form, all};
use super::{Program, Settings, read_script};
use crate::error::{Error, Result};
use crate::options::Value;

/// The papers, in BibTeX; rules on comment lines.
const METHODS: &str = include_str!("methods.bib");

/// What uses a method: `loss::jem`, `.ess`, `optim::adam[cosine]`,
/// `sampler::replay[init=class_gaussian]`.
#[derive(Debug, PartialEq)]
pub struct Rule {
    /// The function with its room, or a method or property with a dot.
    pub name: &'static str,
    /// An option that decides, and when.
    pub option: Option<(&'static str, When)>,
}

/// When an option makes a call one that uses a method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// Where it is given, and not switched off.
    Given,
    /// Where it has this value.
    Is(&'static str),
    /// Always, but where it is switched off.
    NotOff,
}

/// One paper.
#[derive(Debug)]
pub struct Paper {
    /// The BibTeX entry.
    pub entry: &'static str,
    /// What uses it.
    pub rules: Vec<Rule>,
}

/// All papers, in the order in which they are printed.
pub fn papers() -> Vec<Paper> {
    METHODS
        .split("\n% used by:")
        .skip(1)
        .filter_map(paper)
        .collect()
}

fn paper(text: &'static str) -> Option<Paper> {
    let (rules, entry) = text.split_once('\n')?;
    Some(Paper {
        entry: entry.trim(),
        rules: rules.split(';').map(|r| rule(r.trim())).collect(),
    })
}

fn rule(text: &'static str) -> Rule {
    let Some((name, option)) = text.strip_suffix(']').and_then(|t| t.split_once('[')) else {
        return Rule {
            name: text,
            option: None,
        };
    };
    let option = match (option.split_once('='), option.strip_prefix('-')) {
        (Some((key, value)), _) => (key, When::Is(value)),
        (None, Some(key)) => (key, When::NotOff),
        (None, None) => (option, When::Given),
    };
    Rule {
        name,
        option: Some(option),
    }
}

/// A call that some run of the script may make: its name, and its options as far as they stand in
/// the text; `None` is a value that only a run knows.
struct Use {
    name: String,
    options: BTreeMap<String, Option<Value>>,
}

impl Use {
    fn follows(&self, rule: &Rule) -> bool {
        let off = |value: &Value| match value {
            Value::None | Value::Bool(false) | Value::Int(0) => true,
            Value::Float(number) => *number == 0.0,
            Value::List(items) => items.is_empty(),
            _ => false,
        };
        let given = |(key, when): (&str, When)| match (self.options.get(key), when) {
            (Some(Some(Value::Str(text))), When::Is(wanted)) => text == wanted,
            (_, When::Is(_)) => false,
            (None, when) => when == When::NotOff,
            (Some(value), _) => !value.as_ref().is_some_and(off),
        };
        self.name == rule.name && rule.option.is_none_or(given)
    }
}

/// The BibTeX entries of what a script uses; an error if it cannot be read.
pub fn cite_file(path: &Path) -> Result<Vec<&'static str>> {
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    cite_text(&path.display().to_string(), &read_script(path)?, folder)
}

/// The same for a text that stands in a folder.
pub fn cite_text(name: &str, text: &str, folder: &Path) -> Result<Vec<&'static str>> {
    super::on_deep_stack(|| {
        let program = Program::new(Settings {
            folder: folder.to_path_buf(),
            ..Settings::default()
        });
        let (files, findings) = Files::load(&program, name, text);
        if let Some(wrong) = findings.iter().find(|f| f.severity == Severity::Error) {
            let error = Error::argument(format!(
                "{}:{}: {}",
                wrong.file,
                wrong.line,
                wrong.error.message()
            ));
            return Err(error.with_hint(format!("`jemscript check {name}` shows the place")));
        }
        let uses = Reach::of(&files).uses;
        let cited = |p: &Paper| uses.iter().any(|u| p.rules.iter().any(|r| u.follows(r)));
        Ok(papers()
            .into_iter()
            .filter(cited)
            .map(|p| p.entry)
            .collect())
    })
}

/// What the statements of the first script reach.
struct Reach<'a> {
    files: &'a Files,
    uses: Vec<Use>,
    seen: HashSet<(usize, String)>,
    /// Bodies to walk: the file, and the statements.
    open: Vec<(usize, &'a [Stmt])>,
}

impl<'a> Reach<'a> {
    fn of(files: &'a Files) -> Reach<'a> {
        let mut reach = Reach {
            files,
            uses: Vec::new(),
            seen: HashSet::new(),
            open: Vec::new(),
        };
        // Loading a script runs its statements, also those of an imported one.
        reach.open.extend(
            files
                .all
                .iter()
                .enumerate()
                .map(|(i, f)| (i, f.ast.statements())),
        );
        while let Some((at, body)) = reach.open.pop() {
            let maps = maps(body);
            for statement in body {
                statement.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
                    match path.last() {
                        Some(ASTNode::Expr(e)) => reach.expression(at, e, &maps),
                        Some(ASTNode::Stmt(Stmt::FnCall(x, _))) => reach.call(at, x, false, &maps),
                        _ => {}
                    }
                    true
                });
            }
        }
        reach
    }

    fn expression(&mut self, at: usize, e: &Expr, maps: &Maps) {
        match e {
            Expr::FnCall(x, _) => self.call(at, x, false, maps),
            Expr::MethodCall(x, _) => self.call(at, x, true, maps),
            Expr::Property(p, _) => self.uses.push(Use {
                name: format!(".{}", p.2),
                options: BTreeMap::new(),
            }),
            _ => {}
        }
        if let Some((name, _)) = closure(e) {
            self.enter(at, &name);
        }
    }

    fn call(&mut self, at: usize, x: &FnCallExpr, method: bool, maps: &Maps) {
        let mut options = BTreeMap::new();
        x.args
            .iter()
            .for_each(|e| options_in(e, maps, &mut options));
        let room = x.namespace.path.first().map(|i| i.name.as_str());
        let file: &File = &self.files.all[at];
        let imported = room.and_then(|room| file.imports.get(room).copied().flatten());
        match room {
            Some(_) if imported.is_some() => self.enter(imported.unwrap_or(at), &x.name),
            Some(room) => self.uses.push(Use {
                name: format!("{room}::{}", x.name),
                options,
            }),
            None if file.functions.iter().any(|f| f.name == x.name.as_str()) => {
                self.enter(at, &x.name)
            }
            // Functions that a script calls as methods are those without a room.
            None if method
                || all()
                    .iter()
                    .any(|e| e.name == x.name.as_str() && e.form == Form::Function) =>
            {
                self.uses.push(Use {
                    name: format!(".{}", x.name),
                    options,
                })
            }
            None => {}
        }
    }

    /// Goes into the functions or the closure of a name, once.
    fn enter(&mut self, at: usize, name: &str) {
        if self.seen.insert((at, name.to_owned())) {
            let file = &self.files.all[at];
            let named = file.functions.iter().filter(|f| f.name == name);
            self.open.extend(
                named
                    .chain(file.closures.get(name))
                    .map(|f| (at, f.body.as_slice())),
            );
        }
    }
}

/// The maps that variables of a body are made of.
type Maps = BTreeMap<String, BTreeMap<String, Option<Value>>>;

fn maps(body: &[Stmt]) -> Maps {
    let mut found = Maps::new();
    for statement in body {
        statement.walk(&mut Vec::new(), &mut |path: &[ASTNode]| {
            match path.last() {
                Some(ASTNode::Stmt(Stmt::Var(x, ..))) => {
                    let mut options = BTreeMap::new();
                    options_in(&x.1, &found, &mut options);
                    found
                        .entry(x.0.name.to_string())
                        .or_default()
                        .extend(options);
                }
                Some(ASTNode::Stmt(Stmt::Assignment(x))) => {
                    let mut options = BTreeMap::new();
                    match &x.1.lhs {
                        Expr::Variable(v, ..) => {
                            options_in(&x.1.rhs, &found, &mut options);
                            found.entry(v.1.to_string()).or_default().extend(options);
                        }
                        Expr::Dot(target, ..) => {
                            if let (Expr::Variable(v, ..), Expr::Property(p, _)) =
                                (&target.lhs, &target.rhs)
                            {
                                let value = literal(&x.1.rhs);
                                found
                                    .entry(v.1.to_string())
                                    .or_default()
                                    .insert(p.2.to_string(), value);
                            }
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
            true
        });
    }
    found
}

/// The keys of a map, of a variable made of one, and of sums of those.
fn options_in(e: &Expr, maps: &Maps, options: &mut BTreeMap<String, Option<Value>>) {
    match e {
        Expr::Map(x, _) => options.extend(
            x.0.iter()
                .map(|(key, value)| (key.name.to_string(), literal(value))),
        ),
        Expr::Variable(v, ..) => {
            options.extend(maps.get(v.1.as_str()).cloned().unwrap_or_default())
        }
        Expr::FnCall(x, _) if x.name == "+" => {
            x.args.iter().for_each(|e| options_in(e, maps, options))
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a panic is how a test fails

    use super::*;
    use crate::script::reference::entries;

    fn keys(text: &str, folder: &Path) -> Vec<String> {
        let found = cite_text("test.rhai", text, folder).unwrap();
        found
            .iter()
            .map(|e| e.split(['{', ',']).nth(1).unwrap().to_owned())
            .collect()
    }

    #[test]
    fn every_rule_names_something_that_exists() {
        let known = entries();
        for paper in papers() {
            assert!(
                paper.entry.starts_with('@') && paper.entry.ends_with('}'),
                "{}",
                paper.entry
            );
            assert!(
                ["author", "title", "year"]
                    .iter()
                    .all(|f| paper.entry.contains(&format!("  {f}"))),
                "{}",
                paper.entry
            );
            for rule in &paper.rules {
                let same = |path: String, dotted: String| path == rule.name || dotted == rule.name;
                let found: Vec<_> = known
                    .iter()
                    .filter(|e| same(e.path(), format!(".{}", e.name)))
                    .collect();
                assert!(!found.is_empty(), "no `{}`", rule.name);
                if let Some((option, _)) = rule.option {
                    let has = found
                        .iter()
                        .any(|e| e.options.iter().any(|f| f.name == option));
                    assert!(has, "`{}` has no option `{option}`", rule.name);
                }
            }
        }
        assert!(papers().len() > 30);
    }

    #[test]
    fn a_script_is_cited_for_what_it_uses_and_nothing_else() {
        let here = Path::new(".");
        assert!(keys("let x = tensor::zeros([2]); print(x);", here).is_empty());
        assert_eq!(
            keys(
                "let e = energy::funnel(); sampler::mala().run(e, tensor::zeros([1, 3]));",
                here
            ),
            ["roberts1996mala", "neal2003slice"]
        );
        // Options in place, in a variable, in a sum, added later; and a 0 that switches off.
        let adam = |rest: &str| keys(&format!("let net = nn::linear(1, 1); {rest}"), here);
        assert_eq!(adam("optim::adam(net);"), ["kingma2015adam"]);
        assert_eq!(
            adam("optim::adam(net, #{ cosine: 0 });"),
            ["kingma2015adam"]
        );
        for with in [
            "optim::adam(net, #{ cosine: 9 });",
            "let o = #{ cosine: 9 }; optim::adam(net, o);",
            "let o = #{ lr: 1.0 }; optim::adam(net, o + #{ cosine: 9 });",
            "let o = #{}; o.cosine = 9; optim::adam(net, o);",
        ] {
            assert_eq!(
                adam(with),
                ["kingma2015adam", "loshchilov2017sgdr"],
                "{with}"
            );
        }
        // What is on by itself, switched off; two switches for one method.
        let table = |rest: &str| {
            let start = "let e = energy::joint(nn::linear(64, 10)); let d = data::digits();";
            keys(&format!("{start} evaluate::report(e, d, {rest});"), here).join(" ")
        };
        let attacks = |rest: &str| {
            let found = table(rest);
            (
                found.contains("madry2018pgd"),
                found.contains("andriushchenko2020square"),
            )
        };
        assert_eq!(attacks("#{}"), (true, true));
        assert_eq!(
            attacks("#{ eps_linf: [], square_queries: 0 }"),
            (true, false)
        );
        assert_eq!(
            attacks("#{ eps_linf: [], eps_l2: [], square_queries: 0 }"),
            (false, false)
        );
        assert_eq!(
            keys("nn::wide_resnet(10, 1, #{ norm: \"group\" });", here),
            ["zagoruyko2016wrn", "wu2018groupnorm"]
        );
    }

    #[test]
    fn functions_count_where_they_are_reached() {
        let folder = tempfile::tempdir().unwrap();
        let lib = "fn used() { nn::spectral_norm(nn::linear(1, 1)) }\nfn unused() { nn::gelu(); optim::adam(nn::linear(1, 1)) }";
        std::fs::write(folder.path().join("lib.rhai"), lib).unwrap();
        let text = "import \"lib\" as lib; fn never() { energy::funnel() } fn inside() { [1].map(|x| energy::rosenbrock()) } lib::used(); inside();";
        assert_eq!(
            keys(text, folder.path()),
            ["rosenbrock1960", "miyato2018spectral"]
        );
        assert!(
            cite_text("test.rhai", "let", folder.path())
                .unwrap_err()
                .message()
                .contains("test.rhai:1")
        );
    }
}
