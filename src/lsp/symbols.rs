//! The outline of a script: its functions with their variables, its own variables, its imports.

use lsp_types::{DocumentSymbol, DocumentSymbolParams, DocumentSymbolResponse, SymbolKind};

use super::document::Document;
use super::scripts::Scripts;
use crate::script::complete::kind_of;
use crate::script::outline::{Declared, What};

/// The answer to `textDocument/documentSymbol`.
pub fn symbols(scripts: &Scripts, p: &DocumentSymbolParams) -> Option<DocumentSymbolResponse> {
    let d = scripts.get(&p.text_document.uri)?;
    Some(DocumentSymbolResponse::Nested(below(d, None)))
}

/// What is declared in a function, or in none.
fn below(d: &Document, inside: Option<usize>) -> Vec<DocumentSymbol> {
    let declared = &d.outline().declared;
    let mut here: Vec<(usize, &Declared)> = declared
        .iter()
        .enumerate()
        .filter(|(i, x)| x.inside == inside && Some(*i) != inside)
        // Parameters and the variables of loops are no landmarks.
        .filter(|(_, x)| x.what != What::Parameter && !is_loop(d, x))
        .collect();
    here.sort_by_key(|(_, x)| x.whole.start);
    here.into_iter()
        .map(|(i, x)| {
            let children = match x.what {
                What::Function => Some(below(d, Some(i))),
                _ => None,
            };
            symbol(d, x, children)
        })
        .collect()
}

fn is_loop(d: &Document, x: &Declared) -> bool {
    let text = &d.text[x.whole.start..];
    text.starts_with("for") || text.starts_with("catch")
}

fn symbol(d: &Document, x: &Declared, children: Option<Vec<DocumentSymbol>>) -> DocumentSymbol {
    let kind = match x.what {
        What::Function => SymbolKind::FUNCTION,
        What::Constant => SymbolKind::CONSTANT,
        What::Import => SymbolKind::MODULE,
        _ => SymbolKind::VARIABLE,
    };
    let detail = match x.what {
        What::Function => Some(format!("({})", x.params.join(", "))),
        What::Import => x.path.as_ref().map(|(path, _)| path.clone()),
        _ => kind_of(&d.text, &x.name, x.seen.start),
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
        children,
    }
}
