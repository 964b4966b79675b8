//! Data in the language: sets under `data::`, and their parts.

use rhai::plugin::*;
use rhai::{Array, Map};

use super::edge::Outcome;
use super::host::Host;
use super::tensor::fresh;
use super::value::options;
use crate::data::{
    self, ArrayOptions, Augment, AugmentOptions, Batch, Cifar100Options, Dataset, DigitsOptions,
    FolderOptions, ImageOptions, Part, SplitOptions, SvhnOptions, Toy, ToyOptions,
};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::{Tensor, default_device, parse_device};

/// The options of a data set from files, its folder one that the script may read.
fn source_options<T: Options>(
    context: &NativeCallContext,
    map: &Map,
    folder: impl Fn(&mut T) -> &mut Option<String>,
) -> Result<T> {
    let mut o: T = options(context, map)?;
    if let Some(folder) = folder(&mut o) {
        let found = Host::of(context)
            .access()
            .readable_folder(&format!("data::{}", context.fn_name()), folder)?;
        *folder = found.to_string_lossy().into_owned();
    }
    Ok(o)
}

/// A data set as scripts get it: on the default device, small in a dry run; what is odd about its
/// labels is said.
fn placed(context: &NativeCallContext, data: Dataset) -> Outcome<Dataset> {
    if let Some(remark) = data.remark()? {
        Host::of(context).print(&format!("note: {remark}"));
    }
    Ok(data.to_device(default_device())?.run_dry()?)
}

#[export_module(manifest)]
pub mod functions {
    /// The handwritten digits inside jemscript: 1,797 images of 8×8 pixels in [-1, 1], ten classes
    /// (one part of UCI optdigits, E. Alpaydin and C. Kaynak, 1998, CC BY 4.0), split by class into
    /// 1,077 for training, 360 for validation and 360 for the test. Writers are shared across the
    /// split.
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// print(digits.train.x.shape);         //= [1077, 1, 8, 8]
    /// print(digits.test.len());            //= 360
    /// ```
    #[rhai_fn(return_raw)]
    pub fn digits(ctx: NativeCallContext, options: Map) -> Outcome<Dataset> {
        let o: DigitsOptions = super::options(&ctx, &options)?;
        Ok(data::digits(&o)?.to_device(default_device())?.run_dry()?)
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
        Ok(data::toy(Toy::by_name(shape)?, &o)?
            .to_device(default_device())?
            .run_dry()?)
    }

    /// Handwritten digits of 28×28 pixels from the four idx files of MNIST, plain or .gz, found in
    /// `folder`, else in the user's data folder.
    ///
    /// ```rhai
    /// try { data::mnist(#{ folder: "nowhere" }); } catch (e) { print(e.message); }      //= …nowhere…
    /// ```
    #[rhai_fn(return_raw)]
    pub fn mnist(ctx: NativeCallContext, options: Map) -> Outcome<Dataset> {
        let o: ImageOptions = source_options(&ctx, &options, |o: &mut ImageOptions| &mut o.folder)?;
        placed(&ctx, data::mnist(&o)?)
    }

    /// Pieces of clothing of 28×28 pixels from the four idx files of Fashion-MNIST (Xiao et al.,
    /// 2017), plain or .gz, found in `folder`, else in the user's data folder, else where Debian's
    /// `dataset-fashion-mnist` puts them. Options as those of `data::mnist`.
    ///
    /// ```rhai
    /// try { data::fashion_mnist(#{ folder: "nowhere" }); } catch (e) { print(e.message); }      //= …nowhere…
    /// ```
    #[rhai_fn(return_raw)]
    pub fn fashion_mnist(ctx: NativeCallContext, options: Map) -> Outcome<Dataset> {
        let o: ImageOptions = source_options(&ctx, &options, |o: &mut ImageOptions| &mut o.folder)?;
        placed(&ctx, data::fashion_mnist(&o)?)
    }

    /// CIFAR-10 (A. Krizhevsky, 2009): 50,000 training and 10,000 test images of 3×32×32 in ten
    /// classes, from the binary or the Python archive, packed or not, found in `folder`, else in
    /// the user's data folder (`jemscript fetch cifar10`). 5,000 training images are split off for
    /// validation.
    ///
    /// ```rhai
    /// try { data::cifar10(#{ folder: "nowhere" }); } catch (e) { print(e.message); }      //= …nowhere…
    /// ```
    #[rhai_fn(return_raw)]
    pub fn cifar10(ctx: NativeCallContext, options: Map) -> Outcome<Dataset> {
        let o: ImageOptions = source_options(&ctx, &options, |o: &mut ImageOptions| &mut o.folder)?;
        placed(&ctx, data::cifar10(&o)?)
    }

    /// CIFAR-100 (A. Krizhevsky, 2009): as CIFAR-10, in 100 classes, or with `coarse` in 20.
    ///
    /// ```rhai
    /// try { data::cifar100(#{ folder: "nowhere" }); } catch (e) { print(e.message); }     //= …nowhere…
    /// ```
    #[rhai_fn(return_raw)]
    pub fn cifar100(ctx: NativeCallContext, options: Map) -> Outcome<Dataset> {
        let o: Cifar100Options = source_options(&ctx, &options, |o: &mut Cifar100Options| {
            &mut o.images.folder
        })?;
        placed(&ctx, data::cifar100(&o)?)
    }

    /// SVHN (Netzer et al., 2011): 73,257 training and 26,032 test images of house numbers,
    /// 3×32×32, in ten classes, class k being the digit k; from train_32x32.mat and test_32x32.mat,
    /// with `extra` also extra_32x32.mat, found in `folder`, else in the user's data folder
    /// (`jemscript fetch svhn`).
    ///
    /// ```rhai
    /// try { data::svhn(#{ folder: "nowhere" }); } catch (e) { print(e.message); }         //= …nowhere…
    /// ```
    #[rhai_fn(return_raw)]
    pub fn svhn(ctx: NativeCallContext, options: Map) -> Outcome<Dataset> {
        let o: SvhnOptions =
            source_options(&ctx, &options, |o: &mut SvhnOptions| &mut o.images.folder)?;
        placed(&ctx, data::svhn(&o)?)
    }

    /// Images of your own: a folder with a sub-folder of PNG or JPEG files for each class; with
    /// sub-folders `train` and `test` those have the class folders. Classes are numbered in the
    /// order of their names; printing the data set lists them.
    ///
    /// ```rhai
    /// try { data::folder("nowhere"); } catch (e) { print(e.message); }                    //= …nowhere…
    /// ```
    #[rhai_fn(return_raw)]
    pub fn folder(ctx: NativeCallContext, path: &str, options: Map) -> Outcome<Dataset> {
        let o: FolderOptions = super::options(&ctx, &options)?;
        let found = Host::of(&ctx)
            .access()
            .readable_folder("data::folder", path)?;
        placed(&ctx, data::folder(&found, &o)?)
    }

    /// Rows `x` `[N, …]` and labels `y` `[N]` from an .npz file of numpy or a .safetensors file.
    /// Bytes (uint8) are images and become [-1, 1]. A file with x_train, y_train, x_test and y_test
    /// has its own test part.
    ///
    /// ```rhai
    /// try { data::arrays("nowhere.npz"); } catch (e) { print(e.message); }                //= …nowhere.npz…
    /// ```
    #[rhai_fn(return_raw)]
    pub fn arrays(ctx: NativeCallContext, path: &str, options: Map) -> Outcome<Dataset> {
        let o: ArrayOptions = super::options(&ctx, &options)?;
        let found = Host::of(&ctx).access().readable("data::arrays", path)?;
        placed(&ctx, data::arrays(&found, &o)?)
    }

    /// A way to change images at random that keeps their class: random crops of the padded image,
    /// flips, uniform dequantisation, Gaussian noise, in this order, each image with its own. JEM
    /// (Grathwohl et al., 2020) trains on CIFAR with `#{ pad: 4, flip: true, noise: 0.03 }`.
    ///
    /// ```rhai
    /// let augment = data::augment(#{ pad: 1, noise: 0.1 });
    /// print(augment.apply(data::digits().train.sample(32)).x.shape);      //= [32, 1, 8, 8]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn augment(ctx: NativeCallContext, options: Map) -> Outcome<Augment> {
        let o: AugmentOptions = super::options(&ctx, &options)?;
        Ok(Augment::new(&o)?)
    }

    /// The batch with changed images and the same labels. The random numbers are libtorch's: in a
    /// training step a function of seed and step, so a resumed training sees the same.
    ///
    /// ```rhai
    /// let batch = data::digits().train.sample(32);
    /// print(data::augment(#{ pad: 1 }).apply(batch).y.shape);             //= [32]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn apply(ctx: NativeCallContext, augment: &mut Augment, batch: Batch) -> Outcome<Batch> {
        fresh(&ctx);
        Ok(augment.apply(&batch)?)
    }

    /// Changed images `[B, C, H, W]` in place of these.
    ///
    /// ```rhai
    /// let image = tensor::ones([1, 1, 2, 2]);
    /// print(data::augment(#{ pad: 1, mode: "zero", crop: false }).apply(image).sum());       //= 4
    /// ```
    #[rhai_fn(global, return_raw, pure, name = "apply")]
    pub fn apply_to_images(
        ctx: NativeCallContext,
        augment: &mut Augment,
        x: Tensor,
    ) -> Outcome<Tensor> {
        fresh(&ctx);
        Ok(augment.images(&x)?)
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
        placed(&ctx, data::split(&x, &y, &o)?)
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

    /// The training rows whose labels were taken away (all are -1), where `labels_per_class` was
    /// given.
    ///
    /// ```rhai
    /// try { data::digits().unlabelled; } catch (e) { print(e.message); }         //= digits: all training rows have labels
    /// ```
    #[rhai_fn(global, return_raw, get = "unlabelled", pure)]
    pub fn unlabelled(data: &mut Dataset) -> Outcome<Part> {
        let none = || {
            Error::state(format!("{}: all training rows have labels", data.name))
                .with_hint("as in data::cifar10(#{ labels_per_class: 400 })")
        };
        Ok(data.unlabelled.clone().ok_or_else(none)?)
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
    #[rhai_fn(global, return_raw, get = "x", pure)]
    pub fn x(part: &mut Part) -> Outcome<Tensor> {
        Ok(part.x()?)
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

    /// A random batch, drawn with replacement: what JEM draws for the p(x) term, independent of the
    /// labelled batch.
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
