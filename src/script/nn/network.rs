//! Methods and properties of networks.

use std::collections::BTreeMap;

use rhai::plugin::*;
use rhai::{Array, Map};

use super::super::arguments::{int_list, object_list, options as options_of};
use super::super::edge::Outcome;
use super::super::host::Host;
use super::super::kept::checkpoint;
use super::super::tensor::fresh;
use crate::nn::Network;
use crate::tensor::Tensor;

#[export_module(manifest)]
pub mod functions {
    /// The network applied to a batch; gradients flow to its weights and to the batch.
    ///
    /// ```rhai
    /// let net = nn::mlp([2, 16, 1]);
    /// let x = tensor::randn([8, 2]).leaf();
    /// let y = net.forward(x);
    /// print(y.shape);                     //= [8, 1]
    /// print(grad(y.sum(), x).shape);      //= [8, 2]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn forward(ctx: NativeCallContext, net: &mut Network, x: Tensor) -> Outcome<Tensor> {
        // Dropout draws; in evaluation mode nothing does.
        if net.training() {
            fresh(&ctx);
        }
        Ok(net.forward(&x)?)
    }

    /// How many numbers are trained.
    ///
    /// ```rhai
    /// print(nn::linear(64, 10).parameter_count);   //= 650
    /// ```
    #[rhai_fn(global, get = "parameter_count", pure)]
    pub fn parameter_count(net: &mut Network) -> i64 {
        net.parameter_count()
    }

    /// Copies of all weights and buffers (running means) by name.
    ///
    /// ```rhai
    /// let net = nn::sequential([nn::linear(2, 4), nn::silu(), nn::linear(4, 1)]);
    /// print(net.state_dict().keys());          //= ["0.bias", "0.weight", "2.bias", "2.weight"]
    /// print(net.state_dict()["2.weight"].shape);   //= [1, 4]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn state_dict(net: &mut Network) -> Outcome<Map> {
        Ok(net
            .state_dict()?
            .into_iter()
            .map(|(name, t)| (name.into(), Dynamic::from(t)))
            .collect())
    }

    /// Sets all weights and buffers from a map such as `state_dict` gives; names and shapes must be
    /// those of the network.
    ///
    /// ```rhai
    /// let net = nn::linear(2, 1);
    /// net.load_state_dict(#{ weight: tensor::of([[3, 4]]), bias: tensor::of([1]) });
    /// print(net.forward(tensor::of([[1, 1]])).item());   //= 8.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn load_state_dict(net: &mut Network, weights: Map) -> Outcome<()> {
        let (names, values): (Vec<_>, Vec<_>) = weights.into_iter().unzip();
        let tensors: Vec<Tensor> = object_list("load_state_dict", "tensors", &values)?;
        let found: BTreeMap<String, Tensor> =
            names.iter().map(ToString::to_string).zip(tensors).collect();
        Ok(net.load_state_dict(&found)?)
    }

    /// Takes over the weights and buffers of another network with the same layers.
    ///
    /// ```rhai
    /// let a = nn::mlp([2, 8, 1]);
    /// let b = nn::mlp([2, 8, 1]);                // other weights: each call draws its own
    /// b.copy_weights_from(a);
    /// let x = tensor::randn([4, 2]);
    /// print((a.forward(x) - b.forward(x)).abs().max());   //= 0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn copy_weights_from(net: &mut Network, other: Network) -> Outcome<()> {
        Ok(net.copy_weights_from(&other)?)
    }

    /// Writes weights and buffers to a safetensors file in the run folder, which PyTorch reads too.
    /// A file that is there already is replaced as a whole.
    ///
    /// ```rhai
    /// let net = nn::mlp([2, 8, 1]);
    /// net.save("weights.safetensors");
    /// let again = nn::mlp([2, 8, 1]);
    /// again.load("weights.safetensors");
    /// let x = tensor::randn([4, 2]);
    /// print((net.forward(x) - again.forward(x)).abs().max());   //= 0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn save(ctx: NativeCallContext, net: &mut Network, path: &str) -> Outcome<()> {
        match Host::of(&ctx).access().must_write("save", path)? {
            Some(file) => Ok(net.save_weights(&file)?),
            None => Ok(()),
        }
    }

    /// Reads weights and buffers from a file in the run folder, beside the script, or named on the
    /// command line: safetensors, or what PyTorch's `torch.save` wrote (a state dict, or a
    /// checkpoint with a `model_state_dict`), which is read without executing anything in it. Names
    /// and shapes must be those of the network; it stays on its device and in its type. A run's own
    /// folder will do: its best state is taken, else the one at its end, as in
    /// `net.load("runs/train-1", #{ prefix: "model" })`.
    ///
    /// What wrappers put before all names is taken off, and a line says what: `module.`
    /// (DataParallel, averages of weights), `_orig_mod.` (torch.compile), `model.` or `net.`
    /// (Lightning) and whatever else all the weights' names share. Where a file holds several sets
    /// of weights that fit, the error lists them, and `prefix` chooses one. The names of the official
    /// JEM and JEM++ code fit `nn::wide_resnet`. Gives the names of what was left out: the official
    /// code's unused heads, and with `strict: false` whatever else belongs to no weight. With
    /// `complete: false` weights that the file lacks stay as they are, and a line lists them.
    ///
    /// ```rhai
    /// nn::linear(2, 1).save("map.safetensors");
    /// let net = nn::linear(2, 1);
    /// net.load("map.safetensors");
    /// try { nn::linear(3, 1).load("map.safetensors"); }
    /// catch (e) { print(e.message); }   //= …map.safetensors: `weight` is [1, 2], the network's is [1, 3]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn load(
        ctx: NativeCallContext,
        net: &mut Network,
        path: &str,
        options: Map,
    ) -> Outcome<Array> {
        let file = checkpoint(&ctx, "load", path)?;
        let loaded = net.load_weights(&file, &options_of(&ctx, &options)?)?;
        let said = |what: &str, names: &[String]| {
            if !names.is_empty() {
                Host::of(&ctx).print(&format!("{path}: {what} {}", names.join(", ")));
            }
        };
        said("taken off the names:", &loaded.taken);
        said("not in the file, left as they were:", &loaded.missing);
        Ok(loaded.left_out.into_iter().map(Dynamic::from).collect())
    }

    /// Moves the weights to a device (`"cuda"`, `"cpu"`) or converts them to a type (`"float64"`),
    /// in place, and gives the same network back. It comes before the optimiser is made.
    ///
    /// ```rhai
    /// let net = nn::linear(2, 1).to("float64");
    /// print(net.forward(tensor::zeros([4, 2]).to("float64")).dtype);   //= float64
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn to(net: &mut Network, target: &str) -> Outcome<Network> {
        net.to(target)?;
        Ok(net.clone())
    }

    /// The shape that the network makes of an input shape, both with the batch first.
    ///
    /// ```rhai
    /// let body = nn::sequential([nn::conv2d(1, 8, 3, #{ stride: 2 }), nn::flatten()]);
    /// print(body.output_shape([1, 1, 28, 28]));   //= [1, 1352]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn output_shape(net: &mut Network, input: Array) -> Outcome<Array> {
        let shape = net.output_shape(&int_list("output_shape", &input)?)?;
        Ok(shape.into_iter().map(Dynamic::from_int).collect())
    }

    /// The table that a network prints, with the shapes between the layers for an input shape (the
    /// batch first).
    ///
    /// ```rhai
    /// let net = nn::sequential([nn::conv2d(1, 8, 3), nn::silu(), nn::flatten(), nn::linear(288, 10)]);
    /// print(net.summary([64, 1, 8, 8]));
    /// //=    layer            output         parameters
    /// //= 0  conv2d(1, 8, 3)  [64, 8, 6, 6]          80
    /// //= 1  silu()           [64, 8, 6, 6]           0
    /// //= 2  flatten()        [64, 288]               0
    /// //= 3  linear(288, 10)  [64, 10]            2,890
    /// //=    total                                2,970
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn summary(net: &mut Network, input: Array) -> Outcome<String> {
        Ok(net.summary(Some(&int_list("summary", &input)?))?)
    }

    /// Chooses between training mode (true) and evaluation mode (false) for all layers inside that
    /// know two: batch norm and dropout.
    ///
    /// ```rhai
    /// let net = nn::sequential([nn::linear(2, 8), nn::dropout(0.5)]);
    /// net.set_training(false);
    /// print(net.training);   //= false
    /// ```
    #[rhai_fn(global, pure)]
    pub fn set_training(net: &mut Network, training: bool) {
        net.set_training(training);
    }

    /// Training mode: batch norm takes the batch's statistics, dropout drops. A new network is in
    /// it.
    ///
    /// ```rhai
    /// let net = nn::dropout(0.5);
    /// net.eval_mode();
    /// net.train_mode();
    /// print(net.training);   //= true
    /// ```
    #[rhai_fn(global, pure)]
    pub fn train_mode(net: &mut Network) {
        net.set_training(true);
    }

    /// Evaluation mode: batch norm takes its running statistics, dropout does nothing.
    ///
    /// ```rhai
    /// let net = nn::sequential([nn::linear(2, 8), nn::dropout(0.5)]);
    /// net.eval_mode();
    /// let x = tensor::randn([4, 2]);
    /// print((net.forward(x) - net.forward(x)).abs().max());   //= 0
    /// ```
    #[rhai_fn(global, pure)]
    pub fn eval_mode(net: &mut Network) {
        net.set_training(false);
    }

    /// Whether any layer inside is in training mode; layers that behave alike in both modes do not
    /// count.
    ///
    /// ```rhai
    /// print(nn::batch_norm2d(3).training);   //= true
    /// print(nn::linear(3, 3).training);      //= false
    /// ```
    #[rhai_fn(global, get = "training", pure)]
    pub fn training(net: &mut Network) -> bool {
        net.training()
    }
}
