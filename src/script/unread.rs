//! What a file holds and is not read, in a script: it prints its class, and whatever else is done
//! with it is an error that names the class.

use rhai::{Dynamic, Engine};

use super::edge::Outcome;
use super::value::allow;
use crate::formats::Unread;

/// Registers the type.
pub fn register(engine: &mut Engine) {
    allow::<Unread>("unread");
    engine.register_type_with_name::<Unread>("unread");
    engine.register_fn("to_string", |v: &mut Unread| v.to_string());
    engine.register_fn("to_debug", |v: &mut Unread| v.to_string());
    // Its properties, too: rhai asks the index for those that it does not know.
    engine.register_indexer_get(|v: &mut Unread, _: Dynamic| -> Outcome<Dynamic> {
        Err(v.used().into())
    });
}
