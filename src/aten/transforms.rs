//! Functions of functions of tensors: Jacobian-vector products in forward mode, and vmap.

use super::raw::Level;
use crate::error::{Error, Result};
use crate::tensor::{InsideVmap, Tensor, backward};

/// A function of tensors, as the transforms call it.
pub type Levelled<'a> = dyn Fn(&[Tensor]) -> Result<Vec<Tensor>> + 'a;

/// The values of a function and its Jacobian times `tangents`, in one pass forward (no graph is
/// kept). A result that does not depend on the inputs has a tangent of zeros.
pub fn jvp(
    f: &Levelled,
    inputs: &[Tensor],
    tangents: &[Tensor],
) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    for (x, v) in inputs.iter().zip(tangents) {
        same("jvp", x, v)?;
    }
    let level = Level::forward()?;
    let duals: Vec<Tensor> = inputs
        .iter()
        .zip(tangents)
        .map(|(x, v)| level.dual(x, v))
        .collect::<Result<_>>()?;
    let mut values = Vec::new();
    let mut products = Vec::new();
    for result in f(&duals)? {
        let tangent = level.tangent(&result)?;
        let value = level.primal(&result)?;
        let product = match tangent {
            Some(tangent) => tangent,
            None => Tensor::from(value.raw().f_zeros_like()?),
        };
        values.push(value);
        products.push(product);
    }
    Ok((values, products))
}

fn same(owner: &str, x: &Tensor, v: &Tensor) -> Result<()> {
    if x.shape() == v.shape() && x.kind() == v.kind() && x.device() == v.device() {
        return Ok(());
    }
    Err(Error::shape(format!(
        "{owner}: the direction must be like what is differentiated by, {}, got {}",
        x.brief(),
        v.brief()
    )))
}

/// Maps a function over the first dimension of all inputs at once; `f` sees one row of each. Random
/// numbers differ from row to row. Results have the rows first.
pub fn vmap(f: &Levelled, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let rows = rows(inputs)?;
    let _inside = InsideVmap::enter();
    let level = Level::vmap(rows)?;
    let hidden: Vec<Tensor> = inputs
        .iter()
        .map(|x| level.hide_first(x))
        .collect::<Result<_>>()?;
    let results = f(&hidden)?;
    results
        .iter()
        .map(|result| level.show_first(result, rows))
        .collect()
}

/// For each row, the gradient of a function of one row that gives a single number.
pub fn vmap_gradient(f: &Levelled, x: &Tensor) -> Result<Tensor> {
    let one = |row: &[Tensor]| {
        let level = Level::gradient()?;
        let recorded = level.record(&row[0])?;
        let results = f(std::slice::from_ref(&recorded))?;
        let [result] = results.as_slice() else {
            return Err(Error::argument("vmap: the function must give one tensor"));
        };
        let found = backward(result.raw(), &[recorded.raw()], true)?;
        let gradient = match found.into_iter().flatten().next() {
            Some(gradient) => Tensor::from(gradient),
            None => {
                return Err(Error::state("vmap: the number does not depend on the row"));
            }
        };
        Ok(vec![level.result(&gradient)?])
    };
    let mut found = vmap(&one, std::slice::from_ref(x))?;
    Ok(found.swap_remove(0))
}

fn rows(inputs: &[Tensor]) -> Result<i64> {
    let lengths: Vec<i64> = inputs.iter().map(|x| x.len()).collect();
    if inputs.iter().any(|x| x.ndim() == 0) || lengths.is_empty() {
        return Err(Error::shape(
            "vmap: a tensor without dimensions has no rows to map over",
        ));
    }
    if lengths.iter().any(|n| *n != lengths[0]) {
        return Err(Error::shape(format!(
            "vmap: all tensors must have the same number of rows, got {lengths:?}"
        )));
    }
    if lengths[0] == 0 {
        return Err(Error::shape("vmap: there are no rows to map over"));
    }
    Ok(lengths[0])
}
