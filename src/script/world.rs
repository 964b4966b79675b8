//! Several processes in the language: which one this is, and what they tell one another.

use rhai::plugin::*;

use super::edge::Outcome;
use crate::error::Error;
use crate::tensor::Tensor;
use crate::world::{Reduce, World};

/// A tensor or a number, and whether it was a number.
fn given(function: &str, x: Dynamic) -> crate::Result<(Tensor, bool)> {
    let x = x.flatten_clone();
    let number = x.as_float().or_else(|_| x.as_int().map(|n| n as f64)).ok();
    if let Some(number) = number {
        let one = crate::tensor::Kind::Double;
        let x = Tensor::from_f64(&[number], &[], one, crate::tensor::Device::Cpu)?;
        return Ok((x, true));
    }
    let found = super::types::type_name(x.type_name());
    let tensor = x.try_cast::<Tensor>();
    tensor.map(|t| (t, false)).ok_or_else(|| {
        Error::argument(format!(
            "{function}: needs a tensor or a number, got {found}"
        ))
    })
}

/// A tensor, or the number again.
fn back(x: &Tensor, number: bool) -> crate::Result<Dynamic> {
    Ok(match number {
        true => Dynamic::from_float(x.item()?),
        false => Dynamic::from(x.clone()),
    })
}

#[export_module(manifest)]
pub mod functions {
    /// Which of the processes this is that train one model together, from 0. Where there is but
    /// one, 0. All of them run the same script; a recipe needs to know nothing of it.
    ///
    /// ```rhai
    /// print(`${rank()} of ${world()}`);        //= 0 of 1
    /// ```
    #[rhai_fn(global)]
    pub fn rank() -> i64 {
        World::current().rank() as i64
    }

    /// How many processes train one model together: 1 unless the script was started by `jemscript
    /// launch`, `torchrun` or the like.
    ///
    /// ```rhai
    /// print(world());                          //= 1
    /// ```
    #[rhai_fn(global)]
    pub fn world() -> i64 {
        World::current().size() as i64
    }

    /// The values of all ranks as one: their `"mean"`, `"sum"`, `"max"` or `"min"`, element by
    /// element. All ranks must call it, with the same shape; where they do not, each of them gets
    /// an error that says what each asked for. No gradient passes.
    ///
    /// ```rhai
    /// print(all_reduce(2.5, "mean"));                          //= 2.5
    /// print(all_reduce(tensor::ones([2]), "sum").shape);       //= [2]
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn all_reduce(x: Dynamic, how: &str) -> Outcome<Dynamic> {
        let known = ["mean", "sum", "max", "min"];
        let reduce = Reduce::of(how)
            .ok_or_else(|| Error::unknown(&format!("all_reduce: no {how:?}"), how, known))?;
        let (x, number) = given("all_reduce", x)?;
        let reduced = World::current().all_reduce("a script's value", &x, reduce)?;
        Ok(back(&reduced, number)?)
    }

    /// The tensors of all ranks, by rank: `[world(), …]`; of numbers a tensor `[world()]`. All
    /// ranks must call it, with the same shape.
    ///
    /// ```rhai
    /// print(all_gather(tensor::ones([3])).shape);              //= [1, 3]
    /// print(all_gather(0.5).shape);                            //= [1]
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn all_gather(x: Dynamic) -> Outcome<Tensor> {
        let (x, _) = given("all_gather", x)?;
        Ok(World::current().all_gather("a script's value", &x)?)
    }

    /// The value of rank 0 on all ranks. All of them must call it, with the same shape.
    ///
    /// ```rhai
    /// print(broadcast(3.0));                   //= 3.0
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn broadcast(x: Dynamic) -> Outcome<Dynamic> {
        let (x, number) = given("broadcast", x)?;
        let sent = World::current().broadcast("a script's value", &x, 0)?;
        Ok(back(&sent, number)?)
    }

    /// Waits until all ranks are here: before one reads a file that another has written, say.
    ///
    /// ```rhai
    /// if rank() == 0 { save_text("notes.txt", "made by one"); }
    /// barrier();
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn barrier() -> Outcome<()> {
        Ok(World::current().barrier("barrier()")?)
    }
}
