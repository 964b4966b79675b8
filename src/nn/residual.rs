//! The residual block: `y = body(x) + shortcut(x)`, with `shortcut(x) = x` unless given.

use super::{Layer, Network, Row, at, inner_parameters, joined};
use crate::error::{Error, Result};
use crate::params::Named;
use crate::plan::{Place, Planned, Sketch};
use crate::tensor::Tensor;

/// A body and what it is added to.
pub struct Residual {
    body: Network,
    shortcut: Option<Network>,
}

impl Residual {
    /// `body(x) + x`, or `body(x) + shortcut(x)`.
    pub fn new(body: Network, shortcut: Option<Network>) -> Result<Residual> {
        Network::may_nest(&[&body])?;
        Network::may_nest(&shortcut.iter().collect::<Vec<_>>())?;
        Ok(Residual { body, shortcut })
    }

    fn same(&self, body: &[i64], shortcut: &[i64]) -> Result<()> {
        if body == shortcut {
            return Ok(());
        }
        let (other, hint) = match self.shortcut {
            Some(_) => ("the shortcut makes", "both must make the same shape"),
            None => (
                "the input is",
                "give a shortcut that makes the body's shape, such as a 1×1 convolution",
            ),
        };
        Err(Error::shape(format!(
            "residual: the body makes {body:?}, {other} {shortcut:?}"
        ))
        .with_hint(hint))
    }
}

impl Layer for Residual {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let body = self.body.forward(x).map_err(|e| at("body", e))?;
        let shortcut = match &self.shortcut {
            Some(layer) => layer.forward(x).map_err(|e| at("shortcut", e))?,
            None => x.clone(),
        };
        self.same(&body.shape(), &shortcut.shape())?;
        body.add(shortcut)
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        let body = self.body.output_shape(input).map_err(|e| at("body", e))?;
        let shortcut = match &self.shortcut {
            Some(layer) => layer.output_shape(input).map_err(|e| at("shortcut", e))?,
            None => input.to_vec(),
        };
        self.same(&body, &shortcut)?;
        Ok(body)
    }

    fn parameters(&self) -> Named {
        inner_parameters(&self.children())
    }

    fn children(&self) -> Vec<(String, Network)> {
        let shortcut = self
            .shortcut
            .iter()
            .map(|layer| ("shortcut".to_owned(), layer.clone()));
        std::iter::once(("body".to_owned(), self.body.clone()))
            .chain(shortcut)
            .collect()
    }

    fn summarise(&self, path: &str, input: Option<&[i64]>, rows: &mut Vec<Row>) -> Result<()> {
        for (name, layer) in self.children() {
            layer
                .layer
                .summarise(&joined(path, &name), input, rows)
                .map_err(|e| at(&name, e))?;
        }
        let output = input.map(|shape| self.output_shape(shape)).transpose()?;
        let layer = if self.shortcut.is_some() {
            "residual: body + shortcut"
        } else {
            "residual: body + input"
        };
        rows.push(Row {
            path: path.to_owned(),
            layer: layer.to_owned(),
            output,
            parameters: 0,
        });
        Ok(())
    }

    fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        let body = self.body.plan(sketch, x).map_err(|why| why.at("body"))?;
        let shortcut = match &self.shortcut {
            Some(layer) => layer.plan(sketch, x).map_err(|why| why.at("shortcut"))?,
            None => x.clone(),
        };
        sketch.add(&body, &shortcut)
    }

    fn describe(&self) -> String {
        match &self.shortcut {
            Some(shortcut) => format!(
                "residual({}, {})",
                self.body.describe(),
                shortcut.describe()
            ),
            None => format!("residual({})", self.body.describe()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Linear, LinearOptions};

    #[test]
    fn shapes_must_agree() -> Result<()> {
        let linear =
            |i, o| -> Result<Network> { Ok(Linear::new(i, o, &LinearOptions::default())?.into()) };
        let bare = Residual::new(linear(4, 6)?, None)?;
        let said = |e: Option<Error>| e.map(|e| e.message().to_owned()).unwrap_or_default();
        let wanted = "residual: the body makes [2, 6], the input is [2, 4]";
        assert_eq!(said(bare.output_shape(&[2, 4]).err()), wanted);
        assert_eq!(said(bare.forward(&Tensor::zeros(&[2, 4])?).err()), wanted);
        let both = Residual::new(linear(4, 6)?, Some(linear(4, 6)?))?;
        assert_eq!(both.output_shape(&[2, 4])?, [2, 6]);
        Ok(())
    }
}
