//! The replay buffer: persistent chains that go on from where an earlier training step left them.
//!
//! Each draw picks entries with replacement, starts a share of them anew, runs the sampler, and
//! writes the ends back. With classes the buffer has one section for each, and draws with labels
//! stay in their label's section: samples of p(x|y). Everything stays on the device. Of several
//! ranks each has an equal share of the entries, and of each section, as its own.

mod shares;
mod state;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use super::class_gaussian::ClassGaussians;
use super::{Sampler, diagnostics};
use crate::energy::{Energy, check_label_shape};
use crate::error::{Error, Result};
use crate::nn::InMode;
use crate::options::{OptionValue, Options};
use crate::tensor::{Device, Kind, Tensor, default_device};
use crate::world::World;

const OWNER: &str = "sampler::replay";

crate::choice! {
    /// Where the chains of a buffer start.
    pub enum Init {
        /// Uniform on the range.
        Uniform = "uniform",
        /// Standard normal, not cut to the range.
        Normal = "normal",
        /// One normal density per class.
        ClassGaussian = "class_gaussian",
    }
}

crate::options! {
    /// Options of the replay buffer.
    pub struct ReplayOptions for "sampler::replay" {
        /// number of entries, of all ranks together
        size: i64 = 10_000,
        /// probability that a drawn entry starts anew
        restart: f64 = 0.05,
        /// where chains start: "uniform" on the range, "normal" (standard normal, not cut to the
        /// range), or "class_gaussian" (one normal density per class, from `init_class_gaussians`)
        init: Init = Init::Uniform,
        /// range of the samples at the start
        range: (f64, f64) = (-1.0, 1.0),
        /// number of classes that have a section of their own; 0: one buffer for all
        classes: i64 = 0,
    }
    check |o| {
        let wrong = |text: String| Err(Error::argument(format!("{OWNER}: {text}")));
        if o.size < 1 {
            return wrong(format!("`size` must be at least 1, got {}", o.size));
        }
        if !(0.0..=1.0).contains(&o.restart) {
            return wrong(format!("`restart` is a probability, got {}", o.restart));
        }
        if !(o.range.0 < o.range.1 && o.range.0.is_finite() && o.range.1.is_finite()) {
            return wrong(format!("`range` must be [low, high] with low < high, got {}", o.range.show()));
        }
        if o.classes < 0 || (o.classes > 0 && o.size % o.classes != 0) {
            return wrong(format!("`size` {} must be a multiple of `classes` {}", o.size, o.classes));
        }
        Ok(())
    }
}

/// How many fresh starts stand for all in the log: enough for a mean, a few percent of a step's
/// work.
const NOISE_ROWS: i64 = 16;

/// A handle to a replay buffer; clones share it.
#[derive(Clone)]
pub struct Replay(Rc<RefCell<Inner>>);

struct Inner {
    options: ReplayOptions,
    /// The shape of one entry.
    shape: Vec<i64>,
    /// `[size, …]`; none before the class densities are known.
    entries: Option<Tensor>,
    gaussians: Option<ClassGaussians>,
    /// The size that was asked for, of it this rank's share; a dry run has fewer.
    asked: i64,
    /// Fresh starts that are never walked: what the log compares data with. Made once, since a look
    /// may draw no random numbers.
    noise: Option<Tensor>,
    /// Who has the other entries.
    world: World,
    /// What the share of restarts is multiplied by after divergences.
    restarts: f64,
}

impl Replay {
    /// A buffer of entries of this shape, on the default device, filled with fresh starts.
    pub fn new(shape: &[i64], options: &ReplayOptions) -> Result<Replay> {
        options.check()?;
        if shape.iter().any(|n| *n < 1) {
            return Err(Error::shape(format!(
                "{OWNER}: the shape of one sample must have sizes above 0, got {shape:?}"
            )));
        }
        let mut full = vec![options.size];
        full.extend(shape);
        crate::tensor::check_shape(OWNER, &full)?;
        // As many as there are classes at least: each has a section.
        let world = World::current();
        let what = format!("{OWNER}: `size`");
        let asked = world.share(&what, options.size, options.classes.max(1))?;
        let size = crate::dry_run::cut(asked, options.classes.max(8));
        let options = ReplayOptions {
            size,
            ..options.clone()
        };
        let mut inner = Inner {
            options,
            shape: shape.to_vec(),
            entries: None,
            gaussians: None,
            asked,
            noise: None,
            world: world.clone(),
            restarts: 1.0,
        };
        world.with_own_noise(|| {
            if inner.options.init != Init::ClassGaussian {
                inner.entries = Some(inner.fresh(size, None)?);
            }
            inner.noise = Some(inner.fresh(NOISE_ROWS, None)?);
            Ok(())
        })?;
        Ok(Replay(Rc::new(RefCell::new(inner))))
    }

    /// Estimates one normal density per class (mean, full covariance + 1e-4 I) and fills the buffer
    /// from them.
    pub fn init_class_gaussians(&self, x: &Tensor, y: &Tensor) -> Result<()> {
        let name = "replay.init_class_gaussians";
        check_label_shape(name, y, x.len())?;
        let mut inner = self.0.borrow_mut();
        if x.ndim() == 0 || x.shape()[1..] != inner.shape || x.is_empty() {
            return Err(Error::shape(format!(
                "{name}: needs samples [N, …] of {:?}, got {:?}",
                inner.shape,
                x.shape()
            )));
        }
        let device = inner
            .entries
            .as_ref()
            .map_or(default_device(), Tensor::device);
        let (x, y) = (x.to_device(device)?, y.to_device(device)?);
        let seen = y.max()?.item()? as i64 + 1;
        let classes = if inner.options.classes > 0 {
            inner.options.classes
        } else {
            seen
        };
        if seen > classes || y.min()?.item()? < 0.0 {
            return Err(Error::argument(format!(
                "{name}: labels must be 0 to {}, got up to {}",
                classes - 1,
                seen - 1
            )));
        }
        inner.gaussians = Some(ClassGaussians::fit(&x, &y, classes, inner.options.range)?);
        inner.options.init = Init::ClassGaussian;
        let all = Tensor::from(tch::Tensor::f_arange(
            inner.options.size,
            (Kind::Int64, device),
        )?);
        let world = inner.world.clone();
        let filled = world.with_own_noise(|| inner.fresh(inner.options.size, Some(&all)))?;
        inner.entries = Some(filled);
        Ok(())
    }

    /// Draws `n` entries, starts some anew, runs the sampler from them, writes back and returns
    /// where the chains end, detached. With labels `[n]` entries come from the labels' sections and
    /// the chains follow `E(x, y)`.
    pub fn sample(
        &self,
        sampler: &Sampler,
        energy: &Energy,
        n: i64,
        labels: Option<&Tensor>,
    ) -> Result<Tensor> {
        if n < 1 {
            return Err(Error::argument(format!(
                "replay.sample: needs at least one chain, got {n}"
            )));
        }
        // Not borrowed while the chains run: a user's functions may look into the buffer.
        let (index, x0) = {
            let inner = self.0.borrow();
            let index = inner.draw(n, labels)?;
            let x0 = inner.start(&index)?;
            (index, x0)
        };
        let conditioned = match labels {
            // An energy without classes was conditioned by the caller.
            Some(labels) if energy.has_classes() => {
                energy.given_labels(&labels.to_device(x0.device())?)?
            }
            _ => energy.clone(),
        };
        let (x, info) = sampler.sample_with_info(&conditioned, &x0)?;
        sampler.follow(&info)?;
        let x = x.detach();
        if crate::record::listening() {
            if let Some((step, _)) = info.scales.filter(|_| sampler.adapts()) {
                let step = tch::Tensor::f_full([0i64; 0], step, (x.kind(), x.device()))?;
                crate::record::note("sampler_step_size", &Tensor::from(step));
            }
            if let Some((low, high)) = info.clamp {
                crate::record::note("at_clamp", &diagnostics::share_outside(&x, low, high)?);
            }
            if let Some(score) = info.score {
                crate::record::note("sampler_grad_norm", &diagnostics::mean_norm(&score)?);
            }
            self.note_noise(energy, n)?;
        }
        self.0.borrow().write(&index, &x)?;
        Ok(x)
    }

    /// Notes the mean energy of fresh starts: a model that gives them the energy of data has
    /// collapsed, however small its gap. A look changes nothing: networks are in evaluation mode,
    /// so that no running statistics move.
    fn note_noise(&self, energy: &Energy, n: i64) -> Result<()> {
        let Some(noise) = self.0.borrow().noise.clone() else {
            return Ok(());
        };
        let _guard = crate::tensor::no_grad();
        let _mode = InMode::enter(&energy.networks(), false);
        let some = noise.narrow(0, 0, NOISE_ROWS.min(n))?;
        crate::record::note("e_noise", &energy.energy(&some)?.mean()?);
        Ok(())
    }

    /// Fills the buffer from tensors by name: the one that ends in `replay_buffer` or `entries`, or
    /// the only one.
    pub fn load_entries(&self, file: &BTreeMap<String, Tensor>) -> Result<()> {
        let name = "replay.load";
        let named = file
            .iter()
            .find(|(n, _)| matches!(n.rsplit('.').next(), Some("replay_buffer" | "entries")));
        let found = named
            .or(file.iter().next().filter(|_| file.len() == 1))
            .map(|(_, t)| t);
        let found = found.ok_or_else(|| {
            Error::data(format!("{name}: no replay buffer in the file, which holds {} tensors", file.len()))
                .with_hint("it must hold a tensor `replay_buffer`, as official JEM checkpoints do, or one tensor alone")
        })?;
        let mut inner = self.0.borrow_mut();
        if found.ndim() == 0
            || found.shape()[1..] != inner.shape
            || found.len() < inner.whole()
            || !found.is_float()
        {
            return Err(Error::shape(format!(
                "{name}: needs {} entries of {:?}, the file has {}",
                inner.whole(),
                inner.shape,
                found.brief()
            ))
            .with_hint(
                "make the buffer with the file's shape and at most its size: sampler::replay(shape, #{ size: n })",
            ));
        }
        let (device, kind) = inner
            .entries
            .as_ref()
            .map_or((default_device(), Kind::Float), |e| (e.device(), e.kind()));
        let mine = match inner.world.is_one() {
            true => found.detach().narrow(0, 0, inner.options.size)?,
            false => inner.own_share(&found.detach().narrow(0, 0, inner.whole())?)?,
        };
        let entries = mine.to_device(device)?.to_kind(kind)?;
        inner.entries = Some(entries.copy()?);
        Ok(())
    }

    /// `n` entries at random, each at most once.
    pub fn images(&self, n: i64) -> Result<Tensor> {
        let inner = self.0.borrow();
        let (size, asked) = (inner.options.size, inner.whole());
        if n < 1 || n > asked {
            return Err(Error::argument(format!(
                "replay.images: there are {asked} entries, {n} were asked for"
            )));
        }
        let entries = inner.filled()?;
        if !inner.world.is_one() {
            return inner.gathered_rows(entries, n);
        }
        // A dry run has fewer entries than were asked for: it gives them again.
        let order = tch::Tensor::f_randperm(size, (Kind::Int64, entries.device()))?;
        let order = order.f_repeat([(n + size - 1) / size])?;
        entries.index_select(0, &Tensor::from(order).narrow(0, 0, n)?)
    }

    /// A copy of all entries, `[size, …]`.
    pub fn all(&self) -> Result<Tensor> {
        let inner = self.0.borrow();
        match inner.world.is_one() {
            true => inner.filled()?.copy(),
            false => inner.all_of_them(),
        }
    }

    /// The number of entries.
    pub fn len(&self) -> i64 {
        let inner = self.0.borrow();
        inner.options.size * inner.world.size() as i64
    }

    /// What tells this buffer from all others.
    pub fn id(&self) -> usize {
        Rc::as_ptr(&self.0) as usize
    }

    /// Never: a buffer has at least one entry.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The shape of one entry.
    pub fn shape(&self) -> Vec<i64> {
        self.0.borrow().shape.clone()
    }

    /// How many entries a model with classes puts into each class: a buffer that has lost classes
    /// shows here.
    pub fn class_counts(&self, model: &Energy) -> Result<Tensor> {
        let entries = self.all()?;
        let _guard = crate::tensor::no_grad();
        let _mode = InMode::enter(&model.networks(), false);
        // In pieces, for the memory of large networks.
        let pieces: Result<Vec<Tensor>> = entries
            .split(500, 0)?
            .iter()
            .map(|x| model.logits(x))
            .collect();
        let logits = Tensor::cat(&pieces?, 0)?;
        logits.argmax(1)?.bincount(logits.shape()[1])
    }
}

impl Inner {
    fn filled(&self) -> Result<&Tensor> {
        self.entries.as_ref().ok_or_else(|| {
            Error::state(format!("{OWNER}: the class densities are not known yet"))
                .with_hint("call `chains.init_class_gaussians(x, y)` with the training part first")
        })
    }

    /// Entries in each class's section.
    fn section(&self) -> i64 {
        self.options.size / self.options.classes.max(1)
    }

    /// Which entries to go on from, with replacement as in JEM's code: `[n]`.
    fn draw(&self, n: i64, labels: Option<&Tensor>) -> Result<Tensor> {
        let device = self.filled()?.device();
        let Some(labels) = labels else {
            return Ok(
                tch::Tensor::f_randint(self.options.size, [n], (Kind::Int64, device))?.into(),
            );
        };
        let (classes, section) = (self.options.classes, self.section());
        if classes == 0 {
            return Err(Error::argument(
                "replay.sample: labels need a buffer with a section for each class",
            )
            .with_hint("sampler::replay(shape, #{ classes: 10 })"));
        }
        check_label_shape("replay.sample", labels, n)?;
        if labels.device() == Device::Cpu {
            let (low, high) = (labels.min()?.item()?, labels.max()?.item()?);
            if low < 0.0 || high >= classes as f64 {
                return Err(Error::argument(format!(
                    "replay.sample: labels must be 0 to {}, got {low} to {high}",
                    classes - 1
                )));
            }
        }
        let within = Tensor::from(tch::Tensor::f_randint(section, [n], (Kind::Int64, device))?);
        labels
            .to_device(device)?
            .to_kind(Kind::Int64)?
            .mul(section)?
            .add(within)
    }

    /// Where the chains of these entries start: each entry, or anew with the restart's probability.
    fn start(&self, index: &Tensor) -> Result<Tensor> {
        let entries = self.filled()?;
        let old = entries.index_select(0, index)?;
        let restart = (self.options.restart * self.restarts).min(1.0);
        if restart == 0.0 {
            return Ok(old);
        }
        let chance = tch::Tensor::f_rand([index.len()], (Kind::Float, entries.device()))?;
        let anew = Tensor::from(chance.f_lt(restart)?);
        match entries.device() {
            Device::Cpu => self.renewed_by_rows(&old, &anew, index),
            _ => self.renewed_at_once(&old, &anew, index),
        }
    }

    /// Entries, those marked started anew. Only what is needed is made, but somebody has to count
    /// it.
    fn renewed_by_rows(&self, old: &Tensor, anew: &Tensor, index: &Tensor) -> Result<Tensor> {
        let rows = Tensor::from(anew.raw().f_nonzero()?.f_view([-1])?);
        if rows.is_empty() {
            return Ok(old.clone());
        }
        old.with_rows(
            &rows,
            &self.fresh(rows.len(), Some(&index.index_select(0, &rows)?))?,
        )
    }

    /// The same without counting, which would wait for a device.
    fn renewed_at_once(&self, old: &Tensor, anew: &Tensor, index: &Tensor) -> Result<Tensor> {
        let mut shape = vec![1i64; old.ndim()];
        shape[0] = index.len();
        self.fresh(index.len(), Some(index))?
            .where_mask(&anew.reshape(&shape)?, old)
    }

    /// `n` fresh starts; for the class densities `index` says which entries they are for.
    fn fresh(&self, n: i64, index: Option<&Tensor>) -> Result<Tensor> {
        let mut shape = vec![n];
        shape.extend(&self.shape);
        match (&self.gaussians, index) {
            (Some(gaussians), Some(index)) => {
                let classes = if self.options.classes > 0 {
                    Tensor::from(index.raw().f_floor_divide_scalar(self.section())?)
                } else {
                    tch::Tensor::f_randint(gaussians.classes(), [n], (Kind::Int64, index.device()))?
                        .into()
                };
                gaussians.draw(&classes)?.reshape(&shape)
            }
            _ => {
                let device = self
                    .entries
                    .as_ref()
                    .map_or(default_device(), Tensor::device);
                let made = match self.options.init {
                    Init::Normal => tch::Tensor::f_randn(&shape, (Kind::Float, device))?,
                    // Class densities that are not known yet are an error before this.
                    Init::Uniform | Init::ClassGaussian => {
                        let (low, high) = self.options.range;
                        tch::Tensor::f_rand(&shape, (Kind::Float, device))?
                            .f_mul_scalar_(high - low)?
                            .f_add_scalar_(low)?
                    }
                };
                Ok(made.into())
            }
        }
    }

    /// Writes the ends of chains back, in place. Of an entry that was drawn twice the last chain
    /// stays.
    fn write(&self, index: &Tensor, x: &Tensor) -> Result<()> {
        let entries = self.filled()?;
        if x.shape()[1..] != self.shape {
            return Err(Error::shape(format!(
                "replay.sample: entries are {:?}, the chains {:?}",
                self.shape,
                x.shape()
            )));
        }
        let _guard = crate::tensor::no_grad();
        let last = ends(index, x)?.like(entries)?;
        let _ = entries
            .raw()
            .shallow_clone()
            .f_index_copy_(0, index.raw(), last.raw())?;
        Ok(())
    }
}

/// What each chain writes: where the last chain with its entry ends.
fn ends(index: &Tensor, x: &Tensor) -> Result<Tensor> {
    x.index_select(0, &last_chain(index)?)
}

/// For each chain, the number of the last chain with the same entry: then all of them write the
/// same values, and the order in which a device writes does not matter.
fn last_chain(index: &Tensor) -> Result<Tensor> {
    // Sorted by entry and, as the sort is stable, by number within an entry.
    let order = index.raw().f_argsort_stable(true, 0, false)?;
    let sorted = index.raw().f_index_select(0, &order)?;
    let behind = index
        .raw()
        .f_searchsorted(&sorted, false, true, "right", None::<tch::Tensor>)?;
    Ok(order.f_index_select(0, &behind.f_sub_scalar(1)?)?.into())
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.try_borrow() {
            Ok(inner) => write!(f, "replay({:?}, {})", inner.shape, inner.options.show()),
            Err(_) => f.write_str("replay (in use)"),
        }
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
