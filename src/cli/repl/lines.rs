//! Several lines that arrive at once, each ended by a line feed: what is pasted into a terminal
//! without bracketed paste, or sent by another program.
//!
//! The editor forgets the keys behind the one that ends its entry. So a line feed ends the entry at
//! once, and what comes behind it is kept as text until the next entry is asked for.

use std::sync::{Arc, Mutex};

use reedline::{
    EditCommand, EditMode, Emacs, KeyCode, KeyModifiers, Keybindings, PromptEditMode,
    ReedlineEvent, ReedlineRawEvent,
};

/// What came behind a line feed; `None` where there was none.
pub type Rest = Arc<Mutex<Option<String>>>;

/// What a line feed is bound to, to be told from Enter.
const LINE_FEED: &str = "line feed";

/// The keys of Emacs, and line feeds.
pub struct Keys {
    emacs: Emacs,
    rest: Rest,
}

impl Keys {
    /// These keys; what comes behind a line feed goes to `rest`.
    pub fn new(mut keys: Keybindings, rest: Rest) -> Keys {
        let line_feed = ReedlineEvent::ExecuteHostCommand(LINE_FEED.to_owned());
        keys.add_binding(KeyModifiers::CONTROL, KeyCode::Char('j'), line_feed);
        Keys {
            emacs: Emacs::new(keys),
            rest,
        }
    }
}

impl EditMode for Keys {
    fn parse_event(&mut self, event: ReedlineRawEvent) -> ReedlineEvent {
        let event = self.emacs.parse_event(event);
        let line_feed =
            matches!(&event, ReedlineEvent::ExecuteHostCommand(what) if what == LINE_FEED);
        let Ok(mut rest) = self.rest.lock() else {
            return event;
        };
        match (rest.as_mut(), event) {
            (None, _) if line_feed => {
                *rest = Some(String::new());
                ReedlineEvent::Submit
            }
            (None, event) => event,
            (Some(text), event) => {
                match event {
                    ReedlineEvent::Edit(commands) => {
                        commands.iter().for_each(|command| match command {
                            EditCommand::InsertChar(c) => text.push(*c),
                            EditCommand::InsertString(piece) => text.push_str(piece),
                            _ => {}
                        })
                    }
                    ReedlineEvent::Enter => text.push('\n'),
                    _ if line_feed => text.push('\n'),
                    _ => {}
                }
                ReedlineEvent::None
            }
        }
    }

    fn edit_mode(&self) -> PromptEditMode {
        self.emacs.edit_mode()
    }
}
