//! Projected ascent that keeps, for each row, the point where the objective was highest: what
//! attacks through a defence and attacks on other models start from. (`attack` only asks whether a
//! row breaks, and is quicker.)

use super::ball::Ball;
use crate::error::Result;
use crate::tensor::Tensor;

/// An ascent: how big the ball is, how many steps and how long.
#[derive(Clone, Copy)]
pub(crate) struct Ascent {
    pub ball: Ball,
    /// In units of x.
    pub eps: f64,
    pub steps: i64,
    /// In units of x.
    pub step: f64,
}

/// The objective of each row `[N]` at x, and its gradient.
pub(crate) type Slope<'a> = dyn FnMut(&Tensor) -> Result<(tch::Tensor, tch::Tensor)> + 'a;

impl Ascent {
    /// Climbs from `x0 + ε · noise`; gives each row's highest point.
    pub(crate) fn highest(self, x0: &Tensor, noise: &Tensor, slope: &mut Slope) -> Result<Tensor> {
        let x0 = x0.raw();
        let mut x = self
            .ball
            .project(x0, &noise.raw().f_mul_scalar(self.eps)?, self.eps)?;
        let mut best: Option<(tch::Tensor, tch::Tensor)> = None;
        for t in 0..=self.steps {
            crate::interrupt::poll()?;
            let (value, gradient) = slope(&Tensor::from(x.f_detach()?))?;
            best = Some(match best {
                None => (value, x.shallow_clone()),
                Some((high, at)) => {
                    let better = value.f_gt_tensor(&high)?;
                    let mut shape = vec![1; x.dim()];
                    shape[0] = x.size()[0];
                    (
                        value.f_where_self(&better, &high)?,
                        x.f_where_self(&better.f_view(&shape[..])?, &at)?,
                    )
                }
            });
            if t < self.steps {
                x = self.ball.stepped(x0, &x, &gradient, self.step, self.eps)?;
            }
        }
        Ok(Tensor::from(best.map_or(x, |(_, at)| at)).detach())
    }
}
