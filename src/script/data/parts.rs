//! What a data set and its parts are asked for.

use rhai::Array;
use rhai::plugin::*;

use super::super::edge::Outcome;
use super::super::tensor::fresh;
use crate::data::{Batch, BatchOptions, Batches, Dataset, Part};
use crate::error::{Error, Result};
use crate::tensor::{Tensor, parse_device};

#[export_module(manifest)]
pub mod functions {
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

    /// The batches of one pass over the part, in a random order that the session's seed decides, as
    /// an array: for loops of your own. The last one may be smaller.
    ///
    /// ```rhai
    /// let digits = data::digits();
    /// let rows = 0;
    /// for epoch in 0..2 {
    ///     for batch in digits.train.batches(64) { rows += batch.len(); }
    /// }
    /// print(rows);                                         //= 2154
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn batches(ctx: NativeCallContext, part: &mut Part, batch_size: i64) -> Outcome<Array> {
        fresh(&ctx);
        let seed = Tensor::randint(i64::from(i32::MAX), &[1])?.to_ints()?[0];
        let options = BatchOptions {
            batch_size,
            drop_last: false,
            seed,
            ..Default::default()
        };
        let batches = Batches::new(part, &options)?;
        let one = |i| Ok(Dynamic::from(batches.at(i)?));
        Ok((0..batches.per_epoch()).map(one).collect::<Result<_>>()?)
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
