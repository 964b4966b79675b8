//! Networks: fallible layers with PyTorch's names, defaults and initialisation.
//!
//! A [`Layer`] is one file; a [`Network`] is the handle that everything else holds. A layer owns
//! its parameters, knows the shape it makes, and says what it is in the words of the language.

mod activation;
mod attention;
mod batch_norm;
mod bundle;
mod check;
mod conv;
mod conv1d;
mod conv_transpose;
mod dropout;
mod embedding;
mod flatten;
mod held;
mod init;
mod interpolate;
mod lambda;
mod linear;
mod matching;
mod mlp;
mod mode;
mod module;
mod norm;
mod norm_choice;
mod pool;
mod reparametrised;
mod residual;
mod sequential;
mod source;
mod spectral_norm;
mod summary;
mod torchscript;
mod weight_norm;
mod weights;
mod wide_resnet;

use std::cell::OnceCell;
use std::fmt;
use std::rc::Rc;

pub use activation::{Activation, ActivationName};
pub use attention::{MultiheadAttention, MultiheadAttentionOptions};
pub use batch_norm::{BatchNorm2d, BatchNorm2dOptions};
pub use conv::{Conv2d, Conv2dOptions};
pub use conv_transpose::{ConvTranspose2d, ConvTranspose2dOptions};
pub use conv1d::Conv1d;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use flatten::{Flatten, Reshape};
pub use held::Held;
pub use interpolate::{Interpolate, InterpolateOptions, Interpolation};
pub use lambda::{Lambda, LambdaOptions};
pub use linear::{Linear, LinearOptions};
pub use mlp::{Mlp, MlpOptions};
pub(crate) use mode::InMode;
pub use module::{Module, ModuleOptions};
pub use norm::{
    GroupNorm, GroupNormOptions, InstanceNorm2d, InstanceNorm2dOptions, LayerNorm, LayerNormOptions,
};
pub use norm_choice::NormChoice;
pub use pool::{
    AdaptiveAvgPool2d, AvgPool2d, AvgPool2dOptions, GlobalAvgPool2d, MaxPool2d, MaxPool2dOptions,
};
pub use residual::Residual;
pub use sequential::Sequential;
pub use spectral_norm::{SpectralNorm, SpectralNormOptions};
pub use summary::Row;
pub(crate) use summary::thousands;
pub use torchscript::{TorchScript, TorchScriptOptions};
pub use weight_norm::WeightNorm;
pub use weights::{LoadOptions, Loaded};
pub use wide_resnet::{WideResNet, WideResNetOptions};

use check::{at, at_least_one, counted, groups, outcome, window, wrong_channels, wrong_input};

use crate::error::{Error, Result};
use crate::options::Function;
use crate::params::{Named, Snapshot, State, deduplicated, load_named, save_named};
use crate::plan::{Place, Planned, Sketch, Unplanned};
use crate::tensor::{Device, Kind, Tensor, default_device};

/// One layer, or a composition of layers.
pub trait Layer {
    /// The layer applied to a batch: `x` has the batch as its first dimension.
    fn forward(&self, x: &Tensor) -> Result<Tensor>;

    /// The shape made from an input shape (both with the batch first); wrong shapes are errors that
    /// say what is expected.
    fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>>;

    /// Trained parameters and buffers, with their names.
    fn parameters(&self) -> Named {
        Vec::new()
    }

    /// Layers inside, with their names.
    fn children(&self) -> Vec<(String, Network)> {
        Vec::new()
    }

    /// The user's functions inside: a checkpoint keeps what they have captured.
    fn functions(&self) -> Vec<Function> {
        self.children()
            .iter()
            .flat_map(|(_, child)| child.functions())
            .collect()
    }

    /// Chooses between training and evaluation behaviour (dropout, batch norm).
    fn set_training(&self, training: bool) {
        for (_, child) in self.children() {
            child.set_training(training);
        }
    }

    /// Whether this layer is in training mode; `None` for layers that behave alike in both (and for
    /// compositions, whose layers inside answer for themselves).
    fn training(&self) -> Option<bool> {
        None
    }

    /// Computes a weight that is a function of the parameters once and keeps it until
    /// [`Layer::release`], for passes between which no parameter changes: see [`Held`]. False where
    /// there is nothing to hold, or it is held already.
    fn hold(&self) -> Result<bool> {
        Ok(false)
    }

    /// Lets go what [`Layer::hold`] kept.
    fn release(&self) {}

    /// Whether the output of a row depends on that row alone; batch norm in training mode is the
    /// usual exception. Two batches may then pass as one.
    fn rowwise(&self) -> bool {
        self.children().iter().all(|(_, child)| child.rowwise())
    }

    /// Describes the layer for a plan, which computes it without autograd: see [`crate::plan`]. A
    /// layer that has no description is left to autograd, with the whole network.
    fn plan(&self, _sketch: &mut Sketch, _x: &Place) -> Planned<Place> {
        Err(Unplanned::because(format!(
            "`{}` is not written out",
            self.describe()
        )))
    }

    /// Adds the layer's rows to a summary: one for itself, or one for each layer inside. `input` is
    /// the shape that enters.
    fn summarise(&self, path: &str, input: Option<&[i64]>, rows: &mut Vec<Row>) -> Result<()> {
        let output = input.map(|shape| self.output_shape(shape)).transpose()?;
        rows.push(Row {
            path: path.to_owned(),
            layer: self.describe(),
            output,
            parameters: count(&self.parameters()),
        });
        Ok(())
    }

    /// The layer as written in a script: `conv2d(1, 32, 3, #{ padding: 1 })`.
    fn describe(&self) -> String;
}

/// A handle to a layer; clones share parameters.
#[derive(Clone)]
pub struct Network {
    layer: Rc<dyn Layer>,
    /// How many compositions lie inside each other.
    depth: usize,
    /// The shape of the first batch that passed: with it the table of layers has shapes.
    seen: Rc<OnceCell<Vec<i64>>>,
}

/// Compositions inside each other: each takes stack in every pass. Layers one after the other are
/// one composition.
const MAX_DEPTH: usize = 500;

impl Network {
    /// Wraps a layer.
    pub fn of(layer: impl Layer + 'static) -> Network {
        let depth = layer
            .children()
            .iter()
            .map(|(_, child)| child.depth + 1)
            .max()
            .unwrap_or(0);
        Network {
            layer: Rc::new(layer),
            depth,
            seen: Rc::default(),
        }
    }

    /// An error if these layers can have no further one around them.
    fn may_nest(layers: &[&Network]) -> Result<()> {
        if layers.iter().all(|l| l.depth < MAX_DEPTH) {
            return Ok(());
        }
        Err(Error::argument(format!("networks can lie {MAX_DEPTH} deep inside each other, not more")).with_hint(
            "does a loop wrap its own result? `nn::sequential` takes an array of as many layers as you like",
        ))
    }

    /// The network applied to a batch.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.layer.forward(x)?;
        self.seen.get_or_init(|| x.shape());
        Ok(y)
    }

    /// Describes the network for a plan.
    pub fn plan(&self, sketch: &mut Sketch, x: &Place) -> Planned<Place> {
        self.layer.plan(sketch, x)
    }

    /// The shape of the first batch that passed, if one did.
    pub fn seen(&self) -> Option<Vec<i64>> {
        self.seen.get().cloned()
    }

    /// Takes back the shape of the first batch, from a checkpoint; one that has passed since counts
    /// more.
    pub fn set_seen(&self, shape: Vec<i64>) {
        self.seen.get_or_init(|| shape);
    }

    /// The shape made from an input shape, both with the batch first.
    pub fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        self.layer.output_shape(input)
    }

    /// Parameters and buffers, each once, with their names (`0.weight`, `2.bias`).
    pub fn parameters(&self) -> Named {
        deduplicated(self.layer.parameters())
    }

    /// Layers inside, with their names.
    pub fn children(&self) -> Vec<(String, Network)> {
        self.layer.children()
    }

    /// The user's functions inside.
    pub fn functions(&self) -> Vec<Function> {
        self.layer.functions()
    }

    /// What tells this network from all others.
    pub fn id(&self) -> usize {
        Rc::as_ptr(&self.layer).cast::<()>() as usize
    }

    /// Chooses between training and evaluation behaviour.
    pub fn set_training(&self, training: bool) {
        self.layer.set_training(training);
    }

    /// Every layer inside that has a mode, with its present one (true: training): what restores
    /// them after a change.
    pub fn modes(&self) -> Vec<(Network, bool)> {
        let mut found: Vec<(Network, bool)> = self
            .layer
            .training()
            .map(|mode| (self.clone(), mode))
            .into_iter()
            .collect();
        for (_, child) in self.children() {
            found.extend(child.modes());
        }
        found
    }

    /// Whether any layer inside is in training mode.
    pub fn training(&self) -> bool {
        self.layer.training().unwrap_or(false)
            || self.children().iter().any(|(_, child)| child.training())
    }

    /// Whether the output of a row depends on that row alone.
    pub fn rowwise(&self) -> bool {
        self.layer.rowwise()
    }

    /// The network as written in a script.
    pub fn describe(&self) -> String {
        self.layer.describe()
    }

    /// Moves all parameters to a device and element type.
    pub fn convert(&self, device: Device, kind: Kind) -> Result<()> {
        self.parameters()
            .iter()
            .try_for_each(|(_, p)| p.convert(device, kind))
    }

    /// How many numbers are trained.
    pub fn parameter_count(&self) -> i64 {
        count(&self.parameters())
    }

    /// The layers, one a row; with the shape that enters (the batch first), also the shapes between
    /// them.
    pub fn rows(&self, input: Option<&[i64]>) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        self.layer.summarise("", input, &mut rows)?;
        Ok(rows)
    }

    /// The layers with the shapes of the first batch that passed, if there was one and all layers
    /// can tell.
    pub fn rows_seen(&self) -> Result<Vec<Row>> {
        match self.seen.get().map(|shape| self.rows(Some(shape))) {
            Some(Ok(rows)) => Ok(rows),
            _ => self.rows(None),
        }
    }

    /// A table of the layers with their parameters, and with the shapes between them where the
    /// shape that enters is given (the batch first).
    pub fn summary(&self, input: Option<&[i64]>) -> Result<String> {
        Ok(summary::table(&self.rows(input)?, self.parameter_count()))
    }
}

/// `83,914 parameters`.
pub(crate) fn counted_parameters(named: &Named) -> String {
    format!("{} parameters", thousands(count(named)))
}

/// How many of these numbers are trained.
fn count(named: &Named) -> i64 {
    named
        .iter()
        .filter(|(_, p)| p.trainable())
        .map(|(_, p)| p.shape().iter().product::<i64>())
        .sum()
}

impl<L: Layer + 'static> From<L> for Network {
    fn from(layer: L) -> Network {
        Network::of(layer)
    }
}

impl State for Network {
    fn about(&self) -> String {
        format!("network with {}", counted_parameters(&self.parameters()))
    }

    fn named(&self) -> Named {
        self.parameters()
    }

    fn save(&self, path: &str, into: &mut Snapshot) -> Result<()> {
        save_named(&self.parameters(), path, into)
    }
    fn load(&self, path: &str, from: &Snapshot) -> Result<()> {
        load_named(&self.parameters(), path, from)
    }
}

impl fmt::Display for Network {
    /// A table of the layers with their parameters; with shapes, once a batch has passed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rows_seen() {
            Ok(rows) => f.write_str(&summary::table(&rows, self.parameter_count())),
            Err(_) => f.write_str(&self.describe()),
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A place inside a place: `1` and `body` make `1.body`.
fn joined(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The shape that a layer makes of zeros: of one that is a function, nothing else is known.
fn shape_of_zeros(layer: &dyn Layer, input: &[i64]) -> Result<Vec<i64>> {
    let (kind, device) = match layer.parameters().first().map(|(_, p)| p.get()) {
        Some(p) => (p.kind(), p.device()),
        None => (Kind::Float, default_device()),
    };
    let zeros = Tensor::zeros(input)?.to_device(device)?.to_kind(kind)?;
    Ok(layer.forward(&zeros)?.shape())
}

/// The parameters of layers inside, with the layers' names before theirs.
fn inner_parameters(children: &[(String, Network)]) -> Named {
    children
        .iter()
        .flat_map(|(name, child)| crate::params::prefixed(name, child.parameters()))
        .collect()
}
