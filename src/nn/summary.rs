//! The table that a network prints: its layers, the shapes between them, and how many numbers each
//! has to learn.

use std::fmt::Write as _;

/// One layer in a network's summary.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Where the layer sits, as in its parameters' names: `1.body.0`.
    pub path: String,
    /// The layer as written in a script.
    pub layer: String,
    /// The shape it makes, where the shape that enters is known.
    pub output: Option<Vec<i64>>,
    /// How many numbers it trains.
    pub parameters: i64,
}

/// The rows as a table, with the total below.
pub(super) fn table(rows: &[Row], total: i64) -> String {
    let shapes = rows.iter().any(|r| r.output.is_some());
    let mut lines = vec![[
        String::new(),
        "layer".to_owned(),
        "output".to_owned(),
        "parameters".to_owned(),
    ]];
    for row in rows {
        let output = row
            .output
            .as_ref()
            .map_or_else(String::new, |shape| format!("{shape:?}"));
        lines.push([
            row.path.clone(),
            row.layer.clone(),
            output,
            thousands(row.parameters),
        ]);
    }
    lines.push([
        String::new(),
        "total".to_owned(),
        String::new(),
        thousands(total),
    ]);
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2), width(3)];
    let mut text = String::new();
    for [path, layer, output, parameters] in &lines {
        if widths[0] > 0 {
            let _ = write!(text, "{path:<0$}  ", widths[0]);
        }
        let _ = write!(text, "{layer:<0$}  ", widths[1]);
        if shapes {
            let _ = write!(text, "{output:<0$}  ", widths[2]);
        }
        let _ = writeln!(text, "{parameters:>0$}", widths[3]);
    }
    text.truncate(text.trim_end().len());
    text
}

/// A whole number with commas: 36,479,194.
pub(crate) fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use crate::nn::*;

    #[test]
    fn a_network_prints_as_a_table() -> Result<()> {
        let conv = |i, o, k| {
            Conv2d::new(
                i,
                o,
                k,
                &Conv2dOptions {
                    padding: k / 2,
                    ..Default::default()
                },
            )
        };
        let body = Sequential::new(vec![Activation::Silu.into(), conv(4, 4, 3)?.into()])?;
        let net = Network::of(Sequential::new(vec![
            conv(1, 4, 3)?.into(),
            Residual::new(body.into(), None)?.into(),
            Flatten.into(),
            Mlp::new(&[256, 1000, 10], &MlpOptions::default())?.into(),
        ])?);
        let expected = "
          layer                              output        parameters
0         conv2d(1, 4, 3, #{ padding: 1 })   [2, 4, 8, 8]          40
1.body.0  silu()                             [2, 4, 8, 8]           0
1.body.1  conv2d(4, 4, 3, #{ padding: 1 })   [2, 4, 8, 8]         148
1         residual: body + input             [2, 4, 8, 8]           0
2         flatten()                          [2, 256]               0
3.0       linear(256, 1000)                  [2, 1000]        257,000
3.1       silu()                             [2, 1000]              0
3.2       linear(1000, 10)                   [2, 10]           10,010
          total                                               267,198";
        let squeezed = |text: &str| -> Vec<String> {
            text.trim()
                .lines()
                .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect()
        };
        assert_eq!(
            squeezed(&net.summary(Some(&[2, 1, 8, 8]))?),
            squeezed(expected)
        );
        assert!(net.to_string().ends_with(" 267,198") && !net.to_string().contains("output"));
        net.forward(&crate::Tensor::zeros(&[2, 1, 8, 8])?)?;
        assert_eq!(squeezed(&net.to_string()), squeezed(expected));
        let error = net
            .summary(Some(&[2, 1, 6, 6]))
            .err()
            .map(|e| e.message().to_owned())
            .unwrap_or_default();
        assert_eq!(
            error,
            "layer 3.0: linear(256, 1000): expects 256 features, got 144"
        );
        assert_eq!(
            (thousands(999), thousands(1000), thousands(-1_234_567)),
            ("999".into(), "1,000".into(), "-1,234,567".into())
        );
        Ok(())
    }

    #[test]
    fn weights_are_copied_between_equal_networks_only() -> Result<()> {
        let make = |sizes: &[i64]| -> Result<Network> {
            Ok(Mlp::new(sizes, &MlpOptions::default())?.into())
        };
        let (a, b, c, d) = (
            make(&[3, 4, 2])?,
            make(&[3, 4, 2])?,
            make(&[3, 5, 2])?,
            make(&[3, 2])?,
        );
        let x = crate::Tensor::randn(&[7, 3])?;
        assert_ne!(a.forward(&x)?.to_vec()?, b.forward(&x)?.to_vec()?);
        b.copy_weights_from(&a)?;
        assert_eq!(a.forward(&x)?.to_vec()?, b.forward(&x)?.to_vec()?);
        assert!(a.copy_weights_from(&c).is_err());
        let hint = a
            .copy_weights_from(&d)
            .err()
            .and_then(|e| e.hint().map(str::to_owned))
            .unwrap_or_default();
        let shapes = "of another shape: [0.weight [2, 3] for [4, 3], 0.bias [2] for [4]]";
        assert_eq!(
            hint,
            format!("missing: [2.weight, 2.bias]; unexpected: []; {shapes}")
        );
        Ok(())
    }
}
