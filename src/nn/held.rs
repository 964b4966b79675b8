//! Computed weights, held: while the weights stand still (a chain is sampled, say), a layer such as
//! spectral normalisation computes its weight once, not at every pass.

use super::Network;
use crate::error::Result;

/// Keeps the computed weights of networks until it is dropped. They carry no gradient meanwhile.
pub struct Held(Vec<Network>);

impl Held {
    /// Computes them. Layers that are held already stay with whoever holds them.
    pub fn of(networks: &[Network]) -> Result<Held> {
        let mut held = Held(Vec::new());
        networks.iter().try_for_each(|network| held.hold(network))?;
        Ok(held)
    }

    fn hold(&mut self, network: &Network) -> Result<()> {
        if network.layer.hold()? {
            self.0.push(network.clone());
        }
        network
            .children()
            .iter()
            .try_for_each(|(_, child)| self.hold(child))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.iter().for_each(|network| network.layer.release());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{
        Linear, LinearOptions, Sequential, SpectralNorm, SpectralNormOptions, WeightNorm,
    };
    use crate::tensor::Tensor;

    #[test]
    fn held_weights_are_those_of_the_layer_and_go() -> Result<()> {
        let linear = |n| Linear::new(n, 3, &LinearOptions::default());
        let spectral = Network::of(SpectralNorm::new(
            linear(4)?.into(),
            &SpectralNormOptions::default(),
        )?);
        let weight = Network::of(WeightNorm::new(linear(3)?.into())?);
        let net = Network::of(Sequential::new(vec![spectral.clone(), weight.clone()])?);
        net.set_training(false);
        let x = Tensor::randn(&[5, 4])?;
        let before = net.forward(&x)?;
        let held = Held::of(std::slice::from_ref(&net))?;
        assert_eq!(net.forward(&x)?.sub(&before)?.abs()?.max()?.item()?, 0.0);
        // A second holder neither computes again nor lets go what is not its own.
        drop(Held::of(std::slice::from_ref(&net))?);
        // Other weights, and not only another sign or length of them: both layers would divide that
        // out.
        for (_, p) in net
            .parameters()
            .iter()
            .filter(|(name, _)| !name.ends_with("bias"))
        {
            let weight = p.get().detach();
            p.assign(&weight.add(&Tensor::randn(&weight.shape())?)?)?;
        }
        assert_eq!(
            net.forward(&x)?.sub(&before)?.abs()?.max()?.item()?,
            0.0,
            "the weights are held"
        );
        drop(held);
        assert!(
            net.forward(&x)?.sub(&before)?.abs()?.max()?.item()? > 1e-3,
            "and are not held any more"
        );
        // In training mode u and v move at each pass, and nothing is held: a change of the weight
        // is seen.
        net.set_training(true);
        let held = Held::of(std::slice::from_ref(&spectral))?;
        let first = spectral.forward(&x)?;
        for (_, p) in spectral
            .parameters()
            .iter()
            .filter(|(name, _)| name == "weight_orig")
        {
            p.assign(&p.get().detach().mul(-1.0)?)?;
        }
        assert!(first.sub(&spectral.forward(&x)?)?.abs()?.max()?.item()? > 1e-3);
        drop(held);
        Ok(())
    }
}
