//! The names that functions of an imported script have: their own, and the script's number.

/// What stands between a name and the number of its script, and behind that.
const MARK: &str = "__of_";
const END: &str = "__";

/// The name of a function of the script of a number.
pub fn own_name(name: &str, number: usize) -> String {
    format!("{name}{MARK}{number}{END}")
}

/// A name as its script has it, wherever it stands in a text.
pub fn plain(text: &str) -> String {
    let mut parts = text.split(MARK);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .strip_prefix(END)
        {
            Some(rest) => out += rest,
            None => out = out + MARK + part,
        }
    }
    out
}

/// Whether a call is that of a function of a plain name to the one it stands for.
pub fn hands_on(outer: &str, inner: &str) -> bool {
    inner != outer && plain(inner) == outer
}
