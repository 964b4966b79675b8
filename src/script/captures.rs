//! What closures captured, as state: models, optimisers, buffers, and the script's own variables.
//! This is what a checkpoint holds, without the script naming it.
//!
//! The walk starts at the step and the closures in the options of `train`. It follows captured
//! variables, arrays, maps, functions, and the functions inside energies, layers and samplers; and
//! the constants of the script and of the modules that it imports, which every function sees as
//! `global::NAME` and `module::NAME`. Each thing counts once, under the first path by which it was
//! found: `opt`, `model.0.weight`, `nets.1`.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use rhai::{Array, Dynamic, FnPtr, Map, NativeCallContext};

use super::variable::{self, Registry, Variable};
use super::{STATES, closure, handed, own_names};
use crate::energy::Energy;
use crate::error::Result;
use crate::nn::Network;
use crate::optim::Optimizer;
use crate::options::Function;
use crate::params::{Named, Parameters, Snapshot, State, load_named, save_named};
use crate::sampler::Sampler;

/// A piece of state under its name in the script: `opt`, `model`, `nets.0`.
pub type NamedState = (String, Rc<dyn State>);

/// Values inside each other; deeper ones are not followed.
const DEEP: usize = 64;

/// All state that functions reach.
pub fn states(context: &NativeCallContext, functions: &[&FnPtr]) -> Vec<NamedState> {
    let mut walk = Walk::new(context);
    for function in functions {
        walk.function("", function, 0);
    }
    walk.constants();
    let Walk {
        mut found,
        variables,
        registry,
        ..
    } = walk;
    // Objects first: variables refer to them.
    for (name, cell) in variables {
        found.push((
            name.clone(),
            Rc::new(Variable::new(&name, &cell, &registry)),
        ));
    }
    found
}

struct Walk<'a> {
    context: &'a NativeCallContext<'a>,
    found: Vec<NamedState>,
    variables: Vec<(String, Dynamic)>,
    names: HashSet<String>,
    /// Cells of variables, objects, layers and parameters that were seen.
    cells: HashSet<usize>,
    objects: HashSet<usize>,
    optimisers: HashSet<usize>,
    layers: HashSet<usize>,
    params: HashSet<usize>,
    functions: HashSet<usize>,
    networks: HashSet<usize>,
    registry: Registry,
}

impl<'a> Walk<'a> {
    fn new(context: &'a NativeCallContext<'a>) -> Walk<'a> {
        Walk {
            context,
            found: Vec::new(),
            variables: Vec::new(),
            names: HashSet::new(),
            cells: HashSet::new(),
            objects: HashSet::new(),
            optimisers: HashSet::new(),
            layers: HashSet::new(),
            params: HashSet::new(),
            functions: HashSet::new(),
            networks: HashSet::new(),
            registry: Rc::new(RefCell::new(Vec::new())),
        }
    }

    /// A name that nothing else has: two functions may each have their own `x`.
    fn unique(&mut self, name: &str) -> String {
        let mut made = name.to_owned();
        let mut count = 1;
        while !self.names.insert(made.clone()) {
            count += 1;
            made = format!("{name}'{count}");
        }
        made
    }

    fn function(&mut self, within: &str, function: &FnPtr, depth: usize) {
        let names = parameter_names(self.context, function);
        for (i, value) in function.curry().iter().enumerate() {
            let name = names
                .get(i)
                .cloned()
                .unwrap_or_else(|| format!("captured{i}"));
            let name = if within.is_empty() {
                name
            } else {
                format!("{within}.{name}")
            };
            match variable::cell(value) {
                Some(id) if !self.cells.insert(id) => {}
                Some(_) => {
                    let name = self.unique(&name);
                    self.variables.push((name.clone(), value.clone()));
                    self.value(&name, &value.flatten_clone(), depth + 1);
                }
                // Curried by hand: the function gets a copy each time, only objects in it can
                // change.
                None => self.value(&name, value, depth + 1),
            }
        }
    }

    /// Constants cannot be given another value, but what they hold (an optimiser, a network)
    /// changes in a training.
    fn constants(&mut self) {
        // Those of this script, then those of imported ones, exported or not.
        let own = self.context.global_runtime_state().constants.clone();
        for constants in own
            .into_iter()
            .chain(handed::all_constants(self.context.engine()))
        {
            let constants = constants.borrow().clone();
            for (name, value) in constants {
                self.value(&format!("global::{}", own_names::plain(&name)), &value, 1);
            }
        }
        let modules: Vec<(String, &rhai::Module)> = self
            .context
            .iter_imports()
            .map(|(name, module)| (name.to_owned(), module))
            .collect();
        for (name, module) in modules {
            self.module(&name, module, 0);
        }
    }

    fn module(&mut self, path: &str, module: &rhai::Module, depth: usize) {
        for (name, value) in module.iter_var() {
            self.value(&format!("{path}::{name}"), value, depth + 1);
        }
        for (name, inside) in module.iter_sub_modules().filter(|_| depth < DEEP) {
            self.module(&format!("{path}::{name}"), inside, depth + 1);
        }
    }

    fn functions(&mut self, within: &str, functions: &[Function], depth: usize) {
        for pointer in functions.iter().filter_map(closure::pointer) {
            self.function(within, &pointer, depth);
        }
    }

    fn value(&mut self, name: &str, value: &Dynamic, depth: usize) {
        if depth > DEEP {
            return;
        }
        let value = value.flatten_clone();
        if let Some(id) = variable::handle(&value) {
            if !self.objects.insert(id) {
                return;
            }
            self.registry
                .borrow_mut()
                .push((id, name.to_owned(), value.clone()));
        }
        if let Some(energy) = value.clone().try_cast::<Energy>() {
            self.weights(
                name,
                energy.about(),
                energy.parameters(),
                &energy.networks(),
            );
            self.functions(name, &energy.functions(), depth);
        } else if let Some(network) = value.clone().try_cast::<Network>() {
            self.weights(
                name,
                network.about(),
                network.parameters(),
                std::slice::from_ref(&network),
            );
            self.functions(name, &network.functions(), depth);
        } else if let Some(chosen) = value.clone().try_cast::<Parameters>() {
            let about = format!("{} parameters", chosen.named().len());
            self.weights(name, about, chosen.named().clone(), &[]);
        } else if let Some(opt) = value.clone().try_cast::<Optimizer>() {
            // SAM and its base have one state.
            if self.optimisers.insert(opt.state_id()) {
                self.functions(name, &opt.functions(), depth);
                self.found.push((name.to_owned(), Rc::new(opt)));
            }
        } else if let Some(state) = STATES.iter().find_map(|make| make(&value)) {
            self.found.push((name.to_owned(), state));
        } else if let Some(sampler) = value.clone().try_cast::<Sampler>() {
            self.found.push((name.to_owned(), Rc::new(sampler.clone())));
            self.functions(name, &sampler.functions(), depth);
        } else if let Some(function) = value.clone().try_cast::<FnPtr>() {
            // A variable may be given this function later: a checkpoint then keeps its name here.
            let id = variable::function_id(&function);
            if self.functions.insert(id) {
                self.registry
                    .borrow_mut()
                    .push((id, name.to_owned(), value.clone()));
            }
            self.function(name, &function, depth);
        } else if let Some(array) = value.read_lock::<Array>() {
            // An array of plain numbers may be long, and has nothing to follow.
            for (i, v) in array
                .iter()
                .enumerate()
                .filter(|(_, v)| !(v.is_int() || v.is_float()))
            {
                self.value(&format!("{name}.{i}"), v, depth + 1);
            }
        } else if let Some(map) = value.read_lock::<Map>() {
            for (key, v) in map.iter() {
                self.value(&format!("{name}.{key}"), v, depth + 1);
            }
        }
    }

    /// Parameters, buffers and modes that were not seen under another name.
    fn weights(&mut self, name: &str, about: String, named: Named, networks: &[Network]) {
        let named: Named = named
            .into_iter()
            .filter(|(_, p)| self.params.insert(p.id()))
            .collect();
        let modes: Vec<Network> = networks
            .iter()
            .flat_map(Network::modes)
            .map(|(layer, _)| layer)
            .collect();
        let modes: Vec<Network> = modes
            .into_iter()
            .filter(|n| self.layers.insert(n.id()))
            .collect();
        let networks: Vec<Network> = networks
            .iter()
            .filter(|n| self.networks.insert(n.id()))
            .cloned()
            .collect();
        if !named.is_empty() || !modes.is_empty() || !networks.is_empty() {
            self.found.push((
                name.to_owned(),
                Rc::new(Weights {
                    about,
                    named,
                    modes,
                    networks,
                }),
            ));
        }
    }
}

/// The weights of a model, which of its layers are in training mode, and the shape of the first
/// batch that passed, with which it prints.
struct Weights {
    about: String,
    named: Named,
    modes: Vec<Network>,
    networks: Vec<Network>,
}

impl State for Weights {
    fn about(&self) -> String {
        self.about.clone()
    }

    fn named(&self) -> Named {
        self.named.clone()
    }

    fn save(&self, path: &str, into: &mut Snapshot) -> Result<()> {
        if !self.modes.is_empty() {
            let modes: Vec<bool> = self.modes.iter().map(Network::training).collect();
            into.values.insert(format!("{path}.training"), modes.into());
        }
        let seen: Vec<Option<Vec<i64>>> = self.networks.iter().map(Network::seen).collect();
        if seen.iter().any(Option::is_some) {
            into.values
                .insert(format!("{path}.seen"), serde_json::json!(seen));
        }
        save_named(&self.named, path, into)
    }

    fn load(&self, path: &str, from: &Snapshot) -> Result<()> {
        load_named(&self.named, path, from)?;
        let seen = from
            .values
            .get(&format!("{path}.seen"))
            .and_then(|s| s.as_array());
        for (network, shape) in self.networks.iter().zip(seen.into_iter().flatten()) {
            if let Some(shape) = shape.as_array() {
                network.set_seen(shape.iter().filter_map(serde_json::Value::as_i64).collect());
            }
        }
        let modes = from
            .values
            .get(&format!("{path}.training"))
            .and_then(|m| m.as_array());
        for (layer, mode) in self.modes.iter().zip(modes.into_iter().flatten()) {
            layer.set_training(mode.as_bool().unwrap_or(true));
        }
        Ok(())
    }
}

/// The names of a closure's captured variables: its first parameters.
fn parameter_names(context: &NativeCallContext, function: &FnPtr) -> Vec<String> {
    let captured = function.curry().len();
    for module in context.iter_namespaces() {
        for written in 0..8 {
            if let Some(f) = module.get_script_fn(function.fn_name(), captured + written) {
                return f
                    .params
                    .iter()
                    .take(captured)
                    .map(ToString::to_string)
                    .collect();
            }
        }
    }
    Vec::new()
}
