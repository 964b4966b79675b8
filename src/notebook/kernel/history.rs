//! What was run, in this session and in former ones, for the clients that ask.

use serde_json::{Value, json};

use super::archive::{Archive, Past};
use super::message::Request;

/// The inputs of this session with their results, and the inputs of all sessions on disk.
pub struct History {
    archive: Archive,
    here: Vec<Here>,
}

struct Here {
    line: i64,
    input: String,
    result: String,
}

/// An input as it is asked for; the result is known of this session only.
struct Input {
    session: i64,
    line: i64,
    text: String,
    result: Option<String>,
}

impl History {
    /// The history of a session that begins.
    pub fn new(archive: Archive) -> History {
        History {
            archive,
            here: Vec::new(),
        }
    }

    /// Notes an input and the text of its result.
    pub fn add(&mut self, line: i64, input: &str, result: &str) {
        self.here.push(Here {
            line,
            input: input.to_owned(),
            result: result.to_owned(),
        });
        self.archive.add(line, input);
    }

    /// What a request asks for: a range of a session, the last inputs, or those that match a
    /// pattern.
    pub fn answer(&self, request: &Request) -> Value {
        let found = match request.text("hist_access_type") {
            "range" => {
                let (from, to) = (
                    request.number("start").unwrap_or(0),
                    request.number("stop").unwrap_or(i64::MAX),
                );
                let mut all = self.all();
                // A positive number is a session's own; 0 is this session, and what is negative
                // counts back from it.
                let wanted = match request.number("session").unwrap_or(0) {
                    n @ 1.. => n,
                    n => self.archive.session() + n,
                };
                all.retain(|i| i.session == wanted && (from..to).contains(&i.line));
                all
            }
            "search" => {
                let pattern: Vec<char> = request.text("pattern").chars().collect();
                let mut all = self.all();
                all.retain(|i| like(&pattern, &i.text.chars().collect::<Vec<_>>()));
                if request.flag("unique", false) {
                    all = latest(all);
                }
                last(request.number("n"), all)
            }
            _ => last(request.number("n"), self.all()),
        };
        let output = request.flag("output", false);
        let one = |i: Input| match output {
            true => json!([i.session, i.line, [i.text, i.result]]),
            false => json!([i.session, i.line, i.text]),
        };
        json!({ "status": "ok", "history": found.into_iter().map(one).collect::<Vec<_>>() })
    }

    /// All inputs in the order in which they were run; those of this session come last, as clients
    /// go back from the end.
    fn all(&self) -> Vec<Input> {
        let now = self.archive.session();
        let past = self.archive.read().into_iter().filter(|p| p.session != now);
        let past = past.map(
            |Past {
                 session,
                 line,
                 input,
             }| Input {
                session,
                line,
                text: input,
                result: None,
            },
        );
        let here = self.here.iter().map(|h| Input {
            session: now,
            line: h.line,
            text: h.input.clone(),
            result: Some(h.result.clone()),
        });
        past.chain(here).collect()
    }
}

/// Each text once, where it was run last.
fn latest(all: Vec<Input>) -> Vec<Input> {
    let mut seen = std::collections::HashSet::new();
    let mut found: Vec<Input> = all
        .into_iter()
        .rev()
        .filter(|i| seen.insert(i.text.clone()))
        .collect();
    found.reverse();
    found
}

/// The last `n`; all where no number is given.
fn last(n: Option<i64>, mut found: Vec<Input>) -> Vec<Input> {
    let n = n
        .map_or(found.len(), |n| n.max(0) as usize)
        .min(found.len());
    found.split_off(found.len() - n)
}

/// Whether a text matches a pattern with `*` for anything and `?` for one character.
fn like(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last star stood, and how far the text was then.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn patterns_match_as_in_a_shell() {
        let matches = |p: &str, t: &str| {
            like(
                &p.chars().collect::<Vec<_>>(),
                &t.chars().collect::<Vec<_>>(),
            )
        };
        for (pattern, text) in [
            ("*", ""),
            ("a*c", "abbc"),
            ("?ü", "üü"),
            ("*1*", "let x = 1;"),
            ("a**b", "ab"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("a", "ab"),
            ("?", ""),
            ("*b", "abc"),
            ("a*c*d", "abd"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
