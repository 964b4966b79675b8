//! Multi-head self-attention (Vaswani et al., 2017), with PyTorch's names and initial weights:
//! `softmax(Q Kᵀ / √d) V` for each head, heads side by side, and a linear map of them.

use super::conv::named;
use super::{Layer, at_least_one, init, outcome, wrong_input};
use crate::error::{Error, Result};
use crate::options;
use crate::options::Options as _;
use crate::params::{Named, Param, prefixed};
use crate::tensor::{Kind, Tensor};

options! {
    /// Options of [`MultiheadAttention`].
    pub struct MultiheadAttentionOptions for "nn::multihead_attention" {
        /// whether a place attends only to itself and those before it
        causal: bool = false,
        /// whether biases are added
        bias: bool = true,
    }
}

/// Attention of each place of a sequence to all; `[B, T, size]` to `[B, T, size]`.
pub struct MultiheadAttention {
    size: i64,
    heads: i64,
    options: MultiheadAttentionOptions,
    weight: Param,
    bias: Option<Param>,
    out_weight: Param,
    out_bias: Option<Param>,
}

impl MultiheadAttention {
    /// Attention with PyTorch's initial weights; the heads divide the size.
    pub fn new(
        size: i64,
        heads: i64,
        options: &MultiheadAttentionOptions,
    ) -> Result<MultiheadAttention> {
        let owner = "nn::multihead_attention";
        at_least_one(owner, &[("size", size), ("heads", heads)])?;
        if size % heads != 0 {
            let text = format!("{owner}: {heads} heads do not divide a size of {size}");
            return Err(Error::argument(text));
        }
        // In PyTorch's order, which draws biases, too, before it makes them 0.
        let (out_weight, _) = init::weight_and_bias(owner, &[size, size], options.bias)?;
        // Xavier's uniform rule over queries, keys and values together.
        let bound = (6.0 / (4.0 * size as f64)).sqrt();
        let weight = init::uniform(&[3 * size, size], bound)?;
        let zeros = |n: i64| match options.bias {
            true => Param::new(&Tensor::zeros(&[n])?).map(Some),
            false => Ok(None),
        };
        Ok(MultiheadAttention {
            size,
            heads,
            options: options.clone(),
            weight,
            bias: zeros(3 * size)?,
            out_weight,
            out_bias: zeros(size)?,
        })
    }

    fn attend(&self, x: &Tensor) -> std::result::Result<tch::Tensor, tch::TchError> {
        let shape = x.shape();
        let (rows, places, head) = (shape[0], shape[1], self.size / self.heads);
        let linear = |x: &tch::Tensor, weight: &Param, bias: &Option<Param>| {
            let bias = bias.as_ref().map(Param::get);
            x.f_linear(weight.get().raw(), bias.as_ref().map(Tensor::raw))
        };
        let all = linear(x.raw(), &self.weight, &self.bias)?;
        // [B, T, 3, heads, d] to [3, B, heads, T, d]
        let all = all
            .f_view([rows, places, 3, self.heads, head])?
            .f_permute([2, 0, 3, 1, 4])?;
        let (q, k, v) = (all.f_get(0)?, all.f_get(1)?, all.f_get(2)?);
        let scaled = q.f_mul_scalar(1.0 / (head as f64).sqrt())?;
        let mut scores = scaled.f_matmul(&k.f_transpose(-2, -1)?)?;
        if self.options.causal {
            let on = (Kind::Bool, x.device());
            let later = tch::Tensor::f_ones([places, places], on)?.f_triu(1)?;
            scores = scores.f_masked_fill(&later, f64::NEG_INFINITY)?;
        }
        let mixed = scores.f_softmax(-1, x.kind())?.f_matmul(&v)?;
        let joined = mixed
            .f_transpose(1, 2)?
            .f_reshape([rows, places, self.size])?;
        linear(&joined, &self.out_weight, &self.out_bias)
    }
}

impl Layer for MultiheadAttention {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.output_shape(&x.shape())?;
        outcome(self, x, Some(&self.weight), self.attend(x))
    }

    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        match input {
            [_, _, size] if *size == self.size => Ok(input.to_vec()),
            _ => Err(wrong_input(
                self,
                &format!("sequences [B, T, {}]", self.size),
                input,
            )),
        }
    }

    fn parameters(&self) -> Named {
        let mut all = vec![("in_proj_weight".to_owned(), self.weight.clone())];
        all.extend(
            self.bias
                .iter()
                .map(|b| ("in_proj_bias".to_owned(), b.clone())),
        );
        all.extend(prefixed(
            "out_proj",
            named(&self.out_weight, self.out_bias.as_ref()),
        ));
        all
    }

    fn describe(&self) -> String {
        let sizes = format!("{}, {}", self.size, self.heads);
        self.options.show_call("multihead_attention", &sizes)
    }
}
