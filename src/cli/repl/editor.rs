//! The line editor: several lines where an entry needs them, a history in the user's data folder,
//! Tab.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reedline::{
    ColumnarMenu, Completer, CompletionResult, DefaultHinter, EditCommand, FileBackedHistory,
    KeyCode, KeyModifiers, MenuBuilder, Prompt, PromptEditMode, PromptHistorySearch, Reedline,
    ReedlineEvent, ReedlineMenu, Signal, Span, Suggestion, ValidationResult, Validator,
    default_emacs_keybindings,
};

use super::commands::COMMANDS;
use super::highlight::Colours;
use super::lines::{Keys, Rest};
use crate::notebook::user;
use crate::script::Cells;
use crate::script::cells::is_complete;
use crate::script::complete::{Variable, complete};

/// So many entries are kept from session to session.
const HISTORY: usize = 5_000;

/// What was typed.
pub enum Line {
    /// An entry or a command.
    Text(String),
    /// A line that was cleared.
    Nothing,
    /// Ctrl-D.
    End,
}

/// The editor.
pub struct Editor {
    lines: Reedline,
    variables: Arc<Mutex<Vec<Variable>>>,
    /// What came behind a line feed.
    rest: Rest,
}

/// Whether the editor waits for a line.
static READING: AtomicBool = AtomicBool::new(false);
/// As a shell tells it: ended by the terminal's hang-up.
const HUNG_UP: i32 = 129;

/// Ends the process once its terminal is gone and it waits for a line from there. The editor itself
/// would ask a closed terminal for keys for ever, and take a whole core for it.
fn leave_with_the_terminal() {
    std::thread::spawn(|| {
        let input = std::io::stdin();
        let mut watched = [rustix::event::PollFd::new(
            &input,
            rustix::event::PollFlags::empty(),
        )];
        // Nothing is asked for, so this sleeps until the terminal hangs up.
        while rustix::event::poll(&mut watched, None) == Err(rustix::io::Errno::INTR) {}
        loop {
            // What runs is told by the signal, and ends in good order first.
            if READING.load(Ordering::SeqCst) {
                std::process::exit(HUNG_UP);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    });
}

impl Editor {
    /// An editor with the history of earlier sessions.
    pub fn new() -> Editor {
        leave_with_the_terminal();
        let variables: Arc<Mutex<Vec<Variable>>> = Arc::default();
        let mut keys = default_emacs_keybindings();
        let (menu, rest) = ("completion", Rest::default());
        keys.add_binding(
            KeyModifiers::NONE,
            KeyCode::Tab,
            ReedlineEvent::UntilFound(vec![
                ReedlineEvent::Menu(menu.to_owned()),
                ReedlineEvent::MenuNext,
            ]),
        );
        let mut lines = Reedline::create()
            .with_edit_mode(Box::new(Keys::new(keys, rest.clone())))
            .with_validator(Box::new(Whole))
            .with_highlighter(Box::new(Colours))
            .with_hinter(Box::new(DefaultHinter::default()))
            .with_completer(Box::new(Names(variables.clone())))
            .with_quick_completions(true)
            .with_partial_completions(true)
            .with_menu(ReedlineMenu::EngineCompleter(Box::new(
                ColumnarMenu::default().with_name(menu),
            )));
        // Without a place for it the history lasts as long as the session.
        if let Some(history) = user::histories()
            .and_then(|f| FileBackedHistory::with_file(HISTORY, f.join("history")).ok())
        {
            lines = lines.with_history(Box::new(history));
        }
        Editor {
            lines,
            variables,
            rest,
        }
    }

    /// Tells completion what the session has.
    pub fn know(&self, cells: &Cells) {
        if let Ok(mut known) = self.variables.lock() {
            let variables = cells.variables().into_iter().map(|v| Variable {
                name: v.name,
                kind: v.kind,
            });
            *known = variables.collect();
            let others = cells.names().into_iter().map(|name| Variable {
                name,
                kind: String::new(),
            });
            for other in others.collect::<Vec<_>>() {
                if known.iter().all(|v| v.name != other.name) {
                    known.push(other);
                }
            }
        }
    }

    fn keep(&self, text: String) {
        if let Ok(mut rest) = self.rest.lock() {
            *rest = Some(text).filter(|text| !text.is_empty());
        }
    }

    /// Reads the entry of a number.
    pub fn read(&mut self, number: usize) -> Line {
        // Lines that came at once stand in `rest`: the next entry is as many of them as make a
        // whole one.
        let mut open = String::new();
        let mut rest = self
            .rest
            .lock()
            .ok()
            .and_then(|mut rest| rest.take())
            .unwrap_or_default();
        while let Some((line, behind)) = rest.split_once('\n') {
            open += line;
            let behind = behind.to_owned();
            if open.trim().is_empty() {
                open.clear();
            } else if whole(&open) {
                println!("{number}> {}", open.replace('\n', "\n… "));
                self.keep(behind);
                return Line::Text(open);
            } else {
                open.push('\n');
            }
            rest = behind;
        }
        open += &rest;
        if !open.is_empty() {
            self.lines
                .run_edit_commands(&[EditCommand::InsertString(open)]);
        }
        READING.store(true, Ordering::SeqCst);
        let read = self.lines.read_line(&Numbered(number));
        READING.store(false, Ordering::SeqCst);
        match read {
            Ok(Signal::Success(text)) if whole(&text) => Line::Text(text),
            // A line feed behind what is not whole: it goes on in the next line.
            Ok(Signal::Success(text)) => {
                let rest = self
                    .rest
                    .lock()
                    .ok()
                    .and_then(|mut rest| rest.take())
                    .unwrap_or_default();
                self.keep(format!("{text}\n{rest}"));
                Line::Nothing
            }
            Ok(Signal::CtrlD) | Err(_) => Line::End,
            Ok(_) => Line::Nothing,
        }
    }
}

fn whole(text: &str) -> bool {
    text.starts_with(':') || is_complete(text)
}

/// Enter ends an entry only where it is whole.
struct Whole;

impl Validator for Whole {
    fn validate(&self, line: &str) -> ValidationResult {
        match whole(line) {
            true => ValidationResult::Complete,
            false => ValidationResult::Incomplete,
        }
    }
}

/// Completion: the commands behind a colon, else the language and the session's names.
struct Names(Arc<Mutex<Vec<Variable>>>);

impl Completer for Names {
    fn complete(&mut self, line: &str, position: usize) -> CompletionResult {
        let before = &line[..position.min(line.len())];
        let suggestion = |value: String, start: usize, description: String| Suggestion {
            value,
            description: Some(description).filter(|d| !d.is_empty()),
            span: Span::new(start, position),
            ..Suggestion::default()
        };
        if let Some(command) = before.strip_prefix(':').filter(|c| !c.contains(' ')) {
            let found = COMMANDS
                .iter()
                .filter(|(name, ..)| name.starts_with(command));
            let found: Vec<Suggestion> = found
                .map(|(name, _, does)| suggestion((*name).to_owned(), 1, (*does).to_owned()))
                .collect();
            return CompletionResult::fresh(found);
        }
        let known = self.0.lock().map(|k| k.clone()).unwrap_or_default();
        let found: Vec<Suggestion> = complete(line, position, &known)
            .into_iter()
            .map(|c| suggestion(c.text, c.start, c.summary))
            .collect();
        CompletionResult::fresh(found)
    }
}

/// The prompt: the number that the entry will have.
struct Numbered(usize);

impl Prompt for Numbered {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Owned(self.0.to_string())
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("> ")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("… ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(search: {}) ", search.term))
    }
}
