//! Functions written in scripts, as the library calls them.
//!
//! A closure is kept with the context of its creation, so that helpers of an imported module and
//! constants are found when the library calls it much later. Its errors travel through the core
//! inside the core's own ([`Error::source`]), and are taken out again where the library's call
//! returns to the script.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use rhai::{Dynamic, EvalAltResult, FnPtr, Map, NativeCallContext};

use super::failure::Failure;
use super::host::Host;
use super::types::type_name;
use super::value::{convert, to_dynamic};
use super::wording::failure_of;
use crate::error::{Error, ErrorKind, Result};
use crate::options::{Function, Value};

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// The script's side of the core's functions, by their address: whoever walks the core's
    /// objects finds it here. It is held by the function itself.
    static POINTERS: RefCell<HashMap<usize, Weak<FnPtr>>> = RefCell::new(HashMap::new());
}

fn address(function: &Function) -> usize {
    Rc::as_ptr(&function.0).cast::<()>() as usize
}

/// The script's function behind one of the core's.
pub fn pointer(function: &Function) -> Option<Rc<FnPtr>> {
    POINTERS.with_borrow(|p| p.get(&address(function)).and_then(Weak::upgrade))
}

fn note(function: &Function, pointer: &Rc<FnPtr>) {
    POINTERS.with_borrow_mut(|all| {
        // Each option that is a function comes here: those that are gone must not pile up.
        if all.len() >= 64 && all.len().is_power_of_two() {
            all.retain(|_, p| p.strong_count() > 0);
        }
        all.insert(address(function), Rc::downgrade(pointer));
    });
}

/// How deep functions may call the library and the library functions: each level takes real stack.
const MAX_DEPTH: usize = 24;

/// A script's failure as the core's error, which carries it to where the library's call returns to
/// the script. A training may go on after a value that is not finite, so the core is told of that
/// one.
fn carried(failure: Failure) -> Error {
    let kind = match failure.error.kind() {
        ErrorKind::NonFinite => ErrorKind::NonFinite,
        _ => ErrorKind::Callback,
    };
    Error::new(kind, failure.error.message()).with_source(Arc::new(failure))
}

struct Depth;

impl Depth {
    fn enter() -> Result<Depth> {
        let depth = DEPTH.get();
        if depth >= MAX_DEPTH {
            return Err(
                Error::state("functions call each other through the library too deep")
                    .with_hint("does an energy, layer or sampler call itself?"),
            );
        }
        DEPTH.set(depth + 1);
        Ok(Depth)
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// A script's function as the core takes it.
#[allow(deprecated)] // rhai marks the stored context as volatile; the version is pinned.
pub fn function(context: &NativeCallContext, pointer: FnPtr) -> Function {
    let store = context.store_data();
    let session = Host::of(context);
    let pointer = Rc::new(pointer);
    let inside = pointer.clone();
    let function = Function(Rc::new(move |arguments: &[Value]| {
        let _depth = Depth::enter()?;
        let engine = session.engine()?;
        let context = store.create_context(&engine);
        let arguments: Vec<Dynamic> = arguments.iter().map(to_dynamic).collect();
        let types: Vec<&'static str> = arguments.iter().map(Dynamic::type_name).collect();
        match inside.call_raw(&context, None, arguments) {
            Ok(value) => from_dynamic(&context, &value),
            Err(error) if missed(&error, inside.fn_name()) => {
                Err(carried(Failure::new(wrong_arity(&types))))
            }
            Err(error) => Err(carried(failure_of(&error, context.call_source()))),
        }
    }));
    note(&function, &pointer);
    function
}

/// A script's value as the core takes it.
pub fn from_dynamic(context: &NativeCallContext, value: &Dynamic) -> Result<Value> {
    convert(value, &|f| Ok(Value::Function(function(context, f))))
}

/// Whether a call failed since there is no such function: one of that name, but with other
/// parameters.
pub(super) fn missed(error: &EvalAltResult, name: &str) -> bool {
    matches!(error, EvalAltResult::ErrorFunctionNotFound(call, _) if call.split(" (").next() == Some(name))
}

pub(super) fn wrong_arity(types: &[&str]) -> Error {
    let count = if types.len() == 1 {
        "1 argument".to_owned()
    } else {
        format!("{} arguments", types.len())
    };
    let given = types
        .iter()
        .map(|t| type_name(t))
        .collect::<Vec<_>>()
        .join(", ");
    let names = ["x", "y", "z", "u", "v"]
        .into_iter()
        .take(types.len())
        .collect::<Vec<_>>()
        .join(", ");
    Error::argument(format!(
        "a function given here is called with {count} ({given}), but takes other ones"
    ))
    .with_hint(format!("write it as |{names}| …"))
}

/// The functions among options, those in maps inside them too.
pub fn inside(options: &Map) -> Vec<FnPtr> {
    let one = |value: &Dynamic| match value.read_lock::<Map>() {
        Some(map) => inside(&map),
        None => value.clone().try_cast::<FnPtr>().into_iter().collect(),
    };
    options.values().flat_map(one).collect()
}
