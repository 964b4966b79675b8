//! Operators between tensors and numbers in both orders, and indexing.

use rhai::Array;
use rhai::plugin::*;

use super::super::edge::Outcome;
use super::super::value::int_list;
use crate::tensor::Operand;
use crate::tensor::Tensor;

/// A number as operand: whole numbers keep tensors of whole numbers whole.
fn number(t: &Tensor, x: f64) -> Operand {
    if !t.is_float() && x.fract() == 0.0 && x.abs() < 9e15 { Operand::Int(x as i64) } else { Operand::Number(x) }
}

#[export_module(manifest)]
pub mod functions {
    /// Sum of two tensors, element by element; shapes broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x + x).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "+")]
    pub fn add_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.add(&b)?)
    }

    /// Sum of a tensor and a number.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2]) + 10);
    /// //= tensor [2] float32 on cpu
    /// //= [11, 12]
    /// ```
    #[rhai_fn(global, return_raw, name = "+")]
    pub fn add_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.add(number(&a, b))?)
    }

    /// Sum of a number and a tensor.
    ///
    /// ```rhai
    /// print((4 + tensor::of([2, 2])).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "+")]
    pub fn add_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.add(number(&b, a))?)
    }

    /// Difference of two tensors, element by element; shapes broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x - x).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "-")]
    pub fn sub_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.sub(&b)?)
    }

    /// Difference of a tensor and a number.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2]) - 1);
    /// //= tensor [2] float32 on cpu
    /// //= [0, 1]
    /// ```
    #[rhai_fn(global, return_raw, name = "-")]
    pub fn sub_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.sub(number(&a, b))?)
    }

    /// Difference of a number and a tensor.
    ///
    /// ```rhai
    /// print((4 - tensor::of([2, 2])).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "-")]
    pub fn sub_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.neg()?.add(number(&b, a))?)
    }

    /// Product of two tensors, element by element; shapes broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x * x).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "*")]
    pub fn mul_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.mul(&b)?)
    }

    /// Product of a tensor and a number.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2]) * 3);
    /// //= tensor [2] float32 on cpu
    /// //= [3, 6]
    /// ```
    #[rhai_fn(global, return_raw, name = "*")]
    pub fn mul_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.mul(number(&a, b))?)
    }

    /// Product of a number and a tensor.
    ///
    /// ```rhai
    /// print((4 * tensor::of([2, 2])).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "*")]
    pub fn mul_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.mul(number(&b, a))?)
    }

    /// Quotient of two tensors, element by element; shapes broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x / x).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "/")]
    pub fn div_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.div(&b)?)
    }

    /// Quotient of a tensor and a number.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2]) / 2);
    /// //= tensor [2] float32 on cpu
    /// //= [0.5, 1]
    /// ```
    #[rhai_fn(global, return_raw, name = "/")]
    pub fn div_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.div(number(&a, b))?)
    }

    /// Quotient of a number and a tensor.
    ///
    /// ```rhai
    /// print((4 / tensor::of([2, 2])).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "/")]
    pub fn div_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.reciprocal()?.mul(a)?)
    }

    /// Power of two tensors, element by element; shapes broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x ** x).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "**")]
    pub fn pow_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.pow(&b)?)
    }

    /// Power of a tensor and a number.
    ///
    /// ```rhai
    /// print(tensor::of([1, 2]) ** 3);
    /// //= tensor [2] float32 on cpu
    /// //= [1, 8]
    /// ```
    #[rhai_fn(global, return_raw, name = "**")]
    pub fn pow_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.pow(number(&a, b))?)
    }

    /// Power of a number and a tensor.
    ///
    /// ```rhai
    /// print((4 ** tensor::of([2, 2])).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "**")]
    pub fn pow_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(Tensor::scalar(a)?.like(&b)?.pow(&b)?)
    }

    /// Remainder of two tensors, element by element; shapes broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x % x).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "%")]
    pub fn remainder_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.remainder(&b)?)
    }

    /// Remainder of a tensor and a number.
    ///
    /// ```rhai
    /// print(tensor::of([5, 7]) % 3);
    /// //= tensor [2] float32 on cpu
    /// //= [2, 1]
    /// ```
    #[rhai_fn(global, return_raw, name = "%")]
    pub fn remainder_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.remainder(number(&a, b))?)
    }

    /// Remainder of a number and a tensor.
    ///
    /// ```rhai
    /// print((4 % tensor::of([2, 2])).shape);   //= [2]
    /// ```
    #[rhai_fn(global, return_raw, name = "%")]
    pub fn remainder_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(Tensor::scalar(a)?.like(&b)?.remainder(&b)?)
    }

    /// Where two tensors are equal (bool), element by element.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x == x).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "==")]
    pub fn eq_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.eq(&b)?)
    }

    /// Where a tensor is equal to a number (bool).
    ///
    /// ```rhai
    /// print((tensor::of([1, 2, 3]) == 2).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "==")]
    pub fn eq_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.eq(number(&a, b))?)
    }

    /// The same with the number first.
    ///
    /// ```rhai
    /// print((2 == tensor::of([1, 2, 3])).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "==")]
    pub fn eq_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.eq(number(&b, a))?)
    }

    /// Where two tensors are different (bool), element by element.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x != x).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "!=")]
    pub fn ne_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.ne(&b)?)
    }

    /// Where a tensor differs from a number (bool).
    ///
    /// ```rhai
    /// print((tensor::of([1, 2, 3]) != 2).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "!=")]
    pub fn ne_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.ne(number(&a, b))?)
    }

    /// The same with the number first.
    ///
    /// ```rhai
    /// print((2 != tensor::of([1, 2, 3])).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "!=")]
    pub fn ne_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.ne(number(&b, a))?)
    }

    /// Where the left tensor is less than the right one (bool), element by element; shapes broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x < x).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "<")]
    pub fn lt_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.lt(&b)?)
    }

    /// Where a tensor is less than a number (bool).
    ///
    /// ```rhai
    /// print((tensor::of([1, 2, 3]) < 2).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "<")]
    pub fn lt_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.lt(number(&a, b))?)
    }

    /// The same with the number first.
    ///
    /// ```rhai
    /// print((2 < tensor::of([1, 2, 3])).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "<")]
    pub fn lt_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.gt(number(&b, a))?)
    }

    /// Where the left tensor is at most the right one (bool), element by element; shapes broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x <= x).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "<=")]
    pub fn le_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.le(&b)?)
    }

    /// Where a tensor is at most a number (bool).
    ///
    /// ```rhai
    /// print((tensor::of([1, 2, 3]) <= 2).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "<=")]
    pub fn le_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.le(number(&a, b))?)
    }

    /// The same with the number first.
    ///
    /// ```rhai
    /// print((2 <= tensor::of([1, 2, 3])).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "<=")]
    pub fn le_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.ge(number(&b, a))?)
    }

    /// Where the left tensor is greater than the right one (bool), element by element; shapes broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x > x).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = ">")]
    pub fn gt_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.gt(&b)?)
    }

    /// Where a tensor is greater than a number (bool).
    ///
    /// ```rhai
    /// print((tensor::of([1, 2, 3]) > 2).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = ">")]
    pub fn gt_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.gt(number(&a, b))?)
    }

    /// The same with the number first.
    ///
    /// ```rhai
    /// print((2 > tensor::of([1, 2, 3])).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = ">")]
    pub fn gt_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.lt(number(&b, a))?)
    }

    /// Where the left tensor is at least the right one (bool), element by element; shapes broadcast.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2]);
    /// print((x >= x).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = ">=")]
    pub fn ge_tt(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.ge(&b)?)
    }

    /// Where a tensor is at least a number (bool).
    ///
    /// ```rhai
    /// print((tensor::of([1, 2, 3]) >= 2).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = ">=")]
    pub fn ge_tn(a: Tensor, b: f64) -> Outcome<Tensor> {
        Ok(a.ge(number(&a, b))?)
    }

    /// The same with the number first.
    ///
    /// ```rhai
    /// print((2 >= tensor::of([1, 2, 3])).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = ">=")]
    pub fn ge_nt(a: f64, b: Tensor) -> Outcome<Tensor> {
        Ok(b.le(number(&b, a))?)
    }

    /// The negative.
    ///
    /// ```rhai
    /// print((-tensor::of([1, 2])).sum());   //= -3
    /// ```
    #[rhai_fn(global, return_raw, name = "-")]
    pub fn negative(a: Tensor) -> Outcome<Tensor> {
        Ok(a.neg()?)
    }

    /// True where 0 or false.
    ///
    /// ```rhai
    /// print((!tensor::of([0, 2])).dtype);   //= bool
    /// ```
    #[rhai_fn(global, return_raw, name = "!")]
    pub fn not(a: Tensor) -> Outcome<Tensor> {
        Ok(a.logical_not()?)
    }

    /// True where both are not 0. Written `&`: `&&` is for single truth values.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2, 3]);
    /// print(((x > 1) & (x < 3)).sum());   //= 1
    /// ```
    #[rhai_fn(global, return_raw, name = "&")]
    pub fn and(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.logical_and(&b)?)
    }

    /// True where one of them is not 0. Written `|`.
    ///
    /// ```rhai
    /// let x = tensor::of([1, 2, 3]);
    /// print(((x < 2) | (x > 2)).sum());   //= 2
    /// ```
    #[rhai_fn(global, return_raw, name = "|")]
    pub fn or(a: Tensor, b: Tensor) -> Outcome<Tensor> {
        Ok(a.logical_or(&b)?)
    }

    /// One entry of the first dimension; negative indices count from the end.
    ///
    /// ```rhai
    /// let x = tensor::of([[1, 2], [3, 4]]);
    /// print(x[-1]);
    /// //= tensor [2] float32 on cpu
    /// //= [3, 4]
    /// ```
    #[rhai_fn(global, return_raw, index_get, pure)]
    pub fn index_int(t: &mut Tensor, index: i64) -> Outcome<Tensor> {
        Ok(t.get(index)?)
    }

    /// Entries start..end of the first dimension.
    ///
    /// ```rhai
    /// print(tensor::arange(10)[2..5].sum());   //= 9
    /// ```
    #[rhai_fn(global, return_raw, index_get, pure)]
    pub fn index_range(t: &mut Tensor, range: std::ops::Range<i64>) -> Outcome<Tensor> {
        Ok(t.slice(range.start, range.end)?)
    }

    /// Entries start..=end of the first dimension.
    ///
    /// ```rhai
    /// print(tensor::arange(10)[2..=5].sum());   //= 14
    /// ```
    #[rhai_fn(global, return_raw, index_get, pure)]
    pub fn index_range_inclusive(t: &mut Tensor, range: std::ops::RangeInclusive<i64>) -> Outcome<Tensor> {
        Ok(t.slice(*range.start(), range.end() + 1)?)
    }

    /// Rows by indices (int64), or by a mask (bool).
    ///
    /// ```rhai
    /// let x = tensor::arange(5);
    /// print(x[x > 2].sum());   //= 7
    /// ```
    #[rhai_fn(global, return_raw, index_get, pure)]
    pub fn index_tensor(t: &mut Tensor, index: Tensor) -> Outcome<Tensor> {
        Ok(t.index_select(0, &index)?)
    }

    /// One entry by an array of indices, one per dimension.
    ///
    /// ```rhai
    /// let x = tensor::of([[1, 2], [3, 4]]);
    /// print(x[[1, 0]]);   //= 3
    /// ```
    #[rhai_fn(global, return_raw, index_get, pure)]
    pub fn index_array(t: &mut Tensor, index: Array) -> Outcome<Tensor> {
        let mut found = t.clone();
        for i in int_list("index", &index)? {
            found = found.get(i)?;
        }
        Ok(found)
    }

    /// Replaces one entry of the first dimension. The variable gets a changed copy: no other holder of the tensor sees
    /// it.
    ///
    /// ```rhai
    /// let x = tensor::zeros([3, 2]);
    /// x[1] = tensor::ones([2]);
    /// print(x.sum());   //= 2
    /// ```
    #[rhai_fn(global, return_raw, index_set)]
    pub fn set_tensor(t: &mut Tensor, index: i64, value: Tensor) -> Outcome<()> {
        *t = t.with_entry(index, &value)?;
        Ok(())
    }

    /// Replaces one entry of the first dimension by a number.
    ///
    /// ```rhai
    /// let x = tensor::zeros([3]);
    /// x[1] = 5;
    /// print(x.sum());   //= 5
    /// ```
    #[rhai_fn(global, return_raw, index_set)]
    pub fn set_number(t: &mut Tensor, index: i64, value: f64) -> Outcome<()> {
        *t = t.with_entry(index, &Tensor::scalar(value)?)?;
        Ok(())
    }
}
