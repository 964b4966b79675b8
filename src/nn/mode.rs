//! Networks in a mode for a while.

use super::Network;

/// Networks in evaluation or in training mode, until dropped: then each layer is as it was.
pub(crate) struct InMode(Vec<(Network, bool)>);

impl InMode {
    pub(crate) fn enter(networks: &[Network], training: bool) -> InMode {
        let mut before: Vec<(Network, bool)> = networks.iter().flat_map(Network::modes).collect();
        before.retain(|(_, mode)| *mode != training);
        before
            .iter()
            .for_each(|(layer, _)| layer.set_training(training));
        InMode(before)
    }
}

impl Drop for InMode {
    fn drop(&mut self) {
        self.0
            .iter()
            .for_each(|(layer, mode)| layer.set_training(*mode));
    }
}
