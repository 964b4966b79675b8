//! Weights by name: choosing, freezing, and changing them.

use rhai::plugin::*;
use rhai::{Array, FnPtr};

use super::super::closure;
use super::super::edge::Outcome;
use super::super::value::to_dynamic;
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::nn::Network;
use crate::options::Value;
use crate::params::{Named, Param, Parameters};
use crate::tensor::Tensor;

/// Another value for a weight, in place.
fn overwrite(p: &Param, value: &Tensor) -> Result<()> {
    p.assign(&value.detach().like(&p.get())?)
}

fn assign_to(named: Named, name: &str, value: &Tensor) -> Result<()> {
    let found = named.iter().find(|(n, _)| n == name);
    let Some((_, p)) = found else {
        let known = named.iter().map(|(n, _)| n.as_str());
        return Err(Error::unknown(
            &format!("assign: no weight `{name}`"),
            name,
            known,
        ));
    };
    overwrite(p, value).map_err(|e| e.context(format!("assign: `{name}`")))
}

#[export_module(manifest)]
pub mod functions {
    /// The weights that an optimiser trains, in the order of the layers. They are the weights
    /// themselves, not copies: they change with each step, gradients can be taken by them, and an
    /// assignment to an entry (`ps[0] += …`) gives a weight another value.
    ///
    /// ```rhai
    /// let net = nn::linear(3, 1);
    /// let loss = net.forward(tensor::ones([4, 3])).mean();
    /// let gradients = grad(loss, net.parameters());
    /// print(gradients[0]);                // of the weight
    /// //= tensor [1, 3] float32 on cpu
    /// //= [[1, 1, 1]]
    /// print(gradients[1].item());         //= 1.0
    /// let ps = net.parameters();
    /// ps[1] = tensor::of([5]);
    /// ps[1] += 2;
    /// print(net.parameters()[1].item());  //= 7.0
    /// ```
    #[rhai_fn(global, pure)]
    pub fn parameters(net: &mut Network) -> Parameters {
        Parameters::of(net.parameters())
    }

    /// The same under the name by which one looks at them: names and shapes, to choose from by name
    /// and kind (`matching`, `filter`, `net.weights`, `net.biases`), to freeze, and for groups of an
    /// optimiser.
    ///
    /// ```rhai
    /// let net = nn::mlp([2, 8, 1]);
    /// print(net.named_parameters());
    /// //= 0.weight  [8, 2]
    /// //= 0.bias    [8]
    /// //= 2.weight  [1, 8]
    /// //= 2.bias    [1]
    /// ```
    #[rhai_fn(global, pure)]
    pub fn named_parameters(net: &mut Network) -> Parameters {
        Parameters::of(net.parameters())
    }

    /// The same of all that an energy computes with.
    ///
    /// ```rhai
    /// print(energy::joint(nn::linear(2, 3)).named_parameters().len());   //= 2
    /// ```
    #[rhai_fn(global, name = "named_parameters", pure)]
    pub fn named_parameters_of_energy(model: &mut Energy) -> Parameters {
        Parameters::of(model.parameters())
    }

    /// The trained parameters that are no biases: those whose name does not end in `bias`.
    ///
    /// ```rhai
    /// print(nn::mlp([2, 8, 1]).weights.names());   //= ["0.weight", "2.weight"]
    /// ```
    #[rhai_fn(global, get = "weights", pure)]
    pub fn weights(net: &mut Network) -> Parameters {
        Parameters::of(net.parameters()).biases(false)
    }

    /// The biases: the trained parameters whose name ends in `bias`, those of norms too.
    ///
    /// ```rhai
    /// print(nn::mlp([2, 8, 1]).biases.names());   //= ["0.bias", "2.bias"]
    /// ```
    #[rhai_fn(global, get = "biases", pure)]
    pub fn biases(net: &mut Network) -> Parameters {
        Parameters::of(net.parameters()).biases(true)
    }

    /// The names, in the order of the layers.
    ///
    /// ```rhai
    /// print(nn::linear(2, 1).named_parameters().names());   //= ["weight", "bias"]
    /// ```
    #[rhai_fn(global, pure)]
    pub fn names(parameters: &mut Parameters) -> Array {
        let names = parameters.named().iter().map(|(name, _)| name);
        names.map(|name| name.clone().into()).collect()
    }

    /// How many there are.
    ///
    /// ```rhai
    /// print(nn::linear(2, 1).named_parameters().len());   //= 2
    /// ```
    #[rhai_fn(global, pure)]
    pub fn len(parameters: &mut Parameters) -> i64 {
        parameters.named().len() as i64
    }

    /// One by its name: the weight itself, not a copy.
    ///
    /// ```rhai
    /// print(nn::linear(2, 1).named_parameters()["bias"].shape);   //= [1]
    /// ```
    #[rhai_fn(global, index_get, return_raw, pure)]
    pub fn by_name(parameters: &mut Parameters, name: &str) -> Outcome<Tensor> {
        Ok(parameters.get(name)?.get())
    }

    /// Gives the weight of a name another value.
    ///
    /// ```rhai
    /// let net = nn::linear(2, 1);
    /// let all = net.named_parameters();
    /// all["bias"] = tensor::of([3]);
    /// print(net.parameters()[1].item());   //= 3.0
    /// ```
    #[rhai_fn(global, index_set, return_raw, pure)]
    pub fn set_by_name(parameters: &mut Parameters, name: &str, value: Tensor) -> Outcome<()> {
        Ok(overwrite(parameters.get(name)?, &value)?)
    }

    /// One by its place: the weight itself, not a copy. Negative places count from the end.
    ///
    /// ```rhai
    /// print(nn::linear(2, 1).parameters()[-1].shape);   //= [1]
    /// ```
    #[rhai_fn(global, index_get, return_raw, pure)]
    pub fn by_place(parameters: &mut Parameters, index: i64) -> Outcome<Tensor> {
        Ok(parameters.at(index)?.get())
    }

    /// Gives the weight at a place another value.
    ///
    /// ```rhai
    /// let net = nn::linear(1, 1);
    /// let ps = net.parameters();
    /// ps[0] = tensor::of([[2]]);
    /// ps[0] *= 3;
    /// print(net.state_dict().weight.item());   //= 6.0
    /// ```
    #[rhai_fn(global, index_set, return_raw, pure)]
    pub fn set_by_place(parameters: &mut Parameters, index: i64, value: Tensor) -> Outcome<()> {
        Ok(overwrite(parameters.at(index)?, &value)?)
    }

    /// What a function gives for each, as an array.
    ///
    /// ```rhai
    /// print(nn::mlp([2, 8, 1]).parameters().map(|p| p.shape));   //= [[8, 2], [8], [1, 8], [1]]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn map(ctx: NativeCallContext, parameters: &mut Parameters, of: FnPtr) -> Outcome<Array> {
        let of = closure::function(&ctx, of);
        let one = |p: Tensor| Ok(to_dynamic(&of.call(&[Value::object("tensor", p)])?));
        let all: Result<Array> = parameters.clone().into_iter().map(one).collect();
        Ok(all?)
    }

    /// The gradients of a single number by weights, in their order.
    ///
    /// ```rhai
    /// let net = nn::mlp([2, 8, 1]);
    /// let loss = net.forward(tensor::randn([4, 2])).mean();
    /// print(grad(loss, net.weights).map(|g| g.shape));   //= [[8, 2], [1, 8]]
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn grad(output: Tensor, parameters: Parameters) -> Outcome<Array> {
        if let Some((name, _)) = parameters.named().iter().find(|(_, p)| p.frozen()) {
            let error = Error::state(format!("grad: the weight `{name}` is frozen"));
            return Err(error
                .with_hint(format!(
                    "net.unfreeze({name:?}); or choose others: net.parameters().matching(…)"
                ))
                .into());
        }
        let weights: Vec<Tensor> = parameters.into_iter().collect();
        let found = Tensor::gradients(&output, &weights.iter().collect::<Vec<_>>(), true)?;
        Ok(found.into_iter().map(Dynamic::from).collect())
    }

    /// Those of a name or of a layer, with `*` for any text; none at all is an error.
    ///
    /// ```rhai
    /// let all = nn::mlp([2, 8, 1]).named_parameters();
    /// print(all.matching("0").names());        //= ["0.weight", "0.bias"]
    /// print(all.matching("*.bias").names());   //= ["0.bias", "2.bias"]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn matching(parameters: &mut Parameters, pattern: &str) -> Outcome<Parameters> {
        Ok(parameters.matching("matching", pattern)?)
    }

    /// Those for which a function of name and weight gives true.
    ///
    /// ```rhai
    /// let net = nn::sequential([nn::linear(2, 8), nn::layer_norm([8]), nn::linear(8, 1)]);
    /// let decayed = net.named_parameters().filter(|name, weight| weight.ndim > 1);
    /// print(decayed.names());   //= ["0.weight", "2.weight"]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn filter(
        ctx: NativeCallContext,
        parameters: &mut Parameters,
        test: FnPtr,
    ) -> Outcome<Parameters> {
        let test = closure::function(&ctx, test);
        let holds = |name: &str, p: &Param| {
            let arguments = [
                Value::Str(name.to_owned()),
                Value::object("tensor", p.get()),
            ];
            match test.call(&arguments)? {
                Value::Bool(holds) => Ok(holds),
                other => Err(Error::argument(format!(
                    "filter: the function gave {}, not true or false",
                    other.type_name()
                ))),
            }
        };
        Ok(parameters.filter(holds)?)
    }

    /// Lets weights stand still: no gradient flows to them, and their optimiser leaves them and
    /// what it remembers of them alone. `pattern` is the name of a weight or a layer, with `*` for
    /// any text. Layers with running statistics still gather them: `set_training(false)` is for
    /// that.
    ///
    /// ```rhai
    /// let net = nn::mlp([2, 8, 1]);
    /// let opt = optim::adam(net, #{ lr: 0.1 });
    /// net.freeze("0");
    /// let before = net.state_dict();
    /// opt.step(net.forward(tensor::randn([4, 2])).mean());
    /// print((net.named_parameters()["0.weight"] - before["0.weight"]).abs().max());   //= 0
    /// print(net.frozen);                                                              //= ["0.weight", "0.bias"]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn freeze(net: &mut Network, pattern: &str) -> Outcome<()> {
        let all = Parameters::of(net.parameters());
        Ok(all.matching("freeze", pattern)?.freeze(true)?)
    }

    /// Lets all weights of a network stand still.
    ///
    /// ```rhai
    /// let body = nn::linear(4, 8);
    /// let head = nn::linear(8, 3);
    /// body.freeze();
    /// let opt = optim::sgd([body, head]);
    /// opt.step(head.forward(body.forward(tensor::randn([2, 4]))).mean());
    /// print(opt.steps);   //= 1
    /// ```
    #[rhai_fn(global, return_raw, name = "freeze", pure)]
    pub fn freeze_all(net: &mut Network) -> Outcome<()> {
        Ok(Parameters::of(net.parameters()).freeze(true)?)
    }

    /// Lets these weights stand still.
    ///
    /// ```rhai
    /// let net = nn::mlp([2, 8, 1]);
    /// net.biases.freeze();
    /// print(net.frozen);   //= ["0.bias", "2.bias"]
    /// ```
    #[rhai_fn(global, return_raw, name = "freeze", pure)]
    pub fn freeze_chosen(parameters: &mut Parameters) -> Outcome<()> {
        Ok(parameters.freeze(true)?)
    }

    /// Lets frozen weights be trained again, by the name of a weight or a layer.
    ///
    /// ```rhai
    /// let net = nn::mlp([2, 8, 1]);
    /// net.freeze();
    /// net.unfreeze("2");
    /// print(net.frozen);   //= ["0.weight", "0.bias"]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn unfreeze(net: &mut Network, pattern: &str) -> Outcome<()> {
        let all = Parameters::of(net.parameters());
        Ok(all.matching("unfreeze", pattern)?.freeze(false)?)
    }

    /// Lets all weights of a network be trained again.
    ///
    /// ```rhai
    /// let net = nn::linear(2, 1);
    /// net.freeze();
    /// net.unfreeze();
    /// print(net.frozen);   //= []
    /// ```
    #[rhai_fn(global, return_raw, name = "unfreeze", pure)]
    pub fn unfreeze_all(net: &mut Network) -> Outcome<()> {
        Ok(Parameters::of(net.parameters()).freeze(false)?)
    }

    /// Lets these weights be trained again.
    ///
    /// ```rhai
    /// let net = nn::mlp([2, 8, 1]);
    /// net.freeze();
    /// net.weights.unfreeze();
    /// print(net.frozen);   //= ["0.bias", "2.bias"]
    /// ```
    #[rhai_fn(global, return_raw, name = "unfreeze", pure)]
    pub fn unfreeze_chosen(parameters: &mut Parameters) -> Outcome<()> {
        Ok(parameters.freeze(false)?)
    }

    /// The names of the weights that stand still.
    ///
    /// ```rhai
    /// print(nn::linear(2, 1).frozen);   //= []
    /// ```
    #[rhai_fn(global, get = "frozen", pure)]
    pub fn frozen(net: &mut Network) -> Array {
        let frozen = net.parameters().into_iter().filter(|(_, p)| p.frozen());
        frozen.map(|(name, _)| name.into()).collect()
    }

    /// Gives one weight or buffer another value, by its name; everything that uses it sees the new
    /// one. An optimiser goes on from there.
    ///
    /// ```rhai
    /// let net = nn::linear(2, 1, #{ bias: false });
    /// net.assign("weight", tensor::of([[3, 4]]));
    /// print(net.forward(tensor::of([[1, 1]])).item());   //= 7.0
    /// net.assign("weight", net.parameters()[0] * 2);
    /// print(net.forward(tensor::of([[1, 1]])).item());   //= 14.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn assign(net: &mut Network, name: &str, value: Tensor) -> Outcome<()> {
        Ok(assign_to(net.parameters(), name, &value)?)
    }

    /// The same for a weight of an energy.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::linear(2, 1));
    /// model.assign("bias", tensor::of([0.5]));
    /// print(model.named_parameters()["bias"].item());   //= 0.5
    /// ```
    #[rhai_fn(global, return_raw, name = "assign", pure)]
    pub fn assign_of_energy(model: &mut Energy, name: &str, value: Tensor) -> Outcome<()> {
        Ok(assign_to(model.parameters(), name, &value)?)
    }
}
