//! Pooling: the mean or the largest of each window of an image, channel by channel.

use super::{Layer, outcome, window, wrong_input};
use crate::error::{Error, Result};
use crate::options;
use crate::options::Options as _;
use crate::plan::{Place, Planned, Sketch};
use crate::tensor::Tensor;

options! {
    /// Options of [`AvgPool2d`].
    pub struct AvgPool2dOptions for "nn::avg_pool2d" {
        /// pixels between neighbouring windows; the window's size unless given
        stride: Option<i64> = None,
        /// rows and columns of zeros put around the image; they count in the mean
        padding: i64 = 0,
    }
}

options! {
    /// Options of [`MaxPool2d`].
    pub struct MaxPool2dOptions for "nn::max_pool2d" {
        /// pixels between neighbouring windows; the window's size unless given
        stride: Option<i64> = None,
        /// rows and columns put around the image; they never win
        padding: i64 = 0,
    }
}

/// A square window that walks over images.
struct Window {
    kernel: i64,
    stride: i64,
    padding: i64,
}

impl Window {
    fn new(function: &str, kernel: i64, stride: Option<i64>, padding: i64) -> Result<Window> {
        let stride = stride.unwrap_or(kernel);
        window(function, 1, &[("kernel", kernel), ("stride", stride)])?;
        if padding < 0 || padding > kernel / 2 {
            return Err(Error::argument(format!(
                "{function}: `padding` must be between 0 and half the window ({}), got {padding}",
                kernel / 2
            )));
        }
        Ok(Window {
            kernel,
            stride,
            padding,
        })
    }

    fn planned(&self) -> crate::plan::Window {
        crate::plan::Window {
            kernel: self.kernel as usize,
            stride: self.stride as usize,
            padding: self.padding as usize,
            dilation: 1,
        }
    }

    fn output_shape(&self, layer: &dyn Layer, input: &[i64]) -> Result<Vec<i64>> {
        let &[batch, channels, height, width] = input else {
            return Err(wrong_input(layer, "images [B, C, H, W]", input));
        };
        let side = |n: i64| (n + 2 * self.padding - self.kernel).div_euclid(self.stride) + 1;
        if side(height) < 1 || side(width) < 1 {
            return Err(Error::shape(format!(
                "{}: the window does not fit into {height}×{width} images",
                layer.describe()
            )));
        }
        Ok(vec![batch, channels, side(height), side(width)])
    }
}

/// The mean of each window.
pub struct AvgPool2d {
    window: Window,
    options: AvgPool2dOptions,
}

impl AvgPool2d {
    /// Windows of `kernel × kernel` pixels.
    pub fn new(kernel: i64, options: &AvgPool2dOptions) -> Result<AvgPool2d> {
        let window = Window::new("nn::avg_pool2d", kernel, options.stride, options.padding)?;
        Ok(AvgPool2d {
            window,
            options: options.clone(),
        })
    }
}

impl Layer for AvgPool2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.output_shape(&x.shape())?;
        let Window {
            kernel: k,
            stride: s,
            padding: p,
        } = self.window;
        outcome(
            self,
            x,
            None,
            x.raw()
                .f_avg_pool2d([k, k], [s, s], [p, p], false, true, None::<i64>),
        )
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        self.window.output_shape(self, input)
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        sketch.average(x, self.window.planned())
    }

    fn describe(&self) -> String {
        self.options
            .show_call("avg_pool2d", &self.window.kernel.to_string())
    }
}

/// The largest of each window.
pub struct MaxPool2d {
    window: Window,
    options: MaxPool2dOptions,
}

impl MaxPool2d {
    /// Windows of `kernel × kernel` pixels.
    pub fn new(kernel: i64, options: &MaxPool2dOptions) -> Result<MaxPool2d> {
        let window = Window::new("nn::max_pool2d", kernel, options.stride, options.padding)?;
        Ok(MaxPool2d {
            window,
            options: options.clone(),
        })
    }
}

impl Layer for MaxPool2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.output_shape(&x.shape())?;
        let Window {
            kernel: k,
            stride: s,
            padding: p,
        } = self.window;
        outcome(
            self,
            x,
            None,
            x.raw().f_max_pool2d([k, k], [s, s], [p, p], [1, 1], false),
        )
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        self.window.output_shape(self, input)
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        sketch.largest(x, self.window.planned())
    }

    fn describe(&self) -> String {
        self.options
            .show_call("max_pool2d", &self.window.kernel.to_string())
    }
}

/// Means of as many windows as the wanted size has pixels, whatever the size of the image.
pub struct AdaptiveAvgPool2d {
    height: i64,
    width: i64,
}

impl AdaptiveAvgPool2d {
    /// Images of `height × width` pixels.
    pub fn new(height: i64, width: i64) -> Result<AdaptiveAvgPool2d> {
        window(
            "nn::adaptive_avg_pool2d",
            1,
            &[("height", height), ("width", width)],
        )?;
        Ok(AdaptiveAvgPool2d { height, width })
    }
}

impl Layer for AdaptiveAvgPool2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.output_shape(&x.shape())?;
        outcome(
            self,
            x,
            None,
            x.raw().f_adaptive_avg_pool2d([self.height, self.width]),
        )
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        match *input {
            [batch, channels, h, w] if h > 0 && w > 0 => {
                Ok(vec![batch, channels, self.height, self.width])
            }
            _ => Err(wrong_input(self, "images [B, C, H, W]", input)),
        }
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        sketch.adapt(x, self.height as usize, self.width as usize)
    }

    fn describe(&self) -> String {
        format!("adaptive_avg_pool2d({}, {})", self.height, self.width)
    }
}

/// The mean of each whole channel: `[B, C, H, W]` to `[B, C]`.
pub struct GlobalAvgPool2d;

impl Layer for GlobalAvgPool2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.output_shape(&x.shape())?;
        x.mean_dims(&[2, 3], false)
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        match *input {
            [batch, channels, h, w] if h > 0 && w > 0 => Ok(vec![batch, channels]),
            _ => Err(wrong_input(self, "images [B, C, H, W]", input)),
        }
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        let mean = sketch.adapt(x, 1, 1)?;
        Ok(sketch.flatten(&mean))
    }

    fn describe(&self) -> String {
        "global_avg_pool2d()".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_must_fit() -> Result<()> {
        let pool = MaxPool2d::new(
            3,
            &MaxPool2dOptions {
                stride: Some(2),
                padding: 1,
            },
        )?;
        assert_eq!(pool.output_shape(&[2, 4, 8, 5])?, [2, 4, 4, 3]);
        assert_eq!(pool.describe(), "max_pool2d(3, #{ stride: 2, padding: 1 })");
        assert!(
            AvgPool2d::new(4, &AvgPool2dOptions::default())?
                .output_shape(&[1, 1, 3, 8])
                .is_err()
        );
        assert!(
            AvgPool2d::new(
                2,
                &AvgPool2dOptions {
                    stride: Some(0),
                    padding: 0
                }
            )
            .is_err()
        );
        assert!(
            AvgPool2d::new(
                2,
                &AvgPool2dOptions {
                    stride: None,
                    padding: 2
                }
            )
            .is_err()
        );
        Ok(())
    }
}
