//! Tensors as options: a tensor, a number, or an array of numbers of any depth.

use super::Tensor;
use crate::error::{Error, Result};
use crate::options::{OptionValue, Value};

impl OptionValue for Tensor {
    const TYPE: &'static str = "tensor";
    const MANY: &'static str = "map of names to tensor";

    fn from_value(value: &Value) -> Option<Tensor> {
        Tensor::nested(value).ok()
    }

    fn show(&self) -> String {
        format!("tensor {}", self.brief())
    }
}

impl Tensor {
    /// A tensor, a number, or an array of numbers of any depth, whose rows must have equal lengths.
    pub fn nested(value: &Value) -> Result<Tensor> {
        if let Some(tensor) = value.downcast::<Tensor>() {
            return Ok(tensor);
        }
        let (mut shape, mut numbers) = (Vec::new(), Vec::new());
        collect(value, 0, &mut shape, &mut numbers)?;
        Tensor::of_slice(&numbers, &shape)
    }
}

/// Gathers the numbers of a nested array row by row.
fn collect(
    value: &Value,
    depth: usize,
    shape: &mut Vec<i64>,
    numbers: &mut Vec<f64>,
) -> Result<()> {
    let ragged = || Error::shape("the rows of a nested array must have equal lengths");
    let Value::List(list) = value else {
        let number = value.as_f64();
        let wrong = || Error::argument(format!("expected numbers, found {}", value.type_name()));
        numbers.push(number.ok_or_else(wrong)?);
        // A number among arrays is ragged.
        return if depth == shape.len() {
            Ok(())
        } else {
            Err(ragged())
        };
    };
    let n = list.len() as i64;
    match shape.get(depth) {
        // The first path down fixes the shape; a number seen before means that it ends here.
        None if numbers.is_empty() => shape.push(n),
        Some(known) if *known == n => {}
        _ => return Err(ragged()),
    }
    list.iter()
        .try_for_each(|entry| collect(entry, depth + 1, shape, numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(values: &[f64]) -> Value {
        Value::List(values.iter().map(|v| Value::Float(*v)).collect())
    }

    #[test]
    fn nested_arrays_become_tensors_and_ragged_ones_do_not() {
        let matrix = Value::List(vec![list(&[1.0, 2.0]), list(&[3.0, 4.0])]);
        let tensor = Tensor::from_value(&matrix).unwrap();
        assert_eq!(tensor.shape(), [2, 2]);
        assert_eq!(tensor.to_vec().unwrap(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(
            Tensor::from_value(&Value::Int(3)).unwrap().shape(),
            [0i64; 0]
        );
        for bad in [
            Value::List(vec![list(&[1.0, 2.0]), list(&[3.0])]),
            Value::List(vec![list(&[1.0, 2.0]), Value::Float(3.0)]),
            Value::List(vec![Value::Float(3.0), list(&[1.0])]),
            Value::Str("no".into()),
        ] {
            assert!(Tensor::from_value(&bad).is_none(), "{bad}");
        }
    }
}
