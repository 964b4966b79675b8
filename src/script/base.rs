//! Functions that need no module name: parameters, seeds, errors, and the run folder.

use rhai::plugin::*;
use rhai::{Array, FnPtr};

use super::closure::from_dynamic;
use super::edge::Outcome;
use super::failure::Failure;
use super::host::Host;
use super::reference;
use super::show::rich;
use super::types::type_name;
use super::value::to_dynamic;
use crate::error::{Error, ErrorKind};
use crate::plot::{Animation, Picture};

#[export_module(manifest)]
pub mod functions {
    /// A parameter of the script, changed from the command line with `name=value`. Gives the value
    /// in force; it has the type of the default.
    ///
    /// ```rhai
    /// let lr = param("lr", 1e-3, "learning rate");
    /// print(lr);          //= 0.001
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn param(
        ctx: NativeCallContext,
        name: &str,
        default: Dynamic,
        help: &str,
    ) -> Outcome<Dynamic> {
        let default = from_dynamic(&ctx, &default)?;
        Ok(to_dynamic(&Host::of(&ctx).parameter(name, &default, help)?))
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

    /// Gives a parameter its value in a notebook, and is the value: what papermill writes into a
    /// notebook. Later calls of `param` take it. A cell before may have read the parameter into a
    /// variable of its name, which then has the new value.
    ///
    /// ```rhai
    /// let lr = set_param("lr", 0.1);
    /// print(param("lr", 1e-3));   //= 0.1
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn set_param(ctx: NativeCallContext, name: &str, value: Dynamic) -> Outcome<Dynamic> {
        let given = from_dynamic(&ctx, &value)?;
        Ok(to_dynamic(&Host::of(&ctx).set_parameter(name, &given)?))
    }

    /// The seed that decides everything: `--seed` on the command line, or what `seed(n)` set.
    ///
    /// ```rhai
    /// print(seed());      //= 0
    /// ```
    #[rhai_fn(global)]
    pub fn seed(ctx: NativeCallContext) -> i64 {
        Host::of(&ctx).seed() as i64
    }

    /// Starts all random numbers anew from a seed. Two models made and trained after the same
    /// `seed(n)` have the same initial weights, the same batches and the same noise: a paired
    /// comparison.
    ///
    /// ```rhai
    /// seed(7);
    /// let a = tensor::randn([3]);
    /// seed(7);
    /// print((tensor::randn([3]) - a).abs().sum());     //= 0
    /// ```
    #[rhai_fn(global, name = "seed")]
    pub fn set_seed(ctx: NativeCallContext, seed: i64) {
        Host::of(&ctx).reseed(seed as u64);
    }

    /// Prints help: the documentation of a function by its name, or what a value of any other type
    /// can do, its properties and methods.
    ///
    /// ```rhai
    /// help("nn::silu");                    //= nn::silu() -> network…
    /// let net = nn::linear(2, 1);
    /// help(net);                           //= network…
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn help(ctx: NativeCallContext, what: Dynamic) -> Outcome<()> {
        let text = about(&what)?;
        Host::of(&ctx).print(&text);
        Ok(())
    }

    /// Waits for some seconds; Ctrl-C and `--max-time` end the wait.
    ///
    /// ```rhai
    /// sleep(0.01);
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn sleep(seconds: f64) -> Outcome<()> {
        if seconds.is_nan() || seconds < 0.0 {
            return Err(
                Error::argument(format!("sleep: needs seconds from 0 on, got {seconds}")).into(),
            );
        }
        let started = std::time::Instant::now();
        loop {
            crate::interrupt::poll()?;
            let left = seconds - started.elapsed().as_secs_f64();
            if left <= 0.0 {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_secs_f64(left.min(0.05)));
        }
    }

    /// Sorts an array by a function of two entries, which gives a number below 0 where the first
    /// belongs before the second, above 0 where behind it. Equal ones keep their order.
    ///
    /// ```rhai
    /// let a = [3, 1, 2];
    /// a.sort(|x, y| y - x);
    /// print(a);           //= [3, 2, 1]
    /// ```
    #[rhai_fn(global, return_raw, name = "sort")]
    pub fn sort_by(ctx: NativeCallContext, array: &mut Array, order: FnPtr) -> Outcome<()> {
        let entries = std::mem::take(array);
        let mut before = |a: &Dynamic, b: &Dynamic| -> Outcome<bool> {
            let found = order.call_within_context::<Dynamic>(&ctx, (a.clone(), b.clone()))?;
            let number = found
                .as_float()
                .or_else(|_| found.as_int().map(|n| n as f64));
            let behind = number
                .map(|n| n > 0.0)
                .or_else(|_| found.as_bool().map(|first| !first));
            behind.map(|behind| !behind).map_err(|kind| {
                Error::argument(format!(
                    "sort: the function must give a number, got {}",
                    type_name(kind)
                ))
                .into()
            })
        };
        *array = merge_sorted(entries, &mut before)?;
        Ok(())
    }

    /// Ends the script with an error if a condition does not hold. In a dry run that has left work
    /// out, and whose numbers mean nothing from there on, it only says so.
    ///
    /// ```rhai
    /// assert(1 + 1 == 2, "arithmetic holds");
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn assert(ctx: NativeCallContext, condition: bool, message: &str) -> Outcome<()> {
        if condition {
            Ok(())
        } else if crate::dry_run::approximate() {
            Host::of(&ctx).print(&format!(
                "assertion failed: {message} (no failure: the numbers of a dry run mean nothing)"
            ));
            Ok(())
        } else {
            Err(Error::argument(format!("assertion failed: {message}")).into())
        }
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

    /// Shows a value in its richest form: in a notebook a picture, an animation, a table of layers,
    /// the images of a data set; in a terminal its text.
    ///
    /// ```rhai
    /// display("text, where there is no more to show");     //= text, …
    /// ```
    #[rhai_fn(global)]
    pub fn display(ctx: NativeCallContext, value: Dynamic) {
        let rich = super::rich(ctx.engine(), &value);
        Host::of(&ctx).output().display(&rich);
    }

    /// Shows a value in a named place: a notebook puts it where the one before it under the same
    /// name stands, as in a training that shows its samples while it goes on.
    ///
    /// ```rhai
    /// for step in 0..2 { display(`step ${step}`, "state"); }     //= step 0
    /// //= step 1
    /// ```
    #[rhai_fn(global, name = "display")]
    pub fn display_in(ctx: NativeCallContext, value: Dynamic, slot: &str) {
        let rich = super::rich(ctx.engine(), &value);
        Host::of(&ctx).output().update(slot, &rich);
    }

    /// The folder of this run, made now if nothing was written yet: it keeps the script, its
    /// parameters, metrics, checkpoints and pictures. Empty where a run writes nothing, as in a
    /// notebook without `--out`.
    ///
    /// ```rhai
    /// print(`everything is in ${run_folder()}`);       //= everything is in …
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn run_folder(ctx: NativeCallContext) -> Outcome<String> {
        Ok(Host::of(&ctx)
            .run()
            .open()?
            .map_or_else(String::new, |p| p.display().to_string()))
    }

    /// Writes a text into the run folder, whole or not at all. A name with folders in it makes
    /// them; one that leads out of the run folder is an error.
    ///
    /// ```rhai
    /// save_text("notes/first.md", "# What I saw");
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn save_text(ctx: NativeCallContext, name: &str, text: &str) -> Outcome<()> {
        Host::of(&ctx)
            .access()
            .write("save_text", name, text.as_bytes())?;
        Ok(())
    }

    /// Writes a picture into the run folder as a PNG file.
    ///
    /// ```rhai
    /// save_image("digits.png", plot::grid(data::digits().train.images(64)));
    /// ```
    #[rhai_fn(global, return_raw)]
    pub fn save_image(ctx: NativeCallContext, name: &str, picture: Picture) -> Outcome<()> {
        let name = with_ending("save_image", name, "png")?;
        Host::of(&ctx)
            .access()
            .write("save_image", &name, &picture.png_bytes()?)?;
        Ok(())
    }

    /// Writes an animation into the run folder as a GIF file.
    ///
    /// ```rhai
    /// let images = data::digits().train.images(4);
    /// save_image("fade.gif", plot::animation([images, 0.5 * images]));
    /// ```
    #[rhai_fn(global, return_raw, name = "save_image")]
    pub fn save_animation(ctx: NativeCallContext, name: &str, animation: Animation) -> Outcome<()> {
        let name = with_ending("save_image", name, "gif")?;
        Host::of(&ctx)
            .access()
            .write("save_image", &name, &animation.gif_bytes()?)?;
        Ok(())
    }
}

/// Merge sort: unlike the standard library's it takes any answers, also those that contradict each
/// other. `before` tells whether the first may stand before the second.
fn merge_sorted(
    mut entries: Array,
    before: &mut impl FnMut(&Dynamic, &Dynamic) -> Outcome<bool>,
) -> Outcome<Array> {
    if entries.len() < 2 {
        return Ok(entries);
    }
    let right = merge_sorted(entries.split_off(entries.len() / 2), before)?;
    let left = merge_sorted(entries, before)?;
    let mut all = Array::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let next = if before(a, b)? {
            left.next()
        } else {
            right.next()
        };
        all.extend(next);
    }
    all.extend(left.chain(right));
    Ok(all)
}

/// Help on a name or a value.
fn about(what: &Dynamic) -> Result<String, Error> {
    let name = what.clone().into_string().ok();
    let name = name.or_else(|| {
        what.read_lock::<FnPtr>()
            .map(|f| f.fn_name().to_owned())
            .filter(|n| !n.contains('$'))
    });
    let Some(name) = name else {
        let kind = type_name(what.type_name());
        return reference::of_type(&kind)
            .ok_or_else(|| Error::argument(format!("help: there is nothing to say about {kind}")));
    };
    reference::about(&name).ok_or_else(|| {
        let error = Error::new(
            ErrorKind::Name,
            format!("help: there is no function `{name}`"),
        );
        match reference::near(&name) {
            Some(near) => error.with_hint(format!("did you mean `{near}`?")),
            None => {
                error.with_hint("`jemscript doc --search WORDS` finds functions by what they do")
            }
        }
    })
}

/// The name with this ending: added where there is none, refused where it is another one.
fn with_ending(function: &str, name: &str, wanted: &str) -> Result<String, Error> {
    match std::path::Path::new(name)
        .extension()
        .map(|e| e.to_string_lossy().to_lowercase())
    {
        None if !name.is_empty() => Ok(format!("{name}.{wanted}")),
        None => Ok(String::new()),
        Some(found) if found == wanted => Ok(name.to_owned()),
        Some(found) => Err(Error::argument(format!(
            "{function}: writes .{wanted} files, not .{found}"
        ))
        .with_hint(format!("name it as in \"picture.{wanted}\""))),
    }
}
