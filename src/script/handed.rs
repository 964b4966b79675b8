//! What goes in and out of an imported script. rhai looks for the body of a function, and for what
//! it calls, in the script that runs: a function made in `lib.rhai` is not found there, or another
//! one with the same text is found in its place. So what a function of an imported script gives is
//! bound to its own script first.
//!
//! Likewise `global::K` means, to rhai, the constant of the script that a call entered last: a
//! function that was handed in would read another script's. Constants have names of their own
//! ([`super::unique`]), so each script may have all of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use rhai::{
    Array, Dynamic, Engine, FnPtr, GlobalRuntimeState, ImmutableString, Map, NativeCallContext,
};

use super::closure;

/// The function, known to nobody but [`super::unique`], that is called where an imported script is
/// entered.
pub const HAND_IN: &str = "handed__in";
/// The one through which values leave an imported script.
pub const HAND_OUT: &str = "handed__out";
/// What begins the name of a function that was handed out.
const NAME: &str = "handed__";
/// More parameters than any function has.
const MOST: usize = 16;

pub fn install(engine: &mut Engine) {
    engine.register_fn(HAND_IN, |context: NativeCallContext| share(&context));
    engine.register_fn(
        HAND_OUT,
        |context: NativeCallContext, mut value: Dynamic| {
            bind(&context, &mut value);
            value
        },
    );
}

/// The constants of a script, as rhai keeps them.
pub type Constants = RefCell<BTreeMap<ImmutableString, Dynamic>>;

thread_local! {
    /// The constants of all scripts that ran, the newest last, each with the address of its engine:
    /// another engine's are not ours.
    static SEEN: RefCell<Vec<(*const Engine, Weak<Constants>)>> = const { RefCell::new(Vec::new()) };
}

/// Notes the constants of the script that runs.
pub fn note(engine: &Engine, state: &GlobalRuntimeState) {
    let Some(constants) = &state.constants else {
        return;
    };
    let same = |one: &Weak<Constants>| std::ptr::eq(one.as_ptr(), Rc::as_ptr(constants));
    SEEN.with_borrow_mut(|seen| {
        if seen.last().is_some_and(|(_, last)| same(last)) {
            return;
        }
        seen.retain(|(_, one)| one.strong_count() > 0 && !same(one));
        seen.push((engine, Rc::downgrade(constants)));
    });
}

/// The constants of all scripts of an engine.
pub fn all_constants(engine: &Engine) -> Vec<Rc<Constants>> {
    SEEN.with_borrow(|seen| {
        let own = seen.iter().filter(|(of, _)| std::ptr::eq(*of, engine));
        own.filter_map(|(_, constants)| constants.upgrade())
            .collect()
    })
}

/// Gives the script that runs the constants of all others.
fn share(context: &NativeCallContext) {
    let Some(own) = &context.global_runtime_state().constants else {
        return;
    };
    for other in all_constants(context.engine())
        .iter()
        .filter(|other| !Rc::ptr_eq(other, own))
    {
        let (Ok(mut own), Ok(other)) = (own.try_borrow_mut(), other.try_borrow()) else {
            continue;
        };
        for (name, value) in other.iter() {
            own.insert(name.clone(), value.clone());
        }
    }
}

/// Binds the functions in a value to the script in which it was made.
fn bind(context: &NativeCallContext, value: &mut Dynamic) {
    let function = value
        .read_lock::<FnPtr>()
        .filter(|function| function.is_anonymous())
        .map(|function| function.clone());
    if let Some(function) = function
        && let Some(bound) = bound(context, &function)
        && let Some(mut place) = value.write_lock::<FnPtr>()
    {
        *place = bound;
    } else if let Some(mut values) = value.write_lock::<Array>() {
        values.iter_mut().for_each(|value| bind(context, value));
    } else if let Some(mut values) = value.write_lock::<Map>() {
        values.values_mut().for_each(|value| bind(context, value));
    }
}

/// The same function with the same captured variables, which runs where it was made. `None` if the
/// script did not make it: it was handed in.
#[allow(deprecated)] // rhai marks native function pointers as volatile; the version is pinned.
fn bound(context: &NativeCallContext, function: &FnPtr) -> Option<FnPtr> {
    let mut home = context.global_runtime_state().clone();
    // rhai looks for a function's body in the first script of these; the last one is the script
    // that runs. The others stay: a function that was handed in is found there.
    let own = home.lib.last()?.clone();
    let captured: Vec<Dynamic> = function.curry().to_vec();
    // rhai finds a function by its name and its number of parameters, which a pointer does not
    // tell.
    (0..MOST).find(|written| {
        own.get_script_fn(function.fn_name(), captured.len() + written)
            .is_some()
    })?;
    home.lib.insert(0, own);
    let mut body = function.clone();
    body.set_curry([]);
    let (skipped, source) = (captured.len(), context.call_source().map(str::to_owned));
    let name = function.fn_name().replace("anon$", NAME);
    let mut bound = FnPtr::from_fn(name, move |context, arguments| {
        let mut global = home.clone();
        // Levels are counted from the caller on, so that recursion without an end is found.
        global.level = context.global_runtime_state().level + 1;
        let inner = (
            context.engine(),
            body.fn_name(),
            source.as_deref(),
            &global,
            context.call_position(),
        )
            .into();
        let types: Vec<&'static str> = arguments
            .iter()
            .skip(skipped)
            .map(|value| value.type_name())
            .collect();
        let values: Vec<Dynamic> = arguments
            .iter_mut()
            .map(|value| std::mem::take(&mut **value))
            .collect();
        body.call_raw(&inner, None, values).map_err(|error| {
            match closure::missed(&error, body.fn_name()) {
                true => closure::wrong_arity(&types).into(),
                false => error,
            }
        })
    })
    .ok()?;
    bound.set_curry(captured);
    Some(bound)
}

/// Whether a function has no name that a script knows.
pub fn is_nameless(function: &FnPtr) -> bool {
    function.is_anonymous() || function.fn_name().starts_with(NAME)
}
