//! The outline of a script: its functions with their variables, its own variables, its imports.

use std::collections::BTreeMap;

use lsp_types::{DocumentSymbol, DocumentSymbolParams, DocumentSymbolResponse, SymbolKind};

use super::document::Document;
use super::scripts::Scripts;
use crate::script::complete::Kinds;
use crate::script::outline::{Declared, What};

/// The answer to `textDocument/documentSymbol`.
pub fn symbols(scripts: &Scripts, p: &DocumentSymbolParams) -> Option<DocumentSymbolResponse> {
    let d = scripts.get(&p.text_document.uri)?;
    let kinds = Kinds::of(&d.text);
    let (mut top, mut inner) = (Vec::new(), BTreeMap::<usize, Vec<DocumentSymbol>>::new());
    let mut order: Vec<(usize, &Declared)> = d.outline().declared.iter().enumerate().collect();
    order.sort_by_key(|(_, x)| x.whole.start);
    for (i, x) in order {
        // Parameters and the variables of loops are no landmarks.
        if x.what == What::Parameter || is_loop(d, x) {
            continue;
        }
        let made = symbol(d, x, &kinds);
        match x.inside {
            Some(function) => inner.entry(function).or_default().push(made),
            None => top.push((i, made)),
        }
    }
    let whole = top.into_iter().map(|(i, mut made)| {
        made.children = inner.remove(&i);
        made
    });
    Some(DocumentSymbolResponse::Nested(whole.collect()))
}

fn is_loop(d: &Document, x: &Declared) -> bool {
    let text = &d.text[x.whole.start..];
    text.starts_with("for") || text.starts_with("catch")
}

fn symbol(d: &Document, x: &Declared, kinds: &Kinds) -> DocumentSymbol {
    let kind = match x.what {
        What::Function => SymbolKind::FUNCTION,
        What::Constant => SymbolKind::CONSTANT,
        What::Import => SymbolKind::MODULE,
        _ => SymbolKind::VARIABLE,
    };
    let detail = match x.what {
        What::Function => Some(format!("({})", x.params.join(", "))),
        What::Import => x.path.as_ref().map(|(path, _)| path.clone()),
        _ => kinds.kind(&x.name, x.seen.start),
    };
    let whole = x.whole.start..x.whole.end.max(x.at.end);
    #[allow(deprecated)] // The struct has the field all the same.
    DocumentSymbol {
        name: x.name.clone(),
        detail,
        kind,
        tags: None,
        deprecated: None,
        range: d.range(whole),
        selection_range: d.range(x.at.clone()),
        children: None,
    }
}
