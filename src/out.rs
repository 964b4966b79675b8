//! The standard streams, for the whole crate. The standard library's `println!` ends a program
//! whose reader has gone (`| head`, a pager that was left, a log on a full disk) with a panic;
//! these do what is right for the work that is going on.
//!
//! The macros here have the standard ones' names and take their place everywhere: so nobody can
//! forget to use them.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit code of a program that a closed pipe ended, as shells tell it: 128 + SIGPIPE.
const BROKEN_PIPE: i32 = 141;

/// Whether there is work that must not end because nobody reads what it says.
static GOES_ON: AtomicBool = AtomicBool::new(false);
/// Whether the loss of the standard output was said.
static SAID: AtomicBool = AtomicBool::new(false);

/// From here on this process does work that is worth more than its words: a training. It goes on
/// without printing.
pub fn go_on_unread() {
    GOES_ON.store(true, Ordering::SeqCst);
}

/// Text that does nothing to a terminal but stand there: scripts, their parameters and the names of
/// what they log may be a stranger's. Colours may stay; other escapes and control characters become
/// signs.
pub fn harmless(text: &str) -> std::borrow::Cow<'_, str> {
    let plain = |c: char| !c.is_control() || c == '\n' || c == '\t';
    if text.chars().all(plain) {
        return text.into();
    }
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let colour = rest.strip_prefix("\u{1b}[").and_then(|codes| {
            let length = codes.find(|c: char| !(c.is_ascii_digit() || c == ';'))?;
            codes[length..].starts_with('m').then_some(2 + length + 1)
        });
        let length = colour.unwrap_or(c.len_utf8());
        match colour {
            Some(_) => made.push_str(&rest[..length]),
            None if plain(c) => made.push(c),
            None => made.push(
                char::from_u32(0x2400 + c as u32)
                    .filter(|_| (c as u32) < 0x20)
                    .unwrap_or('\u{fffd}'),
            ),
        }
        rest = &rest[length..];
    }
    made.into()
}

/// Writes to the standard output.
pub fn print(text: Arguments, end: &str) {
    let text = text.to_string();
    let text = harmless(&text);
    let mut out = std::io::stdout().lock();
    let Err(error) = out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(end.as_bytes()))
        .and_then(|()| out.flush())
    else {
        return;
    };
    if GOES_ON.load(Ordering::SeqCst) {
        if !SAID.swap(true, Ordering::SeqCst) {
            eprint(
                format_args!("nothing can be printed any more ({error}); the run goes on"),
                "\n",
            );
        }
    } else if error.kind() == ErrorKind::BrokenPipe {
        // For a reader who has seen enough that is no news.
        std::process::exit(BROKEN_PIPE);
    } else {
        eprint(
            format_args!("error: the standard output cannot be written ({error})"),
            "\n",
        );
        std::process::exit(1);
    }
}

/// Writes to the standard error; where that is gone, there is nobody left to tell.
pub fn eprint(text: Arguments, end: &str) {
    let text = text.to_string();
    let text = harmless(&text);
    let mut out = std::io::stderr().lock();
    let _ = out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(end.as_bytes()));
}

/// A line on the standard output.
macro_rules! println {
    () => { $crate::out::print(format_args!(""), "\n") };
    ($($text:tt)*) => { $crate::out::print(format_args!($($text)*), "\n") };
}

/// Text on the standard output.
macro_rules! print {
    ($($text:tt)*) => { $crate::out::print(format_args!($($text)*), "") };
}

/// A line on the standard error.
macro_rules! eprintln {
    () => { $crate::out::eprint(format_args!(""), "\n") };
    ($($text:tt)*) => { $crate::out::eprint(format_args!($($text)*), "\n") };
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn escapes_but_colours_become_signs() {
        assert_eq!(harmless("a\tb\nü"), "a\tb\nü");
        assert_eq!(
            harmless("\u{1b}[31mred\u{1b}[0m \u{1b}[1;38;5;7mx"),
            "\u{1b}[31mred\u{1b}[0m \u{1b}[1;38;5;7mx"
        );
        // Titles, cursors, the clipboard, a backspace over what was there, a C1 control.
        assert_eq!(harmless("\u{1b}]0;t\u{7}"), "␛]0;t␇");
        assert_eq!(
            harmless("\u{1b}[2J\u{1b}[1mx\r\u{8}\u{9b}"),
            "␛[2J\u{1b}[1mx␍␈\u{fffd}"
        );
        assert_eq!(harmless("\u{1b}[31"), "␛[31");
    }
}
