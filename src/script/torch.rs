//! `torch::NAME(…)`: libtorch's operators in the language.
//!
//! rhai knows a function by its name and the number of its arguments, so that each operator is
//! registered once for each number that it may be called with; all take any types, since the
//! operator's own schema chooses. A trailing map holds arguments by name.

use std::any::TypeId;
use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::OnceLock;

use rhai::plugin::PluginFunc;
use rhai::{
    Array, Dynamic, FnNamespace, FuncRegistration, Map, Module, NativeCallContext, RhaiFunc, Shared,
};

use super::edge::{self, Outcome};
use super::names::type_name;
use super::reference::{Entry, Form};
use crate::aten::{self, Operator, Value};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The module's name.
pub const ROOM: &str = "torch";

/// The page of the reference that says how the module is used.
pub const TITLE: &str = "Operators of libtorch";

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
    module.set_id(ROOM);
    for known in aten::names() {
        let label: Rc<str> = format!("{ROOM}::{}", known.name).into();
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

/// The error for a call that rhai finds no function for: there is no such operator, or none of so
/// many arguments.
pub fn not_found(name: &str, given: usize) -> Error {
    match Operator::find(name) {
        Err(error) => error,
        Ok(operator) => Error::argument(format!("{ROOM}::{name} does not take {given} arguments"))
            .with_hint(operator.takes()),
    }
}

/// What the reference knows of all operators.
pub fn entries() -> &'static [Entry] {
    static ALL: OnceLock<Vec<Entry>> = OnceLock::new();
    ALL.get_or_init(|| {
        aten::names()
            .iter()
            .filter_map(|known| entry(known.name))
            .collect()
    })
}

/// What the reference knows of an operator; `None` where there is none of this name.
pub fn entry(name: &str) -> Option<Entry> {
    let operator = Operator::find(name).ok()?;
    let forms = operator.forms();
    let signatures: Vec<String> = forms.iter().map(|form| form.signature(name)).collect();
    let first = forms.first()?;
    let parameters = first
        .arguments
        .iter()
        .map(|a| (a.name.clone(), a.kind.clone()));
    Some(Entry {
        room: ROOM,
        home: ROOM,
        title: TITLE,
        name: name.to_owned(),
        signature: signatures.join("\n"),
        doc: format!(
            "An operator of libtorch. What has a default is given by name, or by place in this \
             order.\nPyTorch's documentation describes what it does: torch.{}",
            name.replacen("linalg_", "linalg.", 1)
                .replacen("fft_", "fft.", 1)
        ),
        options: Vec::new(),
        form: Form::Function,
        params: parameters.collect(),
        returns: match first.results.as_slice() {
            [(_, kind)] if forms.len() == 1 => kind.clone(),
            [_] => "any".to_owned(),
            several if several.iter().all(|(name, _)| !name.is_empty()) => "map".to_owned(),
            _ => "array".to_owned(),
        },
    })
}

/// All names, in columns.
pub fn overview() -> String {
    let names: Vec<&str> = aten::names().iter().map(|known| known.name).collect();
    let text = format!(
        "{ROOM}: {} operators of libtorch, called as {ROOM}::NAME(…); `jemscript doc {ROOM}::NAME` shows what one takes\n",
        names.len()
    );
    let mut lines = vec![String::new()];
    for name in names {
        let last = lines.len() - 1;
        if lines[last].len() + name.len() > 100 {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            *line += &format!("  {name}");
        }
    }
    format!("{text}\n{}", lines.join("\n"))
}

/// The names of all arguments of an operator's forms.
pub fn arguments(name: &str) -> Vec<String> {
    let Ok(operator) = Operator::find(name) else {
        return Vec::new();
    };
    let mut all: Vec<String> = operator
        .forms()
        .into_iter()
        .flat_map(|f| f.arguments)
        .map(|a| a.name)
        .collect();
    all.sort();
    all.dedup();
    all
}
