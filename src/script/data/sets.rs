//! Data sets under `data::`: where rows and labels come from, and how images are changed.

use rhai::Map;
use rhai::plugin::*;

use super::super::arguments::options;
use super::super::edge::Outcome;
use super::super::host::Host;
use super::super::tensor::fresh;
use crate::data::{
    self, ArrayOptions, Augment, AugmentOptions, Batch, Cifar100Options, CsvOptions, Dataset,
    DigitsOptions, FolderOptions, ImageOptions, Part, SplitOptions, SvhnOptions, Toy, ToyOptions,
};
use crate::error::Result;
use crate::options::Options;
use crate::tensor::{Tensor, default_device};

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

/// A data set as scripts get it: on the default device, small in a dry run; what was done to its
/// values and what is odd about its labels is said.
fn placed(context: &NativeCallContext, data: Dataset) -> Outcome<Dataset> {
    for note in data.notes.iter().chain(&data.remark()?) {
        Host::of(context).print(&format!("note: {note}"));
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
    /// order of their names; printing the data set lists them. Images in a folder without
    /// sub-folders have no labels: all are -1, and the classes are 0.
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
    /// Bytes (uint8) are images and become [-1, 1]; other numbers become float32. A file with
    /// x_train, y_train, x_test and y_test has its own test part. With `y: ()` rows need no labels:
    /// all are -1, the classes are 0, and an .npy file will do.
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

    /// Rows of numbers with labels from a table of text, .csv or .tsv: the column `label` is the
    /// class, a whole number or a word; `features`, or all other columns, are x. A value that is no
    /// number is an error that names its line.
    ///
    /// ```rhai
    /// let rows = [];
    /// for i in 0..30 { rows.push(#{ length: 0.1 * i, width: 2.0, kind: if i % 3 == 0 { "owl" } else { "cat" } }); }
    /// save_csv("animals.csv", rows);
    /// let animals = data::csv("animals.csv", #{ label: "kind", features: ["length"], standardise: true });
    /// print(animals);
    /// //= animals: 2 classes, rows [1] in [-…
    /// //=   train           21 rows
    /// //=   validation       3 rows
    /// //=   test             6 rows
    /// //= …
    /// ```
    #[rhai_fn(return_raw)]
    pub fn csv(ctx: NativeCallContext, path: &str, options: Map) -> Outcome<Dataset> {
        let o: CsvOptions = super::options(&ctx, &options)?;
        let found = Host::of(&ctx).access().readable("data::csv", path)?;
        placed(&ctx, data::csv(&found, &o)?)
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
}
