//! Samplers in the language: algorithms and the replay buffer under `sampler::`, runs and their
//! diagnostics.

use rhai::plugin::*;
use rhai::{Array, FnPtr, Map};

use super::arguments::{int_list, options};
use super::closure;
use super::edge::Outcome;
use super::host::Host;
use super::tensor::fresh;
use crate::data::Part;
use crate::energy::Energy;
use crate::error::Error;
use crate::sampler::{
    ChainRun, CustomOptions, HmcOptions, MalaOptions, Replay, ReplayOptions, RunOptions, Sampler,
    SgldOptions,
};
use crate::tensor::{Stream, Tensor};
use crate::train::outside_of_steps;

fn untraced(what: &str) -> Error {
    Error::state(format!("run.{what}: this run kept no trace"))
        .with_hint("run with #{ trace: true }")
}

#[export_module(manifest)]
pub mod functions {
    /// Stochastic gradient Langevin dynamics (JEM, equation 4): `x ← x - step_size · ∇E(x) + noise
    /// · N(0, 1)`, `steps` times. With `alpha` alone the equation as written: `step_size =
    /// alpha/2`, `noise = √alpha`, which targets `exp(-E)`. Set apart, the chain targets
    /// `exp(-E/T)` with `T = noise² / (2 · step_size)`; a sampler prints its `T`.
    ///
    /// ```rhai
    /// let jem  = sampler::sgld(#{ steps: 20, step_size: 1.0, noise: 0.01, clamp: [-1, 1] });   // the paper's setting
    /// let eq4  = sampler::sgld(#{ alpha: 0.01, steps: 1_000 });
    /// let bowl = energy::gaussian([0, 0], [[1, 0], [0, 1]]);
    /// print(eq4.sample(bowl, tensor::zeros([8, 2])).shape);      //= [8, 2]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn sgld(ctx: NativeCallContext, options: Map) -> Outcome<Sampler> {
        let o: SgldOptions = super::options(&ctx, &options)?;
        Ok(Sampler::sgld(&o)?)
    }

    /// Metropolis-adjusted Langevin (JEM, equation 3): a Langevin proposal of variance `alpha`,
    /// accepted with the Metropolis-Hastings rule, so that the chain samples `exp(-E)` itself,
    /// whatever the step.
    ///
    /// ```rhai
    /// let bowl = energy::gaussian([0, 0], [[1, 0], [0, 1]]);
    /// let run  = sampler::mala(#{ alpha: 0.5, steps: 200 }).run(bowl, tensor::randn([32, 2]));
    /// print(run.acceptance > 0.6);         //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn mala(ctx: NativeCallContext, options: Map) -> Outcome<Sampler> {
        let o: MalaOptions = super::options(&ctx, &options)?;
        Ok(Sampler::mala(&o)?)
    }

    /// Hamiltonian Monte Carlo (Neal 2011): leapfrog steps along the energy, accepted with the
    /// Metropolis rule, so that the chain samples `exp(-E)` itself. A run's `burn_in` finds the
    /// step size (Hoffman and Gelman 2014), and the sampler keeps it.
    ///
    /// ```rhai
    /// let bowl = energy::gaussian([0, 0], [[1, 0.9], [0.9, 1]]);
    /// let hmc  = sampler::hmc(#{ steps: 100, leapfrog: 5 });
    /// let run  = hmc.run(bowl, tensor::randn([32, 2]), #{ burn_in: 50 });
    /// print(run.acceptance > 0.5);         //= true
    /// ```
    #[rhai_fn(return_raw)]
    pub fn hmc(ctx: NativeCallContext, options: Map) -> Outcome<Sampler> {
        let o: HmcOptions = super::options(&ctx, &options)?;
        Ok(Sampler::hmc(&o)?)
    }

    /// A sampler written in the script: a function of the energy and `x` that gives the next `x`,
    /// called `steps` times. It may give a map in place of `x`: `x`, `accepted` (`[B]` of 0 and 1,
    /// for a run's acceptance), and numbers of any name, which a training logs. With `state` the
    /// chains keep something from step to step, and the function sees `t`.
    ///
    /// ```rhai
    /// let mine = sampler::custom(20, |e, x| x + 0.1 * e.score(x) + 0.3 * x.randn_like());
    /// print(mine.sample(energy::double_well(), tensor::zeros([4, 2])).shape);    //= [4, 2]
    ///
    /// // Underdamped Langevin dynamics: the chains have a velocity.
    /// let damped = sampler::custom(50, |e, x, t, v| {
    ///     let v = 0.9 * v + 0.1 * e.score(x) + 0.1 * x.randn_like();
    ///     #{ x: x + 0.1 * v, state: v, speed: v.norm() }
    /// }, #{ state: |e, x| x * 0 });
    /// print(damped.sample(energy::double_well(), tensor::zeros([4, 2])).shape);  //= [4, 2]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn custom(
        ctx: NativeCallContext,
        steps: i64,
        function: FnPtr,
        options: Map,
    ) -> Outcome<Sampler> {
        let o: CustomOptions = super::options(&ctx, &options)?;
        Ok(Sampler::custom(
            steps,
            &closure::function(&ctx, function),
            &o,
        )?)
    }

    /// A replay buffer of persistent chains for entries of a shape (Tieleman 2008; Du and Mordatch
    /// 2019): chains go on where they ended, a share `restart` of them starts anew each time.
    ///
    /// ```rhai
    /// let chains = sampler::replay([1, 8, 8], #{ size: 100, restart: 0.05 });
    /// let model  = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
    /// let fake   = chains.sample(sampler::sgld(#{ steps: 2 }), model, 16);
    /// print(fake.shape);                   //= [16, 1, 8, 8]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn replay(ctx: NativeCallContext, shape: Array, options: Map) -> Outcome<Replay> {
        outside_of_steps("sampler::replay")?;
        let o: ReplayOptions = super::options(&ctx, &options)?;
        Host::of(&ctx).next_seed(Stream::Init);
        Ok(Replay::new(&int_list("sampler::replay", &shape)?, &o)?)
    }

    /// Fills the buffer with the entries in a file: the `replay_buffer` of an official JEM
    /// checkpoint, or a file with one tensor `[size, …]`, whose rows have the buffer's shape. The
    /// buffer's size stays; a file with fewer entries is an error, of one with more the first are
    /// taken.
    ///
    /// ```rhai
    /// tensor::save(#{ replay_buffer: tensor::uniform([100, 2], -1, 1) }, "old.safetensors");
    /// let chains = sampler::replay([2], #{ size: 100 });
    /// chains.load("old.safetensors");
    /// print((chains.all() - tensor::load("old.safetensors").replay_buffer).abs().max());   //= 0
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "load")]
    pub fn replay_load(ctx: NativeCallContext, replay: &mut Replay, path: &str) -> Outcome<()> {
        let file = Host::of(&ctx).access().readable("replay.load", path)?;
        Ok(
            replay.load_entries(&crate::formats::tensors_in(&crate::formats::read_tensors(
                &file,
            )?))?,
        )
    }

    /// Where chains that start at `x` `[B, …]` end after all steps, detached.
    ///
    /// ```rhai
    /// let well = energy::double_well();
    /// print(sampler::sgld(#{ alpha: 0.1 }).sample(well, tensor::zeros([4, 2])).shape);   //= [4, 2]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn sample(
        ctx: NativeCallContext,
        sampler: &mut Sampler,
        energy: Energy,
        x: Tensor,
    ) -> Outcome<Tensor> {
        fresh(&ctx);
        let (samples, info) = sampler.sample_with_info(&energy, &x)?;
        sampler.follow(&info)?;
        Ok(samples)
    }

    /// The number of steps of a sampler.
    ///
    /// ```rhai
    /// print(sampler::sgld().steps);        //= 20
    /// ```
    #[rhai_fn(global, get = "steps", pure)]
    pub fn steps(sampler: &mut Sampler) -> i64 {
        sampler.steps() as i64
    }

    /// Draws `n` chains from the buffer, restarts some, runs the sampler from them, writes back and
    /// gives where they end, `[n, …]`, detached: the samples of the p(x) term.
    ///
    /// ```rhai
    /// let chains = sampler::replay([2], #{ size: 50 });
    /// print(chains.sample(sampler::sgld(#{ alpha: 0.01 }), energy::double_well(), 8).shape);     //= [8, 2]
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "sample")]
    pub fn replay_sample(
        ctx: NativeCallContext,
        chains: &mut Replay,
        sampler: Sampler,
        energy: Energy,
        n: i64,
    ) -> Outcome<Tensor> {
        fresh(&ctx);
        Ok(chains.sample(&sampler, &energy, n, None)?)
    }

    /// The same for labels `[n]`: chains come from the section of their label and follow `E(x, y)`,
    /// so that they sample p(x|y). The buffer must have been made with `classes`.
    ///
    /// ```rhai
    /// let model  = energy::joint(nn::linear(2, 3));
    /// let chains = sampler::replay([2], #{ size: 60, classes: 3 });
    /// let fake_y = chains.sample(sampler::sgld(), model, 3, tensor::ints([0, 1, 2]));
    /// print(fake_y.shape);                 //= [3, 2]
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "sample")]
    pub fn replay_sample_labels(
        ctx: NativeCallContext,
        chains: &mut Replay,
        sampler: Sampler,
        energy: Energy,
        n: i64,
        labels: Tensor,
    ) -> Outcome<Tensor> {
        fresh(&ctx);
        Ok(chains.sample(&sampler, &energy, n, Some(&labels))?)
    }

    /// Fills the buffer from one normal density per class (mean, full covariance + 1e-4 I),
    /// estimated on a part of the data; later restarts come from them too (JEM++, SADA-JEM).
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// let chains = sampler::replay(digits.shape, #{ size: 100, init: "class_gaussian" });
    /// chains.init_class_gaussians(digits.train);
    /// print(chains.len());                 //= 100
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn init_class_gaussians(
        ctx: NativeCallContext,
        chains: &mut Replay,
        part: Part,
    ) -> Outcome<()> {
        Host::of(&ctx).next_seed(Stream::Init);
        Ok(chains.init_class_gaussians(&part.x()?, &part.y)?)
    }

    /// `n` entries of the buffer at random, each at most once.
    ///
    /// ```rhai
    /// print(sampler::replay([1, 8, 8], #{ size: 100 }).images(64).shape);       //= [64, 1, 8, 8]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn images(ctx: NativeCallContext, chains: &mut Replay, n: i64) -> Outcome<Tensor> {
        fresh(&ctx);
        Ok(chains.images(n)?)
    }

    /// A copy of all entries of the buffer.
    ///
    /// ```rhai
    /// print(sampler::replay([2], #{ size: 100 }).all().shape);      //= [100, 2]
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "all")]
    pub fn all_entries(chains: &mut Replay) -> Outcome<Tensor> {
        Ok(chains.all()?)
    }

    /// The number of entries of the buffer.
    ///
    /// ```rhai
    /// print(sampler::replay([2], #{ size: 100 }).len());            //= 100
    /// ```
    #[rhai_fn(global, pure)]
    pub fn len(chains: &mut Replay) -> i64 {
        chains.len()
    }

    /// How many entries a model with classes puts into each class: a buffer that has lost classes
    /// shows here.
    ///
    /// ```rhai
    /// let chains = sampler::replay([2], #{ size: 100 });
    /// print(chains.class_counts(energy::joint(nn::linear(2, 3))).sum());   //= 100
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn class_counts(chains: &mut Replay, model: Energy) -> Outcome<Tensor> {
        Ok(chains.class_counts(&model)?)
    }

    /// Runs chains from `x` `[B, …]` and keeps what diagnostics need. Printing the run shows them
    /// as a table.
    ///
    /// ```rhai
    /// let bowl = energy::gaussian([0, 0], [[1, 0], [0, 1]]);
    /// let run  = sampler::mala(#{ alpha: 0.5 }).run(bowl, tensor::randn([8, 2]), #{ steps: 100, burn_in: 20, thin: 2 });
    /// print(run.trace.shape);              //= [50, 8, 2]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn run(
        ctx: NativeCallContext,
        sampler: &mut Sampler,
        energy: Energy,
        x: Tensor,
        options: Map,
    ) -> Outcome<ChainRun> {
        let o: RunOptions = super::options(&ctx, &options)?;
        fresh(&ctx);
        Ok(sampler.run(&energy, &x, &o)?)
    }

    /// Where the chains ended, `[B, …]`.
    ///
    /// ```rhai
    /// print(sampler::sgld(#{ alpha: 0.01 }).run(energy::double_well(), tensor::zeros([4, 2])).x.shape);      //= [4, 2]
    /// ```
    #[rhai_fn(global, get = "x", pure)]
    pub fn x(run: &mut ChainRun) -> Tensor {
        run.x.clone()
    }

    /// The energy where the chains ended, `[B]`.
    ///
    /// ```rhai
    /// print(sampler::sgld(#{ alpha: 0.01 }).run(energy::double_well(), tensor::zeros([4, 2])).energy.shape); //= [4]
    /// ```
    #[rhai_fn(global, get = "energy", pure)]
    pub fn energy(run: &mut ChainRun) -> Tensor {
        run.energy.clone()
    }

    /// The samples that were kept, `[T, B, …]`.
    ///
    /// ```rhai
    /// print(sampler::sgld(#{ alpha: 0.01 }).run(energy::double_well(), tensor::zeros([4, 2])).trace.shape);  //= [20, 4, 2]
    /// ```
    #[rhai_fn(global, return_raw, get = "trace", pure)]
    pub fn trace(run: &mut ChainRun) -> Outcome<Tensor> {
        Ok(run.trace.clone().ok_or_else(|| untraced("trace"))?)
    }

    /// The energies of the samples that were kept, `[T, B]`.
    ///
    /// ```rhai
    /// print(sampler::sgld(#{ alpha: 0.01 }).run(energy::double_well(), tensor::zeros([4, 2])).energies.shape);   //= [20, 4]
    /// ```
    #[rhai_fn(global, return_raw, get = "energies", pure)]
    pub fn energies(run: &mut ChainRun) -> Outcome<Tensor> {
        Ok(run.energies.clone().ok_or_else(|| untraced("energies"))?)
    }

    /// The share of accepted proposals; 1 for samplers that accept all.
    ///
    /// ```rhai
    /// print(sampler::sgld(#{ alpha: 0.01 }).run(energy::double_well(), tensor::zeros([4, 2])).acceptance);   //= 1.0
    /// ```
    #[rhai_fn(global, get = "acceptance", pure)]
    pub fn acceptance(run: &mut ChainRun) -> f64 {
        run.acceptance.unwrap_or(1.0)
    }

    /// Effective sample size of each coordinate over all chains together, in the shape of one
    /// sample (Vehtari et al. 2021).
    ///
    /// ```rhai
    /// let bowl = energy::gaussian([0, 0], [[1, 0], [0, 1]]);
    /// let run  = sampler::mala(#{ alpha: 0.5, steps: 100 }).run(bowl, tensor::randn([8, 2]));
    /// print(run.ess.shape);                //= [2]
    /// ```
    #[rhai_fn(global, return_raw, get = "ess", pure)]
    pub fn ess(run: &mut ChainRun) -> Outcome<Tensor> {
        Ok(run.ess()?)
    }

    /// Rank-normalised split R-hat of each coordinate, in the shape of one sample: 1.00 when the
    /// chains agree (Vehtari et al. 2021).
    ///
    /// ```rhai
    /// let bowl = energy::gaussian([0, 0], [[1, 0], [0, 1]]);
    /// let run  = sampler::mala(#{ alpha: 0.5, steps: 400 }).run(bowl, tensor::randn([8, 2]));
    /// print(run.r_hat.max().item() < 1.1); //= true
    /// ```
    #[rhai_fn(global, return_raw, get = "r_hat", pure)]
    pub fn r_hat(run: &mut ChainRun) -> Outcome<Tensor> {
        Ok(run.r_hat()?)
    }
}
