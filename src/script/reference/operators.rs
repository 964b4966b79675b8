//! What the reference knows of libtorch's operators: it comes from their schemas.

use std::sync::OnceLock;

use super::{Entry, Form};
use crate::aten::{self, Operator};
use crate::script::TORCH;

/// The page of the reference that says how the module is used.
pub const TITLE: &str = "Operators of libtorch";

/// What the reference knows of all operators.
pub fn entries() -> &'static [Entry] {
    static ALL: OnceLock<Vec<Entry>> = OnceLock::new();
    ALL.get_or_init(|| {
        aten::names()
            .iter()
            .filter_map(|known| entry(known.name))
            .collect()
    })
}

/// What the reference knows of an operator; `None` where there is none of this name.
pub fn entry(name: &str) -> Option<Entry> {
    let operator = Operator::find(name).ok()?;
    let forms = operator.forms();
    let signatures: Vec<String> = forms.iter().map(|form| form.signature(name)).collect();
    let first = forms.first()?;
    let parameters = first
        .arguments
        .iter()
        .map(|a| (a.name.clone(), a.kind.clone()));
    Some(Entry {
        room: TORCH,
        home: TORCH,
        title: TITLE,
        name: name.to_owned(),
        signature: signatures.join("\n"),
        doc: format!(
            "An operator of libtorch. What has a default is given by name, or by place in this \
             order.\nPyTorch's documentation describes what it does: torch.{}",
            name.replacen("linalg_", "linalg.", 1)
                .replacen("fft_", "fft.", 1)
        ),
        options: Vec::new(),
        form: Form::Function,
        params: parameters.collect(),
        returns: match first.results.as_slice() {
            [(_, kind)] if forms.len() == 1 => kind.clone(),
            [_] => "any".to_owned(),
            several if several.iter().all(|(name, _)| !name.is_empty()) => "map".to_owned(),
            _ => "array".to_owned(),
        },
    })
}

/// All names, in columns.
pub fn overview() -> String {
    let names: Vec<&str> = aten::names().iter().map(|known| known.name).collect();
    let text = format!(
        "{TORCH}: {} operators of libtorch, called as {TORCH}::NAME(…); `jemscript doc {TORCH}::NAME` shows what one takes\n",
        names.len()
    );
    let mut lines = vec![String::new()];
    for name in names {
        let last = lines.len() - 1;
        if lines[last].len() + name.len() > 100 {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            *line += &format!("  {name}");
        }
    }
    format!("{text}\n{}", lines.join("\n"))
}

/// The names of all arguments of an operator's forms.
pub fn arguments(name: &str) -> Vec<String> {
    let Ok(operator) = Operator::find(name) else {
        return Vec::new();
    };
    let mut all: Vec<String> = operator
        .forms()
        .into_iter()
        .flat_map(|f| f.arguments)
        .map(|a| a.name)
        .collect();
    all.sort();
    all.dedup();
    all
}
