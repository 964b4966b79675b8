//! A script's values as they are shown.

use rhai::{Dynamic, Engine, FnPtr, Scope};

use crate::display::Rich;

type Richly = fn(&Dynamic) -> Option<Rich>;

fn richly<T: Clone + 'static>(value: &Dynamic) -> Option<Rich>
where
    for<'a> Rich: From<&'a T>,
{
    value.clone().try_cast::<T>().map(|v| Rich::from(&v))
}

/// The types that are more than text.
static RICH: &[Richly] = &[
    richly::<crate::plot::Picture>,
    richly::<crate::plot::Animation>,
    richly::<crate::nn::Network>,
    richly::<crate::energy::Energy>,
    richly::<crate::tensor::Tensor>,
    richly::<crate::data::Dataset>,
    richly::<crate::data::Part>,
    richly::<crate::train::Record>,
    richly::<crate::evaluate::Report>,
];

/// A value in its richest form.
pub fn rich(engine: &Engine, value: &Dynamic) -> Rich {
    let value = value.flatten_clone();
    RICH.iter().find_map(|make| make(&value)).unwrap_or_else(|| Rich::text(text(engine, &value)))
}

/// A value as it prints.
pub fn text(engine: &Engine, value: &Dynamic) -> String {
    let mut scope = Scope::new();
    scope.push_dynamic("value", value.clone());
    engine.eval_with_scope::<String>(&mut scope, "`${value}`").unwrap_or_else(|_| value.to_string())
}

/// A function as it prints: rhai's names of closures tell nobody anything.
pub fn function(pointer: &FnPtr) -> String {
    if pointer.is_anonymous() { "function".to_owned() } else { format!("function `{}`", pointer.fn_name()) }
}
