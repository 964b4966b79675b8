//! Shapes, types, devices: what a tensor is, and its elements in another arrangement.

use rhai::plugin::*;
use rhai::{Array, Dynamic};

use super::super::arguments::int_list;
use super::super::edge::Outcome;
use crate::error::Error;
use crate::tensor::Tensor;

#[export_module(manifest)]
pub mod functions {
    /// The shape, as an array.
    ///
    /// ```rhai
    /// print(tensor::zeros([2, 3]).shape);   //= [2, 3]
    /// ```
    #[rhai_fn(global, get = "shape", pure)]
    pub fn shape(t: &mut Tensor) -> Array {
        t.shape().into_iter().map(Dynamic::from_int).collect()
    }

    /// The element type: float32, float64, int64, bool, …
    ///
    /// ```rhai
    /// print(tensor::zeros([1]).dtype);   //= float32
    /// ```
    #[rhai_fn(global, get = "dtype", pure)]
    pub fn dtype(t: &mut Tensor) -> String {
        crate::tensor::kind_name(t.kind()).to_owned()
    }

    /// The device: cpu, cuda:0, …
    ///
    /// ```rhai
    /// print(tensor::zeros([1]).device);   //= cpu
    /// ```
    #[rhai_fn(global, get = "device", pure)]
    pub fn device(t: &mut Tensor) -> String {
        crate::tensor::device_name(t.device())
    }

    /// The number of dimensions.
    ///
    /// ```rhai
    /// print(tensor::zeros([2, 3]).ndim);   //= 2
    /// ```
    #[rhai_fn(global, get = "ndim", pure)]
    pub fn ndim(t: &mut Tensor) -> i64 {
        t.ndim() as i64
    }

    /// Whether gradients flow to this tensor.
    ///
    /// ```rhai
    /// print(tensor::zeros([1]).leaf().requires_grad);   //= true
    /// ```
    #[rhai_fn(global, get = "requires_grad", pure)]
    pub fn requires_grad(t: &mut Tensor) -> bool {
        t.requires_grad()
    }

    /// The length of the first dimension.
    ///
    /// ```rhai
    /// print(tensor::zeros([4, 2]).len());   //= 4
    /// ```
    #[rhai_fn(global, pure)]
    pub fn len(t: &mut Tensor) -> i64 {
        t.len()
    }

    /// The number of elements.
    ///
    /// ```rhai
    /// print(tensor::zeros([4, 2]).numel());   //= 8
    /// ```
    #[rhai_fn(global, pure)]
    pub fn numel(t: &mut Tensor) -> i64 {
        t.numel() as i64
    }

    /// The size along a dimension.
    ///
    /// ```rhai
    /// print(tensor::zeros([4, 2]).size(-1));   //= 2
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn size(t: &mut Tensor, dim: i64) -> Outcome<i64> {
        let shape = t.shape();
        let n = shape.len() as i64;
        let at = if dim < 0 { dim + n } else { dim };
        shape
            .get(at as usize)
            .copied()
            .filter(|_| at >= 0)
            .ok_or_else(|| Error::shape(format!("size: no dimension {dim} in {shape:?}")).into())
    }

    /// The one number inside.
    ///
    /// ```rhai
    /// print(tensor::of([1.5]).item());   //= 1.5
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn item(t: &mut Tensor) -> Outcome<f64> {
        Ok(t.item()?)
    }

    /// All values, row by row, as an array of numbers.
    ///
    /// ```rhai
    /// print(tensor::of([[1, 2], [3, 4]]).to_array());   //= [1.0, 2.0, 3.0, 4.0]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn to_array(t: &mut Tensor) -> Outcome<Array> {
        let most = crate::script::limits::MAX_ENTRIES;
        if t.numel() > most {
            let text = format!(
                "to_array: an array holds at most {most} values, and this tensor has {}",
                t.numel()
            );
            return Err(Error::argument(text)
                .with_hint("take a part of it first: `.narrow(0, 0, n)`")
                .into());
        }
        Ok(t.to_vec()?.into_iter().map(Dynamic::from_float).collect())
    }

    /// The same values as another type (`"float64"`) or on another device (`"cuda"`).
    ///
    /// ```rhai
    /// print(tensor::zeros([1]).to("int64").dtype);   //= int64
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn to(t: &mut Tensor, target: &str) -> Outcome<Tensor> {
        Ok(match crate::tensor::parse_kind(target) {
            Ok(kind) => t.to_kind(kind)?,
            Err(_) if target == "cpu" || target.starts_with("cuda") || target == "auto" => {
                t.to_device(crate::tensor::parse_device(target)?)?
            }
            Err(error) => return Err(error.into()),
        })
    }

    /// The same values with the type and on the device of another tensor.
    ///
    /// ```rhai
    /// print(tensor::zeros([1]).like(tensor::ints([1])).dtype);   //= int64
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn like(t: &mut Tensor, other: Tensor) -> Outcome<Tensor> {
        Ok(t.like(&other)?)
    }

    /// The same values without gradient history.
    ///
    /// ```rhai
    /// print(tensor::zeros([1]).leaf().detach().requires_grad);   //= false
    /// ```
    #[rhai_fn(global, pure)]
    pub fn detach(t: &mut Tensor) -> Tensor {
        t.detach()
    }

    /// A detached copy that gradients can be taken for.
    ///
    /// ```rhai
    /// let x = tensor::of([3]).leaf();
    /// print(grad((x * x).sum(), x).item());   //= 6.0
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn leaf(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.leaf()?)
    }

    /// A copy with storage of its own.
    ///
    /// ```rhai
    /// print(tensor::ones([2]).copy().sum());   //= 2
    /// ```
    #[rhai_fn(global, return_raw, name = "copy", pure)]
    pub fn clone_tensor(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.copy()?)
    }

    /// The same elements in another shape; one size may be −1.
    ///
    /// ```rhai
    /// print(tensor::arange(6).reshape([2, -1]).shape);   //= [2, 3]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn reshape(t: &mut Tensor, shape: Array) -> Outcome<Tensor> {
        Ok(t.reshape(&int_list("reshape", &shape)?)?)
    }

    /// All elements in one dimension.
    ///
    /// ```rhai
    /// print(tensor::zeros([2, 3]).flatten().shape);   //= [6]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn flatten(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.flatten(0)?)
    }

    /// All dimensions from `start` on as one.
    ///
    /// ```rhai
    /// print(tensor::zeros([2, 3, 4]).flatten(1).shape);   //= [2, 12]
    /// ```
    #[rhai_fn(global, return_raw, name = "flatten", pure)]
    pub fn flatten_from(t: &mut Tensor, start: i64) -> Outcome<Tensor> {
        Ok(t.flatten(start)?)
    }

    /// All dimensions from `start` to `end`, both included, as one.
    ///
    /// ```rhai
    /// print(tensor::zeros([2, 3, 4]).flatten(0, 1).shape);   //= [6, 4]
    /// ```
    #[rhai_fn(global, return_raw, name = "flatten", pure)]
    pub fn flatten_between(t: &mut Tensor, start: i64, end: i64) -> Outcome<Tensor> {
        Ok(t.flatten_between(start, end)?)
    }

    /// Dimensions in another order.
    ///
    /// ```rhai
    /// print(tensor::zeros([2, 3, 4]).permute([2, 0, 1]).shape);   //= [4, 2, 3]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn permute(t: &mut Tensor, dims: Array) -> Outcome<Tensor> {
        Ok(t.permute(&int_list("permute", &dims)?)?)
    }

    /// Two dimensions swapped.
    ///
    /// ```rhai
    /// print(tensor::zeros([2, 3]).transpose(0, 1).shape);   //= [3, 2]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn transpose(t: &mut Tensor, a: i64, b: i64) -> Outcome<Tensor> {
        Ok(t.transpose(a, b)?)
    }

    /// A matrix transposed.
    ///
    /// ```rhai
    /// print(tensor::zeros([2, 3]).t().shape);   //= [3, 2]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn t(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.t()?)
    }

    /// Without a dimension of size 1.
    ///
    /// ```rhai
    /// print(tensor::zeros([2, 1]).squeeze(1).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn squeeze(t: &mut Tensor, dim: i64) -> Outcome<Tensor> {
        Ok(t.squeeze(dim)?)
    }

    /// With a new dimension of size 1.
    ///
    /// ```rhai
    /// print(tensor::zeros([2]).unsqueeze(0).shape);   //= [1, 2]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn unsqueeze(t: &mut Tensor, dim: i64) -> Outcome<Tensor> {
        Ok(t.unsqueeze(dim)?)
    }

    /// Sizes of 1 repeated to a shape, without copying.
    ///
    /// ```rhai
    /// print(tensor::zeros([1, 3]).expand([4, 3]).shape);   //= [4, 3]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn expand(t: &mut Tensor, shape: Array) -> Outcome<Tensor> {
        Ok(t.expand(&int_list("expand", &shape)?)?)
    }

    /// The whole tensor repeated along each dimension.
    ///
    /// ```rhai
    /// print(tensor::zeros([2, 3]).repeat([2, 1]).shape);   //= [4, 3]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn repeat(t: &mut Tensor, times: Array) -> Outcome<Tensor> {
        Ok(t.repeat(&int_list("repeat", &times)?)?)
    }

    /// Each entry along a dimension repeated.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2]).repeat_interleave(2, 0));
    /// //= tensor [4] float32 on cpu
    /// //= [1, 1, 2, 2]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn repeat_interleave(t: &mut Tensor, times: i64, dim: i64) -> Outcome<Tensor> {
        Ok(t.repeat_interleave(times, dim)?)
    }

    /// Reversed along dimensions.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2]).flip([0])[0]);   //= 2
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn flip(t: &mut Tensor, dims: Array) -> Outcome<Tensor> {
        Ok(t.flip(&int_list("flip", &dims)?)?)
    }

    /// Shifted in a circle along a dimension.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2, 3]).roll(1, 0)[0]);   //= 3
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn roll(t: &mut Tensor, shift: i64, dim: i64) -> Outcome<Tensor> {
        Ok(t.roll(shift, dim)?)
    }

    /// Quarter turns counter-clockwise in the last two dimensions.
    ///
    /// ```rhai
    /// print(tensor::of([[1, 2], [3, 4]]).rot90(1)[0]);
    /// //= tensor [2] float32 on cpu
    /// //= [2, 4]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn rot90(t: &mut Tensor, turns: i64) -> Outcome<Tensor> {
        Ok(t.rot90(turns)?)
    }

    /// Cut into pieces of a size along a dimension; the last may be smaller.
    ///
    /// ```rhai
    /// print(tensor::arange(5).split(2, 0).len());   //= 3
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn split(t: &mut Tensor, size: i64, dim: i64) -> Outcome<Array> {
        Ok(t.split(size, dim)?.into_iter().map(Dynamic::from).collect())
    }

    /// `length` entries from `start` on along a dimension.
    ///
    /// ```rhai
    /// print(tensor::zeros([2, 5]).narrow(1, 1, 3).shape);   //= [2, 3]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn narrow(t: &mut Tensor, dim: i64, start: i64, length: i64) -> Outcome<Tensor> {
        Ok(t.narrow(dim, start, length)?)
    }

    /// One entry of the first dimension, as `t[index]`.
    ///
    /// ```rhai
    /// print(tensor::of([4, 5]).get(1));   //= 5
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn get(t: &mut Tensor, index: i64) -> Outcome<Tensor> {
        Ok(t.get(index)?)
    }

    /// One entry along a dimension.
    ///
    /// ```rhai
    /// print(tensor::of([[1, 2], [3, 4]]).select(1, 0).sum());   //= 4
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn select(t: &mut Tensor, dim: i64, index: i64) -> Outcome<Tensor> {
        Ok(t.select(dim, index)?)
    }

    /// Entries along a dimension by indices.
    ///
    /// ```rhai
    /// print(tensor::arange(5).index_select(0, tensor::ints([0, 4])).sum());   //= 4
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn index_select(t: &mut Tensor, dim: i64, index: Tensor) -> Outcome<Tensor> {
        Ok(t.index_select(dim, &index)?)
    }

    /// One value per position along a dimension, chosen by an index tensor of the result's shape.
    ///
    /// ```rhai
    /// let logits = tensor::of([[1, 2], [3, 4]]);
    /// print(logits.gather(1, tensor::ints([1, 0]).unsqueeze(1)).sum());   //= 5
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn gather(t: &mut Tensor, dim: i64, index: Tensor) -> Outcome<Tensor> {
        Ok(t.gather(dim, &index)?)
    }

    /// The part on and above a diagonal.
    ///
    /// ```rhai
    /// print(tensor::ones([2, 2]).triu(0).sum());   //= 3
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn triu(t: &mut Tensor, diagonal: i64) -> Outcome<Tensor> {
        Ok(t.triu(diagonal)?)
    }

    /// The part on and below a diagonal.
    ///
    /// ```rhai
    /// print(tensor::ones([2, 2]).tril(0).sum());   //= 3
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn tril(t: &mut Tensor, diagonal: i64) -> Outcome<Tensor> {
        Ok(t.tril(diagonal)?)
    }

    /// The diagonal of a matrix, or the matrix with this diagonal.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2]).diag().shape);   //= [2, 2]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn diag(t: &mut Tensor) -> Outcome<Tensor> {
        Ok(t.diag()?)
    }

    /// Images [B, C, H, W] resized by area.
    ///
    /// ```rhai
    /// print(tensor::ones([1, 1, 8, 8]).resize(4, 4).shape);   //= [1, 1, 4, 4]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn resize(t: &mut Tensor, height: i64, width: i64) -> Outcome<Tensor> {
        Ok(t.resize_area(height, width)?)
    }

    /// Borders of images reflected outwards.
    ///
    /// ```rhai
    /// print(tensor::ones([1, 1, 8, 8]).reflect_pad(2).shape);   //= [1, 1, 12, 12]
    /// ```
    #[rhai_fn(global, return_raw, pure)]
    pub fn reflect_pad(t: &mut Tensor, pad: i64) -> Outcome<Tensor> {
        Ok(t.reflect_pad(pad)?)
    }
}
