//! The square attack (Andriushchenko et al. 2020): random search over square windows that asks the
//! model only for logits.
//!
//! Gradients play no part, so it finds what masked gradients hide from [`super::pgd`]. Each query
//! changes one window of an image; the change stays where it lowers the margin `f(x)[y] − max_{k≠y}
//! f(x)[k]`. Windows shrink by the paper's schedule.

use super::attack::Robustness;
use super::ball::{Norm, at, others, pixel_range, row_norms, within};
use super::fates::Fates;
use super::logits::{batch_rows, over_rows, prepare};
use crate::data::Part;
use crate::dry_run::{self, Span};
use crate::energy::Energy;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::tensor::{Kind, Stream, Tensor, no_grad, seed};

const OWNER: &str = "evaluate::square";
/// The share of pixels in a window is halved at these of 10,000 queries.
const HALVINGS: [i64; 9] = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000];
/// The paper's longest run is 10,000 queries.
const MOST_QUERIES: i64 = 1_000_000;
/// Rows already broken leave the batch every so many queries.
const THIN_EVERY: i64 = 10;

crate::options! {
    /// Options of [`square`].
    pub struct SquareOptions for "evaluate::square" {
        /// how the size of the ball is measured
        norm: Norm = Norm::Linf,
        /// sizes of the ball, in units of the [0, 1] range (doubled inside for pixels in [-1, 1])
        eps: Vec<f64> = vec![0.02, 0.05, 0.1, 0.15, 0.2, 0.3],
        /// queries of the model for each image and size
        queries: i64 = 1000,
        /// share of the pixels in the first windows; () for 0.8 (linf) or 0.1 (l2)
        share: Option<f64> = None,
        /// range of the pixels; () for that of the part's data set, else [-1, 1]
        range: Option<(f64, f64)> = None,
        /// seed of the windows
        seed: i64 = 0,
        /// rows at a time; () for a number that fits the images
        batch_size: Option<i64> = None,
    }
    check |o| {
        super::check_batch(OWNER, o.batch_size)?;
        super::ball::check_ball(OWNER, &o.eps, o.range)?;
        if !(1..=MOST_QUERIES).contains(&o.queries) {
            return Err(Error::argument(format!("{OWNER}: needs 1 to {MOST_QUERIES} queries, got {}", o.queries)));
        }
        if o.share.is_some_and(|s| !(s > 0.0 && s <= 1.0)) {
            return Err(Error::argument(format!("{OWNER}: `share` must be above 0 and at most 1")));
        }
        Ok(())
    }
}

/// Accuracy under the square attack, for balls of growing size. A row broken at one size counts as
/// broken at larger ones.
pub fn square(energy: &Energy, part: &Part, options: &SquareOptions) -> Result<Robustness> {
    options.check()?;
    let queries = dry_run::cut(options.queries, 2);
    let work = options.queries as f64 / queries as f64;
    let work = Fates::seldom_all(work);
    let kind = format!("square {options:?}");
    over_rows("attacks", &kind, energy, part, options.batch_size, |part| {
        search(energy, part, options, queries, work)
    })
}

fn search(
    energy: &Energy,
    part: &Part,
    options: &SquareOptions,
    queries: i64,
    work: Span,
) -> Result<Robustness> {
    let _guard = no_grad();
    let norm = options.norm;
    let (x, _mode) = prepare(OWNER, energy, &part.x()?)?;
    let [n, channels, height, width] = x.shape()[..] else {
        return Err(Error::shape(format!(
            "{OWNER}: needs images [N, C, H, W], got {:?}",
            x.shape()
        ))
        .with_hint("evaluate::pgd attacks rows of any shape"));
    };
    super::Logits::of(OWNER, energy, part, options.batch_size)?;
    let y = part.y.to_device(x.device())?;
    let mut eps = options.eps.clone();
    eps.sort_by(f64::total_cmp);
    let range = pixel_range(part, options.range);
    let share = options
        .share
        .unwrap_or(if norm == Norm::Linf { 0.8 } else { 0.1 });
    let run = Run {
        energy,
        norm,
        range,
        chunk: batch_rows(&x, options.batch_size),
        all: n,
        size: (channels, height, width),
        share,
        queries: options.queries,
        seed: options.seed as u64,
    };
    let fates = Fates::after(OWNER, &x, |fates| {
        let first = run.right(&x, &y, fates.alive())?;
        fates.keep(first, 0.0);
        for (level, size) in eps.iter().enumerate() {
            if *size > 0.0 && !fates.alive().is_empty() {
                let radius = size * (range.1 - range.0);
                let safe = dry_run::scaled("attacks", work, || {
                    run.level(&x, &y, fates.alive(), radius, level as u64, queries)
                })?;
                fates.keep(safe, *size);
            }
        }
        Ok(())
    })?;
    let protocol = format!(
        "square attack {} (random search, no gradients), {} queries for each image and ε, first windows of {share} of the \
         pixels, margin objective; clean mistakes count as not robust; ε in units of the [0, 1] range, images clipped to the \
         pixel range; {n} images of {}",
        norm.sign(),
        options.queries,
        part.name,
    );
    Robustness::of(fates, options.norm, eps, protocol)
}

struct Run<'a> {
    energy: &'a Energy,
    norm: Norm,
    range: (f64, f64),
    chunk: i64,
    all: i64,
    size: (i64, i64, i64),
    share: f64,
    queries: i64,
    seed: u64,
}

impl Run<'_> {
    /// `f(x)[y] − max_{k≠y} f(x)[k]` of each row: positive where it is classified rightly.
    fn margin(&self, x: &tch::Tensor, y: &tch::Tensor) -> Result<tch::Tensor> {
        let mut pieces = Vec::new();
        for (x, y) in x
            .f_split(self.chunk, 0)?
            .into_iter()
            .zip(y.f_split(self.chunk, 0)?)
        {
            crate::interrupt::poll()?;
            let logits = self.energy.logits(&Tensor::from(x))?;
            let best_other = others(logits.raw(), &y)?.f_amax([1], false)?;
            pieces.push(at(logits.raw(), &y)?.f_sub(&best_other)?);
        }
        Ok(tch::Tensor::f_cat(&pieces, 0)?)
    }

    /// Which of these rows are classified rightly.
    fn right(&self, x: &Tensor, y: &Tensor, rows: &[i64]) -> Result<Vec<i64>> {
        // A rank of many may have none.
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let index = Tensor::from(tch::Tensor::f_from_slice(rows)?).to_device(x.device())?;
        let (x, y) = (x.index_select(0, &index)?, y.index_select(0, &index)?);
        let margins = Tensor::from(self.margin(x.raw(), y.raw())?).to_vec()?;
        let right = rows.iter().zip(margins).filter(|(_, margin)| *margin > 0.0);
        Ok(right.map(|(row, _)| *row).collect())
    }

    /// Side of the windows at a query.
    fn side(&self, query: i64) -> i64 {
        let (_, h, w) = self.size;
        let at = query * 10_000 / self.queries.max(1);
        let share = self.share / 2f64.powi(HALVINGS.iter().filter(|k| at > **k).count() as i32);
        let side = (share * (h * w) as f64).sqrt().round() as i64;
        match self.norm {
            Norm::Linf => side.clamp(1, (h.min(w) - 1).max(1)),
            // The pattern has a middle: odd, three or more.
            Norm::L2 => (side.max(3) / 2 * 2 + 1).min(h.min(w)),
        }
    }

    /// The search at one size of the ball; gives the rows that stay right.
    fn level(
        &self,
        x: &Tensor,
        y: &Tensor,
        alive: &[i64],
        eps: f64,
        level: u64,
        queries: i64,
    ) -> Result<Vec<i64>> {
        let device = x.device();
        let mut place = tch::Tensor::f_from_slice(alive)?.f_to_device(device)?;
        let mut x0 = x.raw().f_index_select(0, &place)?;
        let mut y = y.raw().f_index_select(0, &place)?;
        // Draws are made for all rows of the part: a row's search does not depend on which others
        // live.
        self.reseed(level, 0);
        let first = match self.norm {
            Norm::Linf => self.stripes(&x0)?,
            Norm::L2 => self.tiles(&x0)?,
        };
        let first = first.f_index_select(0, &place)?;
        let mut best = self.inside(&x0, &first.f_mul_scalar(eps)?, eps)?;
        let mut margin = self.margin(&best, &y)?;
        for query in 1..queries {
            if query % THIN_EVERY == 0 {
                let kept = margin.f_gt(0.0)?.f_nonzero()?.f_view([-1])?;
                if kept.size() != place.size() {
                    for v in [&mut place, &mut x0, &mut y, &mut best, &mut margin] {
                        *v = v.f_index_select(0, &kept)?;
                    }
                }
                if kept.numel() == 0 {
                    break;
                }
            }
            self.reseed(level, query as u64);
            let side = self.side(query);
            let tried = match self.norm {
                Norm::Linf => self.window_linf(&x0, &best, &place, side, eps)?,
                Norm::L2 => self.window_l2(&x0, &best, &place, side, eps)?,
            };
            let found = self.margin(&tried, &y)?;
            let better = found.f_lt_tensor(&margin)?;
            margin = found.f_where_self(&better, &margin)?;
            best = tried.f_where_self(&better.f_view([-1, 1, 1, 1])?, &best)?;
        }
        let kept = margin.f_gt(0.0)?.f_nonzero()?.f_view([-1])?;
        Tensor::from(place.f_index_select(0, &kept)?).to_ints()
    }

    fn reseed(&self, level: u64, query: u64) {
        seed(
            self.seed,
            Stream::Evaluate,
            3_000_000_000 + level * 10_000_000 + query,
        );
    }

    /// ±1 at random.
    fn signs(&self, shape: &[i64], like: &tch::Tensor) -> Result<tch::Tensor> {
        let coin = tch::Tensor::f_randint(2, shape, (Kind::Int64, like.device()))?;
        Ok(coin
            .f_to_kind(like.kind())?
            .f_mul_scalar(2.0)?
            .f_sub_scalar(1.0)?)
    }

    /// Vertical stripes of ±1, one pixel wide.
    fn stripes(&self, like: &tch::Tensor) -> Result<tch::Tensor> {
        let (c, h, w) = self.size;
        Ok(self
            .signs(&[self.all, c, 1, w], like)?
            .f_expand([self.all, c, h, w], false)?)
    }

    /// The image tiled with the pattern of the L2 attack, each tile with a random sign; of length
    /// 1.
    fn tiles(&self, like: &tch::Tensor) -> Result<tch::Tensor> {
        let (c, h, w) = self.size;
        let side = (h.min(w) / 5).max(3).min(h.min(w));
        let (rows, columns) = ((h + side - 1) / side, (w + side - 1) / side);
        let pattern = self
            .pattern(side, like)?
            .f_view([1, 1, side, side])?
            .f_repeat([1, 1, rows, columns])?;
        let pattern = pattern.f_narrow(2, 0, h)?.f_narrow(3, 0, w)?;
        let signs = self.signs(&[self.all, c, rows, columns], like)?;
        let wide = signs
            .f_repeat_interleave_self_int(side, 2, None)?
            .f_repeat_interleave_self_int(side, 3, None)?;
        let all = wide.f_narrow(2, 0, h)?.f_narrow(3, 0, w)?.f_mul(&pattern)?;
        Ok(all.f_div(&row_norms(&all)?.f_clamp_min(1e-12)?)?)
    }

    /// Two bumps of opposite sign side by side, of length 1: what a gradient of natural images
    /// tends to look like.
    fn pattern(&self, side: i64, like: &tch::Tensor) -> Result<tch::Tensor> {
        let half = side / 2;
        let mut cells = vec![0.0; (side * side) as usize];
        let bump = |cells: &mut [f64], from: i64, rows: i64, sign: f64| {
            // Rings round the middle, each one lower: Σ_r 1/(r+1)² over the rings that reach a
            // cell.
            let (mid_r, mid_c) = (rows / 2, side / 2);
            for r in 0..rows {
                for c in 0..side {
                    let ring = (r - mid_r).abs().max((c - mid_c).abs());
                    let reach = mid_r.max(mid_c);
                    let height: f64 = (ring..=reach)
                        .map(|k| 1.0 / ((k + 1) * (k + 1)) as f64)
                        .sum();
                    cells[((from + r) * side + c) as usize] = sign * height;
                }
            }
        };
        bump(&mut cells, 0, half, 1.0);
        bump(&mut cells, half, side - half, -1.0);
        let length = cells.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-12);
        cells.iter_mut().for_each(|v| *v /= length);
        let made = tch::Tensor::f_from_slice(&cells)?.f_view([side, side])?;
        let turned = tch::Tensor::f_randint(2, [1], (Kind::Int64, tch::Device::Cpu))?
            .f_int64_value(&[0])?
            == 1;
        let made = if turned {
            made.f_transpose(0, 1)?.f_contiguous()?
        } else {
            made
        };
        Ok(made.f_to_device(like.device())?.f_to_kind(like.kind())?)
    }

    /// `x0 + delta` inside the ball and the pixel range.
    fn inside(&self, x0: &tch::Tensor, delta: &tch::Tensor, eps: f64) -> Result<tch::Tensor> {
        let delta = match self.norm {
            Norm::Linf => delta.f_clamp(-eps, eps)?,
            Norm::L2 => {
                let length = row_norms(delta)?;
                delta.f_mul(&length.f_clamp_min(eps)?.f_reciprocal()?.f_mul_scalar(eps)?)?
            }
        };
        within(&x0.f_add(&delta)?, x0, self.range)
    }

    /// One window in each image, at a place of its own, set to ±ε in each channel.
    fn window_linf(
        &self,
        x0: &tch::Tensor,
        best: &tch::Tensor,
        place: &tch::Tensor,
        side: i64,
        eps: f64,
    ) -> Result<tch::Tensor> {
        let (c, h, w) = self.size;
        let along = |length: i64, shape: &[i64]| -> Result<tch::Tensor> {
            let options = (Kind::Int64, x0.device());
            let from = tch::Tensor::f_randint(length - side + 1, [self.all, 1], options)?
                .f_index_select(0, place)?;
            let cells = tch::Tensor::f_arange(length, options)?.f_unsqueeze(0)?;
            Ok(cells
                .f_ge_tensor(&from)?
                .f_logical_and(&cells.f_lt_tensor(&from.f_add_scalar(side)?)?)?
                .f_view(shape)?)
        };
        let mask = along(h, &[-1, 1, h, 1])?.f_logical_and(&along(w, &[-1, 1, 1, w])?)?;
        let value = self
            .signs(&[self.all, c, 1, 1], x0)?
            .f_index_select(0, place)?
            .f_mul_scalar(eps)?;
        // Where the window holds this value already, the other sign is tried.
        let old = best.f_sub(x0)?;
        let changed = within(&x0.f_add(&value)?, x0, self.range)?;
        let apart = changed
            .f_sub(best)?
            .f_abs()?
            .f_mul(&mask.f_to_kind(x0.kind())?)?;
        let same = apart.f_amax([1, 2, 3], true)?.f_lt(1e-7)?;
        let value = value.f_neg()?.f_where_self(&same, &value)?;
        let delta = value.f_where_self(&mask, &old)?;
        self.inside(x0, &delta, eps)
    }

    /// One window takes the length of another and of what the ball has left, and adds the pattern
    /// to its own change.
    fn window_l2(
        &self,
        x0: &tch::Tensor,
        best: &tch::Tensor,
        place: &tch::Tensor,
        side: i64,
        eps: f64,
    ) -> Result<tch::Tensor> {
        let (c, h, w) = self.size;
        let corner = |length: i64| -> Result<i64> {
            Ok(
                tch::Tensor::f_randint(length - side + 1, [1], (Kind::Int64, tch::Device::Cpu))?
                    .f_int64_value(&[0])?,
            )
        };
        let (to, from) = ((corner(h)?, corner(w)?), (corner(h)?, corner(w)?));
        let pattern = self.pattern(side, x0)?.f_view([1, 1, side, side])?;
        let signs = self
            .signs(&[self.all, c, 1, 1], x0)?
            .f_index_select(0, place)?;
        let mut delta = best.f_sub(x0)?;
        let window = |t: &tch::Tensor, at: (i64, i64)| -> Result<tch::Tensor> {
            Ok(t.f_narrow(2, at.0, side)?.f_narrow(3, at.1, side)?)
        };
        let lengths = |t: &tch::Tensor| -> Result<tch::Tensor> {
            Ok(t.f_square()?
                .f_sum_dim_intlist(&[2i64, 3][..], true, None::<Kind>)?
                .f_sqrt()?)
        };
        let spare = row_norms(&delta)?
            .f_square()?
            .f_neg()?
            .f_add_scalar(eps * eps)?
            .f_clamp_min(0.0)?;
        let spare = spare.f_div_scalar(c as f64)?;
        // The length of both windows together, of each channel: cells in both count once.
        let both = delta.f_zeros_like()?;
        for at in [to, from] {
            window(&both, at)?.f_copy_(&window(&delta, at)?)?;
        }
        let length = lengths(&both)?.f_square()?.f_add(&spare)?.f_sqrt()?;
        let own = window(&delta, to)?;
        let own = own.f_div(&lengths(&own)?.f_add_scalar(1e-10)?)?;
        let fresh = own.f_add(&pattern.f_mul(&signs)?)?;
        let fresh = fresh
            .f_div(&lengths(&fresh)?.f_clamp_min(1e-10)?)?
            .f_mul(&length)?;
        delta = delta.f_contiguous()?;
        let _ = window(&delta, from)?.f_fill_(0.0)?;
        window(&delta, to)?.f_copy_(&fresh)?;
        // All of the ball is used.
        let scaled = delta
            .f_div(&row_norms(&delta)?.f_clamp_min(1e-12)?)?
            .f_mul_scalar(eps)?;
        self.inside(x0, &scaled, eps)
    }
}
