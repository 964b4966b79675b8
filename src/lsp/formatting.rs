//! The script as `jemscript fmt` writes it.

use lsp_types::{DocumentFormattingParams, TextEdit};

use super::Answer;
use super::scripts::Scripts;

/// The answer to `textDocument/formatting`: the lines that change.
pub fn format(scripts: &Scripts, p: &DocumentFormattingParams) -> Answer<Option<Vec<TextEdit>>> {
    let Some(d) = scripts.get(&p.text_document.uri) else {
        return Ok(None);
    };
    let new = crate::script::layout::format(&d.text).map_err(|e| e.message().to_owned())?;
    if new == d.text {
        return Ok(Some(Vec::new()));
    }
    // What is the same at both ends stays, and with it the cursor.
    let same = d.text.bytes().zip(new.bytes());
    let start = same.take_while(|(a, b)| a == b).count();
    let start = d.text[..floor(&d.text, start)]
        .rfind('\n')
        .map_or(0, |i| i + 1);
    let most = d.text.len().min(new.len()) - start;
    let same = d.text.bytes().rev().zip(new.bytes().rev()).take(most);
    let mut end = same.take_while(|(a, b)| a == b).count();
    while !d.text.is_char_boundary(d.text.len() - end) {
        end -= 1;
    }
    Ok(Some(vec![TextEdit {
        range: d.range(start..d.text.len() - end),
        new_text: new[start..new.len() - end].to_owned(),
    }]))
}

fn floor(text: &str, mut byte: usize) -> usize {
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}
