//! Data in the language: sets under `data::`, and their parts.

use rhai::plugin::*;
use rhai::{Array, Map};

use super::edge::Outcome;
use super::session::Session;
use super::tensor::fresh;
use super::value::options;
use crate::data::{self, Batch, Dataset, DigitsOptions, IdxOptions, Part, SplitOptions, Toy, ToyOptions};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, default_device, parse_device};

/// The options of an idx data set, its folder one that the script may read.
fn idx_options(context: &NativeCallContext, function: &str, map: &Map) -> Result<IdxOptions> {
    let mut o: IdxOptions = options(context, map)?;
    if let Some(folder) = &o.folder {
        let found = Session::of(context).access().readable_folder(function, folder)?;
        o.folder = Some(found.to_string_lossy().into_owned());
    }
    Ok(o)
}

#[export_module(manifest)]
pub mod functions {
    /// The handwritten digits inside jemscript: 1,797 images of 8×8 pixels in [-1, 1], ten classes (one part of UCI optdigits,
    /// E. Alpaydin and C. Kaynak, 1998, CC BY 4.0), split by class into 1,077 for training, 360 for validation and 360 for the
    /// test. Writers are shared across the split.
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// print(digits.train.x.shape);         //= [1077, 1, 8, 8]
    /// print(digits.test.len());            //= 360
    /// ```
    #[rhai_fn(return_raw)]
    pub fn digits(ctx: NativeCallContext, options: Map) -> Outcome<Dataset> {
        let o: DigitsOptions = super::options(&ctx, &options)?;
        Ok(data::digits(&o)?.to_device(default_device())?.rehearsed()?)
    }

    /// Points in the plane: "moons", "rings", "gaussians", "spirals", "checkerboard" or "pinwheel".
    ///
    /// ```rhai
    /// let moons = data::toy("moons", #{ n: 500 });
    /// print(moons.train.x.shape);          //= [500, 2]
    /// print(moons.classes);                //= 2
    /// ```
    #[rhai_fn(return_raw)]
    pub fn toy(ctx: NativeCallContext, shape: &str, options: Map) -> Outcome<Dataset> {
        let o: ToyOptions = super::options(&ctx, &options)?;
        Ok(data::toy(Toy::by_name(shape)?, &o)?.to_device(default_device())?.rehearsed()?)
    }

    /// Handwritten digits of 28×28 pixels from the four idx files of MNIST, plain or .gz, found in `folder`, else in the user's
    /// data folder.
    ///
    /// ```rhai
    /// try { data::mnist(#{ folder: "nowhere" }); } catch (e) { print(e.message); }      //= …nowhere…
    /// ```
    #[rhai_fn(return_raw)]
    pub fn mnist(ctx: NativeCallContext, options: Map) -> Outcome<Dataset> {
        let o = idx_options(&ctx, "data::mnist", &options)?;
        Ok(data::mnist(&o)?.to_device(default_device())?.rehearsed()?)
    }

    /// Pieces of clothing of 28×28 pixels from the four idx files of Fashion-MNIST (Xiao et al., 2017), plain or .gz, found in
    /// `folder`, else in the user's data folder, else where Debian's `dataset-fashion-mnist` puts them. Options as those of
    /// `data::mnist`.
    ///
    /// ```rhai
    /// try { data::fashion_mnist(#{ folder: "nowhere" }); } catch (e) { print(e.message); }      //= …nowhere…
    /// ```
    #[rhai_fn(return_raw)]
    pub fn fashion_mnist(ctx: NativeCallContext, options: Map) -> Outcome<Dataset> {
        let o = idx_options(&ctx, "data::fashion_mnist", &options)?;
        Ok(data::fashion_mnist(&o)?.to_device(default_device())?.rehearsed()?)
    }

    /// Rows of your own `[N, …]` with labels `[N]` from 0 on, split by class into the three parts.
    ///
    /// ```rhai
    /// let x = tensor::randn([100, 2]);
    /// let y = (x.select(1, 0) > 0).to("int64");
    /// print(data::split(x, y, #{ validation: 20, test: 20 }).train.len());      //= 60
    /// ```
    #[rhai_fn(return_raw)]
    pub fn split(ctx: NativeCallContext, x: Tensor, y: Tensor, options: Map) -> Outcome<Dataset> {
        let o: SplitOptions = super::options(&ctx, &options)?;
        Ok(data::split(&x, &y, &o)?.rehearsed()?)
    }

    /// Rows `[N, …]` with labels `[N]` as a part, for evaluation.
    ///
    /// ```rhai
    /// let part = data::part("mine", tensor::zeros([3, 2]), tensor::ints([0, 1, 0]));
    /// print(part.len());                   //= 3
    /// ```
    #[rhai_fn(return_raw)]
    pub fn part(name: &str, x: Tensor, y: Tensor) -> Outcome<Part> {
        Ok(Part::new(name, &x, &y)?)
    }

    /// The part that gradients see.
    ///
    /// ```rhai
    /// print(data::digits().train.len());           //= 1077
    /// ```
    #[rhai_fn(global, get = "train", pure)]
    pub fn train(data: &mut Dataset) -> Part {
        data.train.clone()
    }

    /// The part that choices are made on.
    ///
    /// ```rhai
    /// print(data::digits().validation.len());      //= 360
    /// ```
    #[rhai_fn(global, get = "validation", pure)]
    pub fn validation(data: &mut Dataset) -> Part {
        data.validation.clone()
    }

    /// The part that is looked at once, at the end.
    ///
    /// ```rhai
    /// print(data::digits().test.len());            //= 360
    /// ```
    #[rhai_fn(global, get = "test", pure)]
    pub fn test(data: &mut Dataset) -> Part {
        data.test.clone()
    }

    /// The rows of the class that `hold_out` named.
    ///
    /// ```rhai
    /// print(data::digits(#{ hold_out: 8 }).held_out.len());      //= 174
    /// ```
    #[rhai_fn(global, return_raw, get = "held_out", pure)]
    pub fn held_out(data: &mut Dataset) -> Outcome<Part> {
        let none = || {
            Error::state(format!("{}: no class is held out", data.name))
                .with_hint("as in data::digits(#{ hold_out: 8 })")
        };
        Ok(data.held_out.clone().ok_or_else(none)?)
    }

    /// The shape of one row.
    ///
    /// ```rhai
    /// print(data::digits().shape);                 //= [1, 8, 8]
    /// ```
    #[rhai_fn(global, get = "shape", pure)]
    pub fn shape(data: &mut Dataset) -> Array {
        data.shape().into_iter().map(Dynamic::from_int).collect()
    }

    /// The number of classes.
    ///
    /// ```rhai
    /// print(data::digits().classes);               //= 10
    /// ```
    #[rhai_fn(global, get = "classes", pure)]
    pub fn classes(data: &mut Dataset) -> i64 {
        data.classes
    }

    /// The same data on a device.
    ///
    /// ```rhai
    /// print(data::digits().to("cpu").train.x.device);      //= cpu
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn to(data: &mut Dataset, device: &str) -> Outcome<Dataset> {
        Ok(data.to_device(parse_device(device)?)?)
    }

    /// The rows of a part, `[N, …]`.
    ///
    /// ```rhai
    /// print(data::digits().test.x.shape);          //= [360, 1, 8, 8]
    /// ```
    #[rhai_fn(global, get = "x", pure)]
    pub fn x(part: &mut Part) -> Tensor {
        part.x.clone()
    }

    /// The labels of a part, `[N]`, int64.
    ///
    /// ```rhai
    /// print(data::digits().test.y.max());          //= 9
    /// ```
    #[rhai_fn(global, get = "y", pure)]
    pub fn y(part: &mut Part) -> Tensor {
        part.y.clone()
    }

    /// The shape of one row of a part.
    ///
    /// ```rhai
    /// print(data::digits().test.shape);            //= [1, 8, 8]
    /// ```
    #[rhai_fn(global, get = "shape", pure)]
    pub fn part_shape(part: &mut Part) -> Array {
        part.shape().into_iter().map(Dynamic::from_int).collect()
    }

    /// The number of rows.
    ///
    /// ```rhai
    /// print(data::digits().train.len());           //= 1077
    /// ```
    #[rhai_fn(global, pure)]
    pub fn len(part: &mut Part) -> i64 {
        part.len()
    }

    /// The first `n` rows, as a tensor; parts are in random order, so they show all classes.
    ///
    /// ```rhai
    /// print(data::digits().train.images(16).shape);        //= [16, 1, 8, 8]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn images(part: &mut Part, n: i64) -> Outcome<Tensor> {
        Ok(part.images(n)?)
    }

    /// The first `n` rows, as a part.
    ///
    /// ```rhai
    /// print(data::digits().train.head(100).len());         //= 100
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn head(part: &mut Part, n: i64) -> Outcome<Part> {
        Ok(part.head(n)?)
    }

    /// The rows in an order that depends on the seed alone.
    ///
    /// ```rhai
    /// print(data::digits().train.shuffle(1).len());        //= 1077
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn shuffle(part: &mut Part, seed: i64) -> Outcome<Part> {
        Ok(part.shuffle(seed)?)
    }

    /// The rows of one class.
    ///
    /// ```rhai
    /// print(data::digits().test.class(3).y.min());         //= 3
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn class(part: &mut Part, class: i64) -> Outcome<Part> {
        Ok(part.class(class)?)
    }

    /// The rows of all classes but one.
    ///
    /// ```rhai
    /// print(data::digits().test.without_class(9).y.max()); //= 8
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn without_class(part: &mut Part, class: i64) -> Outcome<Part> {
        Ok(part.without_class(class)?)
    }

    /// A random batch, drawn with replacement: what JEM draws for the p(x) term, independent of the labelled batch.
    ///
    /// ```rhai
    /// print(data::digits().train.sample(32).x.shape);      //= [32, 1, 8, 8]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn sample(ctx: NativeCallContext, part: &mut Part, n: i64) -> Outcome<Batch> {
        fresh(&ctx);
        Ok(part.sample(n)?)
    }

    /// The same labels with Gaussian noise of this standard deviation on x.
    ///
    /// ```rhai
    /// let batch = data::digits().train.sample(32).noisy(0.1);
    /// print(batch.x.shape);                                //= [32, 1, 8, 8]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn noisy(ctx: NativeCallContext, batch: &mut Batch, sd: f64) -> Outcome<Batch> {
        fresh(&ctx);
        Ok(batch.noisy(sd)?)
    }
}
