//! The edge: every call from a script into the library passes here.
//!
//! A binding is a documented `pub fn` in an `#[export_module(manifest)]` module. The edge registers
//! each of them, and around each call it
//! - gives an error the position of the call, and notes the call as a frame of the trace;
//! - turns a panic into an error (a net that nothing should need);
//! - accepts whole numbers where floats are meant, and lets a trailing options map be left out.

use std::any::TypeId;
use std::cell::Cell;
use std::rc::Rc;

use rhai::plugin::{ModuleManifest, PluginFunc};
use rhai::{
    Dynamic, EvalAltResult, FnNamespace, FuncRegistration, Map, Module, NativeCallContext, RhaiFunc,
};

use super::failure::{Failure, Frame};
use super::net;
use crate::error::Error;

/// What a binding returns.
pub type Outcome<T> = Result<T, Box<EvalAltResult>>;

impl From<Error> for Box<EvalAltResult> {
    /// The library's error as a script error; one that came from a user's function carries the
    /// script's own.
    fn from(error: Error) -> Self {
        error
            .source::<Failure>()
            .cloned()
            .unwrap_or_else(|| Failure::new(error))
            .into()
    }
}

thread_local! {
    /// Which arguments of the call in progress were whole numbers that a binding takes as floats:
    /// bit i for argument i.
    static WHOLE: Cell<u64> = const { Cell::new(0) };
}

/// Whether the script gave a whole number for argument `i` of the binding that is running. Bindings
/// see floats; those whose result's type depends on the number's (`ints * 2` stays whole, `ints *
/// 2.0` does not) ask here, first thing.
pub fn was_whole(i: usize) -> bool {
    WHOLE.get() >> i & 1 == 1
}

type Plugin = &'static (dyn PluginFunc + Send + Sync);

/// One way to call a binding: which whole numbers become floats, and whether the options map is to
/// be added.
struct Edge {
    inner: Plugin,
    /// `nn::linear`, for the trace.
    label: Rc<str>,
    ints: Vec<usize>,
    add_map: bool,
}

impl PluginFunc for Edge {
    fn call(
        &self,
        context: Option<NativeCallContext>,
        args: &mut [&mut Dynamic],
    ) -> Outcome<Dynamic> {
        let mut whole = 0;
        for &i in &self.ints {
            if let Ok(n) = args[i].as_int() {
                *args[i] = Dynamic::from_float(n as f64);
                whole |= 1 << i;
            }
        }
        let before = WHOLE.replace(whole);
        let outcome = guarded(&self.label, context, |context| {
            let context = context.map(again);
            if self.add_map {
                let mut map = Dynamic::from_map(Map::new());
                let mut full: Vec<&mut Dynamic> = args.iter_mut().map(|a| &mut **a).collect();
                full.push(&mut map);
                self.inner.call(context, &mut full)
            } else {
                self.inner.call(context, args)
            }
        });
        WHOLE.set(before);
        outcome
    }

    /// Whether it may change its first argument. rhai writes back what it may have changed: of
    /// `x[0].exp()` it would make `x[0] = …`, and `x` another tensor, which no gradient reaches.
    fn is_method_call(&self) -> bool {
        self.inner.is_method_call() && !self.inner.is_pure()
    }

    fn has_context(&self) -> bool {
        true
    }

    fn is_pure(&self) -> bool {
        self.inner.is_pure()
    }

    fn is_volatile(&self) -> bool {
        true
    }
}

/// rhai's contexts cannot be copied, and a binding takes one.
fn again<'a>(c: &'a NativeCallContext<'a>) -> NativeCallContext<'a> {
    NativeCallContext::new_with_all_fields(
        c.engine(),
        c.fn_name(),
        c.fn_source(),
        c.global_runtime_state(),
        c.call_position(),
    )
}

/// Runs what a call from a script stands for: a panic becomes an error, and an error gets its place
/// and its frame.
pub(super) fn guarded(
    label: &str,
    context: Option<NativeCallContext>,
    run: impl FnOnce(Option<&NativeCallContext>) -> Outcome<Dynamic>,
) -> Outcome<Dynamic> {
    let outcome = net::catch(label, || run(context.as_ref()));
    let outcome = outcome.unwrap_or_else(|error| Err(error.into()));
    outcome.map_err(|error| match &context {
        Some(c) => locate(error, label, c),
        None => error,
    })
}

/// Adds the call to a library error: its place if that is not known yet, else a frame of the trace.
#[allow(clippy::boxed_local)] // rhai hands errors over boxed.
fn locate(
    error: Box<EvalAltResult>,
    label: &str,
    context: &NativeCallContext,
) -> Box<EvalAltResult> {
    let frame = Frame::new(label, context.call_source(), context.call_position());
    match *error {
        EvalAltResult::ErrorRuntime(value, position) => match value.try_cast_result::<Failure>() {
            Ok(mut failure) => {
                failure.called_from(frame);
                failure.into()
            }
            Err(value) => EvalAltResult::ErrorRuntime(value, position).into(),
        },
        other => other.into(),
    }
}

/// The name that users know an entry by: getters and operators without rhai's decoration.
pub fn user_name(registered: &str) -> &str {
    registered
        .strip_prefix("get$")
        .or_else(|| registered.strip_prefix("set$"))
        .unwrap_or(registered)
}

/// Registers all bindings of some manifests under a room's name (`nn`); methods and operators are
/// marked `global` there.
pub fn module(room: &str, manifests: impl Iterator<Item = &'static ModuleManifest>) -> Module {
    let mut module = Module::new();
    module.set_id(room);
    let mut variants: Vec<(rhai::FnNamespace, &str, Vec<TypeId>, Edge)> = Vec::new();
    let mut exact: Vec<(String, Vec<TypeId>)> = Vec::new();
    for entry in manifests.flat_map(|m| m.functions) {
        let mut types = Vec::new();
        (entry.param_types)(&mut |t| types = t.to_vec());
        let name = user_name(entry.name);
        let label: Rc<str> = if entry.namespace == FnNamespace::Global {
            name.into()
        } else {
            format!("{room}::{name}").into()
        };
        let edge = |ints: Vec<usize>, add_map| Edge {
            inner: entry.func,
            label: label.clone(),
            ints,
            add_map,
        };
        let floats: Vec<usize> = (0..types.len())
            .filter(|i| types[*i] == TypeId::of::<f64>())
            .collect();
        exact.push((entry.name.to_owned(), types.clone()));
        register(
            &mut module,
            entry.name,
            entry.namespace,
            &types,
            edge(Vec::new(), false),
        );
        let has_map = types.last() == Some(&TypeId::of::<Map>());
        for mask in 0..1usize << floats.len() {
            let ints: Vec<usize> = floats
                .iter()
                .enumerate()
                .filter(|(k, _)| mask >> k & 1 == 1)
                .map(|(_, i)| *i)
                .collect();
            let mut types = types.clone();
            for &i in &ints {
                types[i] = TypeId::of::<i64>();
            }
            if !ints.is_empty() {
                variants.push((
                    entry.namespace,
                    entry.name,
                    types.clone(),
                    edge(ints.clone(), false),
                ));
            }
            if has_map {
                types.pop();
                variants.push((entry.namespace, entry.name, types, edge(ints, true)));
            }
        }
    }
    // A binding written for exactly these types wins over a converted call.
    for (namespace, name, types, edge) in variants {
        if !exact.iter().any(|(n, t)| n == name && *t == types) {
            register(&mut module, name, namespace, &types, edge);
        }
    }
    module
}

fn register(module: &mut Module, name: &str, namespace: FnNamespace, types: &[TypeId], edge: Edge) {
    FuncRegistration::new(name)
        .with_namespace(namespace)
        .set_into_module_raw(
            module,
            types,
            RhaiFunc::Plugin {
                func: Rc::new(edge),
            },
        );
}
