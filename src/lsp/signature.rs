//! The signature of the call that the cursor is in, with the argument that is being written.

use lsp_types::{
    ParameterInformation, ParameterLabel, SignatureHelp, SignatureHelpParams, SignatureInformation,
};

use super::document::Document;
use super::scripts::Scripts;
use crate::script::complete::call_at;
use crate::script::outline::{Declared, What};
use crate::script::reference::Entry;

/// The answer to `textDocument/signatureHelp`.
pub fn help(scripts: &Scripts, p: &SignatureHelpParams) -> Option<SignatureHelp> {
    let (d, byte) = scripts.at(&p.text_document_position_params)?;
    let call = call_at(&d.text, byte, &[])?;
    let (_, at) = call.name;
    let mut signatures = own(scripts, d, at);
    let method = d.text[..at].trim_end().ends_with('.');
    if signatures.is_empty() {
        let arguments = |e: &&Entry| !e.params.is_empty() || !method;
        signatures = call
            .entries
            .iter()
            .filter(arguments)
            .map(|e| of_entry(e, method))
            .collect();
    }
    // The first one that takes so many arguments.
    let takes = |s: &SignatureInformation| {
        let count = s.parameters.as_ref().map_or(0, Vec::len);
        call.argument < count || (call.argument == 0 && count == 0)
    };
    let active = signatures.iter().position(takes).unwrap_or(0);
    (!signatures.is_empty()).then_some(SignatureHelp {
        signatures,
        active_signature: Some(active as u32),
        active_parameter: Some(call.argument as u32),
    })
}

/// The functions of scripts that the name at a byte means.
fn own(scripts: &Scripts, d: &Document, at: usize) -> Vec<SignatureInformation> {
    let outline = d.outline();
    if let Some(foreign) = outline.foreign_at(at) {
        let import = outline.declared.get(foreign.import);
        let path = import.and_then(|i| scripts.imported(d, i));
        let Some(other) = path.and_then(|p| scripts.script(&p)) else {
            return Vec::new();
        };
        let named = |f: &&Declared| f.name == foreign.name && f.what == What::Function;
        let offered = other.outline().offered().map(|(_, f)| f);
        return offered
            .filter(named)
            .map(|f| of_function(&other, f))
            .collect();
    }
    let Some(index) = outline.at(at) else {
        return Vec::new();
    };
    outline
        .together(index)
        .into_iter()
        .map(|i| &outline.declared[i])
        .filter(|f| f.what == What::Function)
        .map(|f| of_function(d, f))
        .collect()
}

fn of_function(d: &Document, f: &Declared) -> SignatureInformation {
    let label = format!("{}({})", f.name, f.params.join(", "));
    information(label, f.params.clone(), f.comment(&d.text))
}

fn of_entry(e: &Entry, method: bool) -> SignatureInformation {
    let last = e.params.len();
    let written = |(i, (name, kind)): (usize, &(String, String))| {
        let mark = if i + 1 == last && kind == "map" {
            "?"
        } else {
            ""
        };
        format!("{name}: {kind}{mark}")
    };
    // What a method is called on stands before the dot.
    let before = usize::from(method && e.is_method());
    let params = e.params.iter().enumerate().skip(before).map(written);
    information(e.signature.clone(), params.collect(), e.summary())
}

fn information(label: String, params: Vec<String>, about: String) -> SignatureInformation {
    let parameter = |p: String| ParameterInformation {
        label: ParameterLabel::Simple(p),
        documentation: None,
    };
    SignatureInformation {
        label,
        documentation: super::hover::documentation(&about),
        parameters: Some(params.into_iter().map(parameter).collect()),
        active_parameter: None,
    }
}
