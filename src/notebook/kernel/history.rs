//! What was run in this session, for the clients that ask.

use serde_json::{Value, json};

use super::message::Request;

/// The number of a cell, its text, and the text of its result.
type Input = (i64, String, String);

/// The inputs of a session with their results.
#[derive(Default)]
pub struct History(Vec<Input>);

impl History {
    /// Notes an input and the text of its result.
    pub fn add(&mut self, count: i64, input: &str, result: &str) {
        self.0.push((count, input.to_owned(), result.to_owned()));
    }

    /// What a request asks for: a range, the last ones, or those that match a pattern.
    pub fn answer(&self, request: &Request) -> Value {
        let all = self.0.iter();
        let found = match request.text("hist_access_type") {
            "range" => {
                let (from, to) = (request.number("start").unwrap_or(0), request.number("stop").unwrap_or(i64::MAX));
                // This session, by its number 1 or as 0; there are no others.
                let here = (0..=1).contains(&request.number("session").unwrap_or(0));
                all.filter(|(n, ..)| here && (from..to).contains(n)).collect()
            }
            "search" => {
                let pattern: Vec<char> = request.text("pattern").chars().collect();
                let mut found: Vec<_> =
                    all.filter(|(_, text, _)| like(&pattern, &text.chars().collect::<Vec<_>>())).collect();
                if request.flag("unique", false) {
                    let texts: Vec<&String> = found.iter().map(|f| &f.1).collect();
                    let latest: Vec<bool> = (0..found.len()).map(|i| !texts[i + 1..].contains(&texts[i])).collect();
                    let mut latest = latest.into_iter();
                    found.retain(|_| latest.next().unwrap_or(true));
                }
                last(request.number("n"), found)
            }
            _ => last(request.number("n"), all.collect()),
        };
        let output = request.flag("output", false);
        let one = |(n, text, result): &Input| match output {
            true => json!([1, n, [text, result]]),
            false => json!([1, n, text]),
        };
        json!({ "status": "ok", "history": found.into_iter().map(one).collect::<Vec<_>>() })
    }
}

/// The last `n`; all where no number is given.
fn last(n: Option<i64>, mut found: Vec<&Input>) -> Vec<&Input> {
    let n = n.map_or(found.len(), |n| n.max(0) as usize).min(found.len());
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
        let matches = |p: &str, t: &str| like(&p.chars().collect::<Vec<_>>(), &t.chars().collect::<Vec<_>>());
        for (pattern, text) in [("*", ""), ("a*c", "abbc"), ("?ü", "üü"), ("*1*", "let x = 1;"), ("a**b", "ab")] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a", "ab"), ("?", ""), ("*b", "abc"), ("a*c*d", "abd")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
