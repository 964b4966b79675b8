//! Energies in the language: networks, closures and closed forms under `energy::`, and what all of
//! them can do.

use rhai::plugin::*;
use rhai::{Array, FnPtr, Map};

use super::arguments::{object_list, options};
use super::closure;
use super::edge::Outcome;
use super::tensor::create::nested;
use crate::energy::{
    ClosureOptions, DoubleWellOptions, Energy, FunnelOptions, MixtureOptions, Ready,
    RosenbrockOptions, ScoreOptions,
};
use crate::nn::Network;
use crate::params::Parameters;
use crate::tensor::Tensor;

#[export_module(manifest)]
pub mod functions {
    /// A classifier as an energy (JEM, equations 5 and 6): `E(x, y) = -f(x)[y]` and `E(x) =
    /// -logsumexp_y f(x)[y]` for a network `f` that gives logits `[B, C]`.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::linear(4, 3));
    /// let x = tensor::zeros([2, 4]);
    /// print(model.energy(x).shape);       //= [2]
    /// print(model.logits(x).shape);       //= [2, 3]
    /// ```
    pub fn joint(network: Network) -> Energy {
        Energy::joint(&network)
    }

    /// A network with one output as an unconditional energy: `E(x) = -net(x)`; the network gives
    /// `[B, 1]` or `[B]`.
    ///
    /// ```rhai
    /// let model = energy::scalar(nn::mlp([2, 16, 1]));
    /// print(model.energy(tensor::zeros([5, 2])).shape);    //= [5]
    /// ```
    pub fn scalar(network: Network) -> Energy {
        Energy::scalar(&network)
    }

    /// Any function of a batch `[B, …]` that gives one number per row, `[B]`. Networks that it uses
    /// are named in `params`: an optimiser trains them, a checkpoint keeps them.
    ///
    /// ```rhai
    /// let well = energy::of(|x| (x * x - 1).pow(2).sum(1));
    /// print(well.energy(tensor::of([[0, 0], [1, 1]])));
    /// //= tensor [2] float32 on cpu
    /// //= [2, 0]
    /// let net  = nn::linear(2, 8);
    /// let mine = energy::of(|x| net.forward(x).pow(2).sum(1), #{ params: [net] });
    /// print(mine.score(tensor::zeros([3, 2])).shape);      //= [3, 2]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn of(ctx: NativeCallContext, function: FnPtr, options: Map) -> Outcome<Energy> {
        let o: ClosureOptions = super::options(&ctx, &options)?;
        Ok(Energy::closure(&closure::function(&ctx, function), &o)?)
    }

    /// A normal density with a mean `[d]` and a covariance `[d, d]`: `E(x) = ½ (x - μ)ᵀ Σ⁻¹ (x -
    /// μ)`. The constant `log Z = ½ log det 2πΣ` is left out.
    ///
    /// ```rhai
    /// let ring = energy::gaussian([0, 0], [[1, 0.8], [0.8, 1]]);
    /// print(ring.energy(tensor::zeros([1, 2])).item() == 0.0);     //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn gaussian(mean: Dynamic, covariance: Dynamic) -> Outcome<Energy> {
        Ok(Energy::gaussian(
            &nested("energy::gaussian", &mean)?,
            &nested("energy::gaussian", &covariance)?,
        )?)
    }

    /// A mixture of normal densities around `means` `[K, d]`.
    ///
    /// ```rhai
    /// let two = energy::mixture([[-2, 0], [2, 0]], #{ std: 0.5 });
    /// print(two.energy(tensor::of([[2, 0]])).item() < two.energy(tensor::of([[0, 0]])).item());    //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn mixture(ctx: NativeCallContext, means: Dynamic, options: Map) -> Outcome<Energy> {
        let o: MixtureOptions = super::options(&ctx, &options)?;
        Ok(Energy::mixture(&nested("energy::mixture", &means)?, &o)?)
    }

    /// Two wells in every coordinate, at ±`width`: `E(x) = barrier · Σ_i ((x_i / width)² - 1)²`.
    ///
    /// ```rhai
    /// print(energy::double_well().energy(tensor::of([[0, 1]])).item());      //= 1.0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn double_well(ctx: NativeCallContext, options: Map) -> Outcome<Energy> {
        let o: DoubleWellOptions = super::options(&ctx, &options)?;
        Ok(Energy::double_well(&o)?)
    }

    /// Rosenbrock's curved valley, hard for samplers: `E(x) = Σ_i (a - x_i)² + b (x_{i+1} -
    /// x_i²)²`.
    ///
    /// ```rhai
    /// print(energy::rosenbrock().energy(tensor::of([[1, 1]])).item());       //= 0.0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn rosenbrock(ctx: NativeCallContext, options: Map) -> Outcome<Energy> {
        let o: RosenbrockOptions = super::options(&ctx, &options)?;
        Ok(Energy::rosenbrock(&o)?)
    }

    /// Neal's funnel: the first coordinate is normal, and the logarithm of the variance of all
    /// others (Neal, *Slice Sampling*, 2003).
    ///
    /// ```rhai
    /// print(energy::funnel().energy(tensor::zeros([1, 3])).item());          //= 0.0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn funnel(ctx: NativeCallContext, options: Map) -> Outcome<Energy> {
        let o: FunnelOptions = super::options(&ctx, &options)?;
        Ok(Energy::funnel(&o)?)
    }

    /// The sum of several energies: the product of their densities.
    ///
    /// ```rhai
    /// let e = energy::sum([energy::double_well(), energy::rosenbrock()]);
    /// print(e.energy(tensor::of([[1, 1]])).item());        //= 0.0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn sum(energies: Array) -> Outcome<Energy> {
        Ok(Energy::sum(&object_list::<Energy>(
            "energy::sum",
            "energies",
            &energies,
        )?)?)
    }

    /// The sum of two energies: the product of their densities.
    ///
    /// ```rhai
    /// let both = energy::double_well() + energy::rosenbrock();
    /// print(both.energy(tensor::of([[1, 1]])).item());     //= 0.0
    /// ```
    #[rhai_fn(global, name = "+", return_raw)]
    pub fn plus(a: Energy, b: Energy) -> Outcome<Energy> {
        Ok(a.plus(&b)?)
    }

    /// An energy times a number: the density to that power.
    ///
    /// ```rhai
    /// let half = 0.5 * energy::double_well();
    /// print(half.energy(tensor::of([[0]])).item());        //= 0.5
    /// ```
    #[rhai_fn(global, return_raw, name = "*")]
    pub fn scaled_left(factor: f64, energy: Energy) -> Outcome<Energy> {
        Ok(energy.scaled(factor)?)
    }

    /// The same with the number last.
    ///
    /// ```rhai
    /// print((energy::double_well() * 2).energy(tensor::of([[0]])).item());   //= 2.0
    /// ```
    #[rhai_fn(global, return_raw, name = "*")]
    pub fn scaled_right(energy: Energy, factor: f64) -> Outcome<Energy> {
        Ok(energy.scaled(factor)?)
    }

    /// The density at a temperature `T`: `E / T`, flatter for `T > 1`.
    ///
    /// ```rhai
    /// print(energy::double_well().tempered(4).energy(tensor::of([[0]])).item());   //= 0.25
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn tempered(energy: &mut Energy, temperature: f64) -> Outcome<Energy> {
        Ok(energy.tempered(temperature)?)
    }

    /// The energy of one class, `E(x | y) = E(x, y)` up to a constant.
    ///
    /// ```rhai
    /// let cats = energy::joint(nn::linear(4, 3)).given(2);
    /// print(cats.energy(tensor::zeros([5, 4])).shape);     //= [5]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn given(energy: &mut Energy, class: i64) -> Outcome<Energy> {
        Ok(energy.given(class)?)
    }

    /// The energy of a class for each row: labels `[B]`.
    ///
    /// ```rhai
    /// let each = energy::joint(nn::linear(4, 3)).given(tensor::ints([0, 1, 2]));
    /// print(each.energy(tensor::zeros([3, 4])).shape);     //= [3]
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "given")]
    pub fn given_labels(energy: &mut Energy, labels: Tensor) -> Outcome<Energy> {
        Ok(energy.given_labels(&labels)?)
    }

    /// `E(x)`, `[B]`, for a batch `[B, …]`; differentiable.
    ///
    /// ```rhai
    /// print(energy::double_well().energy(tensor::zeros([3, 2])).shape);      //= [3]
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "energy")]
    pub fn energy_of(energy: &mut Energy, x: Tensor) -> Outcome<Tensor> {
        Ok(energy.energy(&x)?)
    }

    /// `E(x, y)`, `[B]`, for labels `[B]`; differentiable. Only energies with classes have it.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::linear(4, 3));
    /// print(model.energy(tensor::zeros([2, 4]), tensor::ints([0, 2])).shape);      //= [2]
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "energy")]
    pub fn joint_energy(energy: &mut Energy, x: Tensor, y: Tensor) -> Outcome<Tensor> {
        Ok(energy.joint_energy(&x, &y)?)
    }

    /// The score `-∇E(x) = ∇ log p(x)`, in the shape of `x`. It is detached: a constant for what is
    /// computed from it. With `create_graph` gradients flow through it, to the weights and to x, as
    /// gradient penalties and score matching need.
    ///
    /// ```rhai
    /// let bowl = energy::of(|x| 0.5 * x.pow(2).sum(1));
    /// print(bowl.score(tensor::of([[1, -2]])));
    /// //= tensor [1, 2] float32 on cpu
    /// //= [[-1, 2]]
    /// let x = tensor::of([[1, -2]]).leaf();
    /// let penalty = bowl.score(x, #{ create_graph: true }).pow(2).sum();
    /// print(grad(penalty, x).to_array());                  //= [2.0, -4.0]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn score(
        ctx: NativeCallContext,
        energy: &mut Energy,
        x: Tensor,
        options: Map,
    ) -> Outcome<Tensor> {
        let o: ScoreOptions = super::options(&ctx, &options)?;
        Ok(match o.create_graph {
            true => energy.differentiable_score(&x)?.1,
            false => energy.score(&x)?,
        })
    }

    /// The logits `f(x)`, `[B, C]`; differentiable. Only energies with classes have them.
    ///
    /// ```rhai
    /// print(energy::joint(nn::linear(4, 3)).logits(tensor::zeros([2, 4])).shape);  //= [2, 3]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn logits(energy: &mut Energy, x: Tensor) -> Outcome<Tensor> {
        Ok(energy.logits(&x)?)
    }

    /// `log p(y|x)`, `[B, C]`: the log-softmax of the logits.
    ///
    /// ```rhai
    /// let p = energy::joint(nn::linear(4, 3)).log_p_y(tensor::zeros([1, 4])).exp();
    /// print((p.sum() - 1).abs().item() < 1e-6);            //= true
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn log_p_y(energy: &mut Energy, x: Tensor) -> Outcome<Tensor> {
        Ok(energy.log_p_y(&x)?)
    }

    /// `log p(x)` up to the unknown constant `log Z`: `-E(x)`, `[B]`.
    ///
    /// ```rhai
    /// print(energy::double_well().log_p_x(tensor::of([[0]])).item());        //= -1.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn log_p_x(energy: &mut Energy, x: Tensor) -> Outcome<Tensor> {
        Ok(energy.log_p_x(&x)?)
    }

    /// The trained parameters, as those of a network.
    ///
    /// ```rhai
    /// print(energy::joint(nn::linear(4, 3)).parameters().len());   //= 2
    /// ```
    #[rhai_fn(global, pure)]
    pub fn parameters(energy: &mut Energy) -> Parameters {
        Parameters::of(energy.parameters())
    }

    /// Writes all weights and buffers to a safetensors file in the run folder, as `net.save`.
    ///
    /// ```rhai
    /// let net   = nn::mlp([2, 8, 1]);
    /// let shift = tensor::parameter([0.5, 0]);
    /// let model = energy::of(|x| net.forward(x - shift).pow(2).sum(1), #{ params: [net, shift] });
    /// model.save("model.safetensors");
    /// net.assign("0.bias", tensor::ones([8]));
    /// model.load("model.safetensors");
    /// print(net.parameters()["0.bias"].max().item() < 1.0);   //= true
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn save(ctx: NativeCallContext, energy: &mut Energy, path: &str) -> Outcome<()> {
        let mut weights = Network::of_weights(energy.parameters());
        super::super::nn::network::functions::save(ctx, &mut weights, path)
    }

    /// How chains compute the scores of batches like `x`. A network whose layers all describe
    /// themselves is *written out*: forward and gradient in kernels of their own, several times as
    /// fast as autograd, which does the rest; the text says which layer it was.
    ///
    /// ```rhai
    /// let net = nn::sequential([nn::linear(4, 8), nn::silu(), nn::linear(8, 3)]);
    /// print(energy::joint(net).score_path(tensor::randn([16, 4])));   //= written out…
    /// let own = nn::sequential([nn::linear(4, 8), nn::lambda(|x| x.sin()), nn::linear(8, 3)]);
    /// print(energy::joint(own).score_path(tensor::randn([16, 4])));   //= autograd, because layer 1…
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn score_path(energy: &mut Energy, x: Tensor) -> Outcome<String> {
        Ok(Ready::path_of(energy, &x)?)
    }

    /// Reads all weights and buffers, with the options of `net.load`.
    ///
    /// ```rhai
    /// let model = energy::joint(nn::linear(4, 3));
    /// model.save("again.safetensors");
    /// print(model.load("again.safetensors").len());   //= 0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn load(
        ctx: NativeCallContext,
        energy: &mut Energy,
        path: &str,
        options: Map,
    ) -> Outcome<Array> {
        let mut weights = Network::of_weights(energy.parameters());
        super::super::nn::network::functions::load(ctx, &mut weights, path, options)
    }
}
