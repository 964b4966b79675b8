//! `torch::NAME(…)`: libtorch's operators in the language.
//!
//! rhai knows a function by its name and the number of its arguments, so that each operator is
//! registered once for each number that it may be called with; all take any types, since the
//! operator's own schema chooses. A trailing map holds arguments by name.

use std::any::TypeId;
use std::cell::OnceCell;
use std::rc::Rc;

use rhai::plugin::PluginFunc;
use rhai::{
    Array, Dynamic, FnNamespace, FuncRegistration, Map, Module, NativeCallContext, RhaiFunc, Shared,
};

use super::TORCH;
use super::edge::{self, Outcome};
use super::types::type_name;
use crate::aten::{self, Operator, Value};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// An operator that a script calls. It is looked up at its first call.
struct Call {
    known: &'static aten::Known,
    operator: OnceCell<Operator>,
    label: Rc<str>,
}

impl PluginFunc for Call {
    fn call(
        &self,
        context: Option<NativeCallContext>,
        arguments: &mut [&mut Dynamic],
    ) -> Outcome<Dynamic> {
        edge::guarded(&self.label, context, |context| {
            if let (true, Some(context)) = (self.known.random, context) {
                super::tensor::fresh(context);
            }
            Ok(call(self.operator()?, arguments)?)
        })
    }

    fn is_method_call(&self) -> bool {
        false
    }

    fn has_context(&self) -> bool {
        true
    }

    fn is_pure(&self) -> bool {
        true
    }

    fn is_volatile(&self) -> bool {
        true
    }
}

impl Call {
    fn operator(&self) -> Result<Operator> {
        if let Some(operator) = self.operator.get() {
            return Ok(*operator);
        }
        let operator = Operator::find(self.known.name)?;
        Ok(*self.operator.get_or_init(|| operator))
    }
}

fn call(operator: Operator, arguments: &[&mut Dynamic]) -> Result<Dynamic> {
    let (placed, named) = match arguments.split_last() {
        Some((last, before)) if last.is_map() => (before, by_name(last)?),
        _ => (arguments, Vec::new()),
    };
    let placed: Vec<Value> = placed
        .iter()
        .map(|value| lower(value))
        .collect::<Result<_>>()?;
    lift(operator.call(&placed, &named)?)
}

fn by_name(map: &Dynamic) -> Result<Vec<(String, Value)>> {
    let map: Map = map.flatten_clone().try_cast().unwrap_or_default();
    map.iter()
        .map(|(name, value)| Ok((name.to_string(), lower(value)?)))
        .collect()
}

fn lower(value: &Dynamic) -> Result<Value> {
    if let Some(tensor) = value.read_lock::<Tensor>() {
        return Ok(Value::Tensor(tensor.clone()));
    }
    if let Some(list) = value.read_lock::<Array>() {
        return list
            .iter()
            .map(lower)
            .collect::<Result<_>>()
            .map(Value::List);
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        return Ok(Value::Text(text.to_string()));
    }
    if value.is_unit() {
        Ok(Value::None)
    } else if let Ok(b) = value.as_bool() {
        Ok(Value::Bool(b))
    } else if let Ok(i) = value.as_int() {
        Ok(Value::Int(i))
    } else if let Ok(f) = value.as_float() {
        Ok(Value::Float(f))
    } else {
        let found = type_name(value.type_name());
        Err(
            Error::argument(format!("libtorch takes no value of type {found}"))
                .with_hint("it takes tensors, numbers, texts, bools and arrays of them"),
        )
    }
}

/// One result as it is; several as a map where they have names, else as an array.
fn lift(mut results: Vec<(String, Value)>) -> Result<Dynamic> {
    if results.len() == 1 {
        return Ok(one(results.swap_remove(0).1));
    }
    if results.iter().all(|(name, _)| !name.is_empty()) {
        let named: Map = results
            .into_iter()
            .map(|(name, v)| (name.into(), one(v)))
            .collect();
        return Ok(named.into());
    }
    Ok(results
        .into_iter()
        .map(|(_, value)| one(value))
        .collect::<Array>()
        .into())
}

fn one(value: Value) -> Dynamic {
    match value {
        Value::None => Dynamic::UNIT,
        Value::Bool(b) => b.into(),
        Value::Int(i) => i.into(),
        Value::Float(f) => f.into(),
        Value::Text(text) => text.into(),
        Value::Tensor(tensor) => Dynamic::from(tensor),
        Value::List(list) => list.into_iter().map(one).collect::<Array>().into(),
    }
}

thread_local! {
    static MODULE: Shared<Module> = make();
}

/// The module, made once a thread.
pub fn module() -> Shared<Module> {
    MODULE.with(Shared::clone)
}

fn make() -> Shared<Module> {
    let mut module = Module::new();
    module.set_id(TORCH);
    for known in aten::names() {
        let label: Rc<str> = format!("{TORCH}::{}", known.name).into();
        // One more than the operator takes: the map of arguments by name.
        for count in 0..=known.most + 1 {
            let call = Call {
                known,
                operator: OnceCell::new(),
                label: label.clone(),
            };
            FuncRegistration::new(known.name)
                .with_namespace(FnNamespace::Internal)
                .set_into_module_raw(
                    &mut module,
                    vec![TypeId::of::<Dynamic>(); count],
                    RhaiFunc::Plugin {
                        func: Rc::new(call),
                    },
                );
        }
    }
    module.into()
}
