//! Where a name is declared, through imports; and where it is used.

use std::ops::Range;
use std::path::{Path, PathBuf};

use lsp_types::{
    DocumentHighlight, DocumentHighlightKind, DocumentHighlightParams, GotoDefinitionParams,
    GotoDefinitionResponse, Location, ReferenceParams,
};

use super::document::Document;
use super::document::whole;
use super::scripts::Scripts;
use super::uri;
use crate::script::outline::{Declared, What};

/// The answer to `textDocument/definition`.
pub fn definition(scripts: &Scripts, p: &GotoDefinitionParams) -> Option<GotoDefinitionResponse> {
    let (d, byte) = scripts.at(&p.text_document_position_params)?;
    let outline = d.outline();
    if let Some(import) = import_at(d, byte) {
        return start_of(&scripts.imported(d, import)?);
    }
    if let Some(foreign) = outline.foreign_at(byte) {
        let path = scripts.imported(d, outline.declared.get(foreign.import)?)?;
        let other = scripts.script(&path)?;
        let named: Vec<&Declared> = other
            .outline()
            .offered()
            .map(|(_, o)| o)
            .filter(|o| o.name == foreign.name)
            .collect();
        // Of several functions of a name the one that takes these arguments.
        let count = |o: &&&Declared| Some(o.params.len()) == foreign.arguments;
        let meant = named.iter().find(count).or(named.first())?;
        return Some(Location::new(other.uri.clone(), other.range(meant.at.clone())).into());
    }
    let declared = outline.declared.get(outline.at(byte)?)?;
    if declared.what == What::Import {
        // The name of an import stands for its script.
        if let Some(found) = scripts.imported(d, declared).and_then(|p| start_of(&p)) {
            return Some(found);
        }
    }
    Some(Location::new(d.uri.clone(), d.range(declared.at.clone())).into())
}

/// The import on whose path a byte is.
pub fn import_at(d: &Document, byte: usize) -> Option<&Declared> {
    let inside = |at: &Range<usize>| at.start <= byte && byte <= at.end;
    d.outline()
        .declared
        .iter()
        .find(|x| x.path.as_ref().is_some_and(|(_, at)| inside(at)))
}

fn start_of(path: &Path) -> Option<GotoDefinitionResponse> {
    Some(Location::new(uri::of_path(path)?, lsp_types::Range::default()).into())
}

/// Some script, and the places in it.
pub type Places = Vec<(Document, Vec<Range<usize>>)>;

/// Every place where what stands at a byte is named, its own script first. The second is the name.
pub fn places(scripts: &Scripts, d: &Document, byte: usize) -> Option<(Places, Declared)> {
    let outline = d.outline();
    let (home, index) = match outline.foreign_at(byte) {
        Some(foreign) => {
            let path = scripts.imported(d, outline.declared.get(foreign.import)?)?;
            let other = scripts.script(&path)?.into_owned();
            let offered = other
                .outline()
                .offered()
                .find(|(_, o)| o.name == foreign.name);
            let index = offered?.0;
            (other, index)
        }
        None => (d.clone(), outline.at(byte)?),
    };
    let declared = home.outline().declared.get(index)?.clone();
    let own = home.outline().places(index);
    let path: Option<PathBuf> = home.path.clone().filter(|_| declared.exported);
    let mut found: Places = vec![(home, own)];
    for (importer, imports) in path.iter().flat_map(|p| scripts.importers(p)) {
        let named = importer
            .outline()
            .foreign
            .iter()
            .filter(|f| imports.contains(&f.import) && f.name == declared.name)
            .map(|f| f.at.clone())
            .collect::<Vec<_>>();
        if named.is_empty() {
            continue;
        }
        let same = |other: &Document| {
            other.path.as_deref().map(whole) == importer.path.as_deref().map(whole)
        };
        match found.iter_mut().find(|(other, _)| same(other)) {
            Some((_, places)) => places.extend(named),
            None => found.push((importer.into_owned(), named)),
        }
    }
    Some((found, declared))
}

/// The answer to `textDocument/references`.
pub fn references(scripts: &Scripts, p: &ReferenceParams) -> Option<Vec<Location>> {
    let (d, byte) = scripts.at(&p.text_document_position)?;
    let (found, declared) = places(scripts, d, byte)?;
    let mut locations = Vec::new();
    for (i, (document, places)) in found.iter().enumerate() {
        let own =
            |at: &&Range<usize>| i > 0 || p.context.include_declaration || **at != declared.at;
        let here = places.iter().filter(own);
        locations
            .extend(here.map(|at| Location::new(document.uri.clone(), document.range(at.clone()))));
    }
    Some(locations)
}

/// The answer to `textDocument/documentHighlight`.
pub fn highlights(
    scripts: &Scripts,
    p: &DocumentHighlightParams,
) -> Option<Vec<DocumentHighlight>> {
    let (d, byte) = scripts.at(&p.text_document_position_params)?;
    let outline = d.outline();
    let places = match outline.foreign_at(byte) {
        Some(one) => {
            let same =
                |f: &&crate::script::outline::Foreign| f.import == one.import && f.name == one.name;
            let all = outline.foreign.iter().filter(same);
            all.map(|f| f.at.clone()).collect()
        }
        None => outline.places(outline.at(byte)?),
    };
    let highlight = |at: Range<usize>| DocumentHighlight {
        range: d.range(at),
        kind: Some(DocumentHighlightKind::TEXT),
    };
    Some(places.into_iter().map(highlight).collect())
}
