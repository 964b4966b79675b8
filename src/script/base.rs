//! Functions that need no module name: parameters, errors, time.

use rhai::plugin::*;

use super::diagnostic::Failure;
use super::edge::Outcome;
use super::session::Session;
use super::value::{from_dynamic, to_dynamic};
use crate::error::Error;

#[export_module(manifest)]
pub mod functions {
    /// A parameter of the script, changed from the command line with `name=value`. Gives the value in force; it has the type of
    /// the default.
    ///
    /// ```rhai
    /// let lr = param("lr", 1e-3, "learning rate");
    /// print(lr);          //= 0.001
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn param(ctx: NativeCallContext, name: &str, default: Dynamic, help: &str) -> Outcome<Dynamic> {
        let default = from_dynamic(&ctx, &default)?;
        Ok(to_dynamic(&Session::of(&ctx).parameter(name, &default, help)?))
    }

    /// The same without a help text.
    ///
    /// ```rhai
    /// const STEPS = param("steps", 20);
    /// print(STEPS);       //= 20
    /// ```
    #[rhai_fn(global, return_raw, name = "param")]
    pub fn param_plain(ctx: NativeCallContext, name: &str, default: Dynamic) -> Outcome<Dynamic> {
        param(ctx, name, default, "")
    }

    /// The seed that decides everything: `--seed` on the command line, or what `seed(n)` set.
    ///
    /// ```rhai
    /// print(seed());      //= 0
    /// ```
    #[rhai_fn(global)]
    pub fn seed(ctx: NativeCallContext) -> i64 {
        Session::of(&ctx).seed() as i64
    }

    /// Starts all random numbers anew from a seed. Two models made and trained after the same `seed(n)` have the same initial
    /// weights, the same batches and the same noise: a paired comparison.
    ///
    /// ```rhai
    /// seed(7);
    /// let a = tensor::randn([3]);
    /// seed(7);
    /// print((tensor::randn([3]) - a).abs().sum());     //= 0
    /// ```
    #[rhai_fn(global, name = "seed")]
    pub fn set_seed(ctx: NativeCallContext, seed: i64) {
        Session::of(&ctx).reseed(seed as u64);
    }

    /// Ends the script with an error if a condition does not hold.
    ///
    /// ```rhai
    /// assert(1 + 1 == 2, "arithmetic holds");
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn assert(condition: bool, message: &str) -> Outcome<()> {
        if condition { Ok(()) } else { Err(Error::argument(format!("assertion failed: {message}")).into()) }
    }

    /// The message of a caught error.
    ///
    /// ```rhai
    /// try { tensor::zeros([-1]); } catch (e) { print(e.message); }   //= zeros: sizes must not be negative, got [-1]
    /// ```
    #[rhai_fn(global, get = "message", pure)]
    pub fn message(error: &mut Failure) -> String {
        error.error.message().to_owned()
    }

    /// The hint of a caught error; empty if there is none.
    ///
    /// ```rhai
    /// try { tensor::of([1, 2]).item(); } catch (e) { print(e.hint); }   //= reduce it first: …
    /// ```
    #[rhai_fn(global, get = "hint", pure)]
    pub fn hint(error: &mut Failure) -> String {
        error.error.hint().unwrap_or_default().to_owned()
    }
}
