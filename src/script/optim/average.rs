//! Averages of weights.

use rhai::plugin::*;

use super::super::edge::Outcome;
use super::parameters;
use crate::optim::Ema;
use crate::train::outside_of_steps;

#[export_module(manifest)]
pub mod functions {
    /// An exponential moving average of the weights of an energy, a network, or an array of them:
    /// `average ← decay · average + (1 − decay) · weights` at each `update`. Running means of batch
    /// norm are averaged too. Averaged weights often make better samples and a calmer validation
    /// curve.
    ///
    /// ```rhai
    /// let net = nn::linear(1, 1, #{ bias: false });
    /// net.load_state_dict(#{ weight: tensor::of([[0]]) });
    /// let average = optim::ema(net, 0.75);                        // starts at the present weights
    /// net.load_state_dict(#{ weight: tensor::of([[8]]) });        // a step of training
    /// average.update();
    /// average.apply();
    /// print(net.parameters()[0].item());                          //= 2.0
    /// average.restore();
    /// print(net.parameters()[0].item());                          //= 8.0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn ema(target: Dynamic, decay: f64) -> Outcome<Ema> {
        outside_of_steps("optim::ema")?;
        Ok(Ema::new(parameters("optim::ema", &target)?, decay)?)
    }

    /// Moves the average towards the present weights: after each step of the optimiser.
    ///
    /// ```rhai
    /// let average = optim::ema(nn::linear(2, 1), 0.999);
    /// average.update();
    /// print(average);   //= ema(0.999): 3 numbers, 1 updates
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn update(ema: &mut Ema) -> Outcome<()> {
        Ok(ema.update()?)
    }

    /// Swaps the average in: the model runs on it until `restore`. Meanwhile no `update` is
    /// allowed.
    ///
    /// ```rhai
    /// let average = optim::ema(nn::linear(2, 1), 0.999);
    /// average.apply();
    /// try { average.update(); } catch (e) { print(e.message); }   //= ema.update: the average is swapped in
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn apply(ema: &mut Ema) -> Outcome<()> {
        Ok(ema.apply()?)
    }

    /// Gives the model its own weights back.
    ///
    /// ```rhai
    /// let average = optim::ema(nn::linear(2, 1), 0.999);
    /// average.apply();
    /// average.restore();
    /// print(average.applied);   //= false
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn restore(ema: &mut Ema) -> Outcome<()> {
        Ok(ema.restore()?)
    }

    /// Whether the model runs on the average now.
    ///
    /// ```rhai
    /// let average = optim::ema(nn::linear(2, 1), 0.999);
    /// average.apply();
    /// print(average.applied);   //= true
    /// ```
    #[rhai_fn(global, get = "applied", pure)]
    pub fn applied(ema: &mut Ema) -> bool {
        ema.applied()
    }
}
