//! What a closure captured, as state: the models, optimisers and buffers that a checkpoint must hold.

use rhai::{Array, Dynamic, FnPtr, Map, NativeCallContext};

use crate::params::State;

use super::STATES;

/// A piece of state under its name in the script: `opt`, `model`, `nets.0`.
pub type NamedState = (String, std::rc::Rc<dyn State>);

/// All state that functions reach: followed through arrays, maps and functions, each once.
pub fn states(context: &NativeCallContext, functions: &[&FnPtr]) -> Vec<NamedState> {
    let mut found = Vec::new();
    for function in functions {
        of_function(context, function, &mut found);
    }
    found
}

fn of_function(context: &NativeCallContext, function: &FnPtr, found: &mut Vec<NamedState>) {
    let names = parameter_names(context, function);
    for (i, value) in function.curry().iter().enumerate() {
        let name = names.get(i).cloned().unwrap_or_else(|| format!("captured{i}"));
        of_value(context, &name, value, found);
    }
}

fn of_value(context: &NativeCallContext, name: &str, value: &Dynamic, found: &mut Vec<NamedState>) {
    if found.len() > 1000 || found.iter().any(|(n, _)| n == name) {
        return;
    }
    let value = value.flatten_clone();
    if let Some(state) = STATES.iter().find_map(|make| make(&value)) {
        found.push((name.to_owned(), state));
    } else if let Some(function) = value.clone().try_cast::<FnPtr>() {
        of_function(context, &function, found);
    } else if let Some(array) = value.clone().try_cast::<Array>() {
        for (i, v) in array.iter().enumerate() {
            of_value(context, &format!("{name}.{i}"), v, found);
        }
    } else if let Some(map) = value.try_cast::<Map>() {
        for (key, v) in &map {
            of_value(context, &format!("{name}.{key}"), v, found);
        }
    }
}

/// The names of a closure's captured variables: its first parameters.
fn parameter_names(context: &NativeCallContext, function: &FnPtr) -> Vec<String> {
    let captured = function.curry().len();
    for module in context.iter_namespaces() {
        for written in 0..8 {
            if let Some(f) = module.get_script_fn(function.fn_name(), captured + written) {
                return f.params.iter().take(captured).map(ToString::to_string).collect();
            }
        }
    }
    Vec::new()
}
