//! A session as one script that runs.
//!
//! A script may define a function only once: of one that was defined again, the last definition is
//! kept. What failed becomes a comment, but for its functions, which the session kept.

use rhai::AST;

/// A piece that ran.
pub(super) struct Ran {
    label: String,
    text: String,
    functions: Vec<Function>,
    /// The message of its error.
    failed: Option<String>,
}

/// A function in a piece's text, from `fn` to the closing brace.
struct Function {
    name: String,
    parameters: usize,
    span: std::ops::Range<usize>,
}

impl Ran {
    /// A piece whose first line had the number `first` in its session; `written` tells the column
    /// that a place had before the text was rewritten.
    pub(super) fn new(
        label: &str,
        text: &str,
        first: usize,
        ast: &AST,
        written: impl Fn(usize, usize) -> usize,
        failed: Option<String>,
    ) -> Ran {
        let offset = |line: usize, column: usize| -> Option<usize> {
            let column = written(line, column);
            let line = line.checked_sub(first)?;
            let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
            let columns: usize = text[start..]
                .chars()
                .take(column.saturating_sub(1))
                .map(char::len_utf8)
                .sum();
            Some(start + columns)
        };
        let mut functions = Vec::new();
        for (_, _, name, parameters, function) in ast.shared_lib().iter_script_fn_info() {
            let (start, end) = (function.body.start_position(), function.body.end_position());
            let places = (
                start.line().zip(start.position()),
                end.line().zip(end.position()),
            );
            let (Some(start), Some(end)) = places else {
                continue;
            };
            let (Some(body), Some(end)) = (offset(start.0, start.1), offset(end.0, end.1)) else {
                continue;
            };
            // Closures have no `fn`, and stay where they are.
            let head = text
                .get(..body)
                .and_then(|t| t.rfind("fn "))
                .filter(|_| !name.starts_with("anon$"));
            if let Some(head) = head
                && text[head + 3..].trim_start().starts_with(name)
            {
                let length = text[end..].chars().next().map_or(0, char::len_utf8);
                functions.push(Function {
                    name: name.to_owned(),
                    parameters,
                    span: head..end + length,
                });
            }
        }
        functions.sort_by_key(|f| f.span.start);
        Ran {
            label: label.to_owned(),
            text: text.to_owned(),
            functions,
            failed,
        }
    }

    fn without(&self, gone: &dyn Fn(&Function) -> bool) -> String {
        let mut text = String::new();
        let mut from = 0;
        for f in self.functions.iter().filter(|f| gone(f)) {
            text += &self.text[from..f.span.start];
            text += &format!("/* `{}` is defined again below */", f.name);
            from = f.span.end;
        }
        text + &self.text[from..]
    }
}

pub(super) fn script(ran: &[Ran]) -> String {
    let mut out = String::new();
    for (i, piece) in ran.iter().enumerate() {
        let again = |f: &Function| {
            ran[i + 1..]
                .iter()
                .flat_map(|r| &r.functions)
                .any(|o| o.name == f.name && o.parameters == f.parameters)
        };
        out += &format!("// {}", piece.label);
        if let Some(message) = &piece.failed {
            out += &format!(" failed: {}\n", message.lines().next().unwrap_or_default());
            for line in piece.text.lines() {
                out += &format!("//   {line}\n");
            }
            for f in piece.functions.iter().filter(|f| !again(f)) {
                out += &format!("{}\n", &piece.text[f.span.clone()]);
            }
            out.push('\n');
            continue;
        }
        let text = piece.without(&again);
        let text = text.trim_end();
        out += &format!("\n{text}");
        // Nothing separates the last statement of one piece from the next one.
        if !text.ends_with(';') {
            out += if text.lines().last().is_some_and(|l| l.contains("//")) {
                "\n;"
            } else {
                ";"
            };
        }
        out += "\n\n";
    }
    out
}
