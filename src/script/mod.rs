//! The language: rhai with the library's rooms bound to it. The only place that knows rhai.
//!
//! Each binding file holds documented functions of a few lines; [`edge`] registers them, and every
//! error they raise gets its place in the script from there.

// The code that `#[export_module]` writes takes the arguments it was just matched on.
#![allow(clippy::unwrap_used)]

pub mod access;
mod arguments;
mod autograd;
pub mod cells;
pub mod check;
pub mod cite;
pub mod closure;
pub mod complete;
mod declared;
pub mod edge;
pub mod engine;
pub mod failure;
pub mod habits;
mod handed;
mod host;
mod kept;
mod limits;
pub mod names;
mod net;
pub mod outline;
mod overrides;
mod own_names;
pub mod parameters;
mod places;
pub mod reference;
mod resolver;
mod rewrite;
mod scan;
mod text;
pub mod types;
mod unique;
pub mod value;
mod wording;

mod base;
mod captures;
mod caught;
mod data;
mod depth;
mod energy;
mod evaluate;
mod files;
mod format;
pub mod layout;
mod lists;
mod loss;
mod nn;
mod numbers;
mod optim;
mod plot;
mod sampler;
mod show;
mod tensor;
mod torch;
mod train;
mod unread;
mod variable;
mod world;

use std::any::TypeId;
use std::rc::Rc;

use rhai::plugin::ModuleManifest;
use rhai::{Engine, exported_manifest};

use crate::display::Rich;
use crate::params::State;

pub use cells::Cells;
pub use engine::Program;
pub use failure::Diagnostic;
pub use host::{Host, Settings};
pub use layout::code_end;
pub use limits::{STACK, on_deep_stack};
pub use overrides::Preset;
pub use resolver::import_path;
pub use text::{plain_text, read_script};

/// A page of a module of the language; the one without a name holds what needs no prefix: methods,
/// operators, `param`, `train`.
pub struct Room {
    /// `nn`, or empty. Pages of one name make one module.
    pub name: &'static str,
    /// A title for the reference: one title is one page.
    pub title: &'static str,
    /// Its functions.
    pub manifest: &'static ModuleManifest,
}

/// The module of libtorch's operators, which come from their schemas and are on no page.
pub const TORCH: &str = "torch";

/// All modules, in the order of the reference.
pub static ROOMS: &[Room] = &[
    Room {
        name: "",
        title: "Everywhere",
        manifest: exported_manifest!(base::functions),
    },
    Room {
        name: "",
        title: "Training",
        manifest: exported_manifest!(train::functions),
    },
    Room {
        name: "",
        title: "Several processes",
        manifest: exported_manifest!(world::functions),
    },
    Room {
        name: "",
        title: "Files of texts and tables",
        manifest: exported_manifest!(files::functions),
    },
    Room {
        name: "",
        title: "Numbers and arrays",
        manifest: exported_manifest!(numbers::functions),
    },
    Room {
        name: "",
        title: "Numbers and arrays",
        manifest: exported_manifest!(lists::functions),
    },
    Room {
        name: "data",
        title: "Data",
        manifest: exported_manifest!(data::sets::functions),
    },
    Room {
        name: "data",
        title: "Data",
        manifest: exported_manifest!(data::parts::functions),
    },
    Room {
        name: "energy",
        title: "Energies",
        manifest: exported_manifest!(energy::functions),
    },
    Room {
        name: "sampler",
        title: "Samplers",
        manifest: exported_manifest!(sampler::functions),
    },
    Room {
        name: "loss",
        title: "Losses",
        manifest: exported_manifest!(loss::functions),
    },
    Room {
        name: "tensor",
        title: "Making tensors",
        manifest: exported_manifest!(tensor::create::functions),
    },
    Room {
        name: "tensor",
        title: "Files of tensors",
        manifest: exported_manifest!(tensor::files::functions),
    },
    Room {
        name: "",
        title: "Tensor operators and indexing",
        manifest: exported_manifest!(tensor::operators::functions),
    },
    Room {
        name: "",
        title: "Tensor operators and indexing",
        manifest: exported_manifest!(tensor::comparisons::functions),
    },
    Room {
        name: "",
        title: "Tensor operators and indexing",
        manifest: exported_manifest!(tensor::indexing::functions),
    },
    Room {
        name: "",
        title: "Tensor functions",
        manifest: exported_manifest!(tensor::math::functions),
    },
    Room {
        name: "",
        title: "Tensor functions",
        manifest: exported_manifest!(tensor::activations::functions),
    },
    Room {
        name: "",
        title: "Tensor functions",
        manifest: exported_manifest!(tensor::products::functions),
    },
    Room {
        name: "",
        title: "Tensor shapes and types",
        manifest: exported_manifest!(tensor::shape::functions),
    },
    Room {
        name: "",
        title: "Tensor reductions",
        manifest: exported_manifest!(tensor::reduce::functions),
    },
    Room {
        name: "",
        title: "Differentiation",
        manifest: exported_manifest!(autograd::functions),
    },
    Room {
        name: "nn",
        title: "Layers",
        manifest: exported_manifest!(nn::layers::functions),
    },
    Room {
        name: "nn",
        title: "More layers",
        manifest: exported_manifest!(nn::more_layers::functions),
    },
    Room {
        name: "nn",
        title: "Activation layers",
        manifest: exported_manifest!(nn::activations::functions),
    },
    Room {
        name: "nn",
        title: "Composing layers",
        manifest: exported_manifest!(nn::compose::functions),
    },
    Room {
        name: "nn",
        title: "Whole networks",
        manifest: exported_manifest!(nn::whole::functions),
    },
    Room {
        name: "",
        title: "Networks",
        manifest: exported_manifest!(nn::network::functions),
    },
    Room {
        name: "",
        title: "Weights by name",
        manifest: exported_manifest!(nn::weights::functions),
    },
    Room {
        name: "optim",
        title: "Optimisers",
        manifest: exported_manifest!(optim::make::functions),
    },
    Room {
        name: "optim",
        title: "Optimisers",
        manifest: exported_manifest!(optim::step::functions),
    },
    Room {
        name: "optim",
        title: "Optimisers",
        manifest: exported_manifest!(optim::average::functions),
    },
    Room {
        name: "evaluate",
        title: "Evaluation",
        manifest: exported_manifest!(evaluate::claims::functions),
    },
    Room {
        name: "evaluate",
        title: "More attacks",
        manifest: exported_manifest!(evaluate::attacks::functions),
    },
    Room {
        name: "evaluate",
        title: "Densities and refinement",
        manifest: exported_manifest!(evaluate::density::functions),
    },
    Room {
        name: "evaluate",
        title: "Evaluating samples",
        manifest: exported_manifest!(evaluate::samples::functions),
    },
    Room {
        name: "evaluate",
        title: "Comparing models",
        manifest: exported_manifest!(evaluate::report::functions),
    },
    Room {
        name: "plot",
        title: "Charts",
        manifest: exported_manifest!(plot::charts::functions),
    },
    Room {
        name: "plot",
        title: "Pictures",
        manifest: exported_manifest!(plot::pictures::functions),
    },
];

/// The names of all modules, each once.
pub fn room_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for name in ROOMS.iter().map(|room| room.name).chain([TORCH]) {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The options tables, by the function that takes them.
pub fn option_tables() -> Vec<(&'static str, Vec<crate::options::Field>)> {
    use crate::options::Options;
    use crate::{evaluate, nn, optim};
    vec![
        ("nn::conv2d", nn::Conv2dOptions::fields()),
        ("nn::conv1d", nn::Conv2dOptions::fields()),
        ("nn::conv_transpose2d", nn::ConvTranspose2dOptions::fields()),
        ("nn::interpolate", nn::InterpolateOptions::fields()),
        (
            "nn::multihead_attention",
            nn::MultiheadAttentionOptions::fields(),
        ),
        ("nn::module", nn::ModuleOptions::fields()),
        ("nn::linear", nn::LinearOptions::fields()),
        ("nn::batch_norm2d", nn::BatchNorm2dOptions::fields()),
        ("nn::group_norm", nn::GroupNormOptions::fields()),
        ("nn::layer_norm", nn::LayerNormOptions::fields()),
        ("nn::instance_norm2d", nn::InstanceNorm2dOptions::fields()),
        ("nn::avg_pool2d", nn::AvgPool2dOptions::fields()),
        ("nn::max_pool2d", nn::MaxPool2dOptions::fields()),
        ("nn::mlp", nn::MlpOptions::fields()),
        ("nn::lambda", nn::LambdaOptions::fields()),
        ("nn::spectral_norm", nn::SpectralNormOptions::fields()),
        ("nn::wide_resnet", nn::WideResNetOptions::fields()),
        ("nn::torchscript", nn::TorchScriptOptions::fields()),
        ("load", nn::LoadOptions::fields()),
        ("grad", crate::tensor::GradOptions::fields()),
        ("laplacian", crate::energy::LaplacianOptions::fields()),
        ("energy::score", crate::energy::ScoreOptions::fields()),
        ("optim::adam", optim::AdamOptions::fields()),
        ("optim::adamw", optim::AdamWOptions::fields()),
        ("optim::sgd", optim::SgdOptions::fields()),
        ("optim::rmsprop", optim::RmsPropOptions::fields()),
        ("optim::lion", optim::LionOptions::fields()),
        ("optim::lbfgs", optim::LbfgsOptions::fields()),
        ("optim::sam", optim::SamOptions::fields()),
        ("optim::step", crate::params::StepOptions::fields()),
        ("optim::accumulate", crate::params::StepOptions::fields()),
        ("optim::perturb", self::optim::PerturbOptions::fields()),
        ("energy::of", crate::energy::ClosureOptions::fields()),
        ("energy::mixture", crate::energy::MixtureOptions::fields()),
        (
            "energy::double_well",
            crate::energy::DoubleWellOptions::fields(),
        ),
        (
            "energy::rosenbrock",
            crate::energy::RosenbrockOptions::fields(),
        ),
        ("energy::funnel", crate::energy::FunnelOptions::fields()),
        ("data::digits", crate::data::DigitsOptions::fields()),
        ("data::toy", crate::data::ToyOptions::fields()),
        ("data::mnist", crate::data::ImageOptions::fields()),
        ("data::fashion_mnist", crate::data::ImageOptions::fields()),
        ("data::cifar10", crate::data::ImageOptions::fields()),
        ("data::cifar100", crate::data::Cifar100Options::fields()),
        ("data::svhn", crate::data::SvhnOptions::fields()),
        ("data::folder", crate::data::FolderOptions::fields()),
        ("data::arrays", crate::data::ArrayOptions::fields()),
        ("data::csv", crate::data::CsvOptions::fields()),
        ("read_csv", crate::formats::TableOptions::fields()),
        ("save_csv", files::SaveCsvOptions::fields()),
        ("data::augment", crate::data::AugmentOptions::fields()),
        ("data::split", crate::data::SplitOptions::fields()),
        ("sampler::sgld", crate::sampler::SgldOptions::fields()),
        ("sampler::mala", crate::sampler::MalaOptions::fields()),
        ("sampler::hmc", crate::sampler::HmcOptions::fields()),
        ("sampler::custom", crate::sampler::CustomOptions::fields()),
        ("sampler::replay", crate::sampler::ReplayOptions::fields()),
        ("sampler::run", crate::sampler::RunOptions::fields()),
        ("loss::jem", crate::loss::JemOptions::fields()),
        (
            "loss::contrastive",
            crate::loss::ContrastiveOptions::fields(),
        ),
        (
            "loss::cross_entropy",
            crate::loss::CrossEntropyOptions::fields(),
        ),
        ("evaluate::accuracy", evaluate::AccuracyOptions::fields()),
        (
            "evaluate::calibration",
            evaluate::CalibrationOptions::fields(),
        ),
        ("evaluate::ood_set", evaluate::OodSetOptions::fields()),
        ("evaluate::ood", evaluate::OodOptions::fields()),
        (
            "evaluate::pixel_gaussian",
            evaluate::PixelGaussianOptions::fields(),
        ),
        ("evaluate::pgd", evaluate::AttackOptions::fields()),
        ("evaluate::fgsm", evaluate::FgsmOptions::fields()),
        ("evaluate::apgd", evaluate::ApgdOptions::fields()),
        ("evaluate::square", evaluate::SquareOptions::fields()),
        ("evaluate::jem_k", evaluate::JemKOptions::fields()),
        ("evaluate::distal", evaluate::DistalOptions::fields()),
        (
            "evaluate::adversarial",
            evaluate::AdversarialOptions::fields(),
        ),
        ("evaluate::transfer", evaluate::AdversarialOptions::fields()),
        ("evaluate::log_z", evaluate::LogZOptions::fields()),
        ("evaluate::refinement", evaluate::OodOptions::fields()),
        ("evaluate::fresh_chains", evaluate::FreshOptions::fields()),
        ("evaluate::report", evaluate::CompareOptions::fields()),
        (
            "evaluate::feature_net",
            evaluate::FeatureNetOptions::fields(),
        ),
        ("evaluate::features_of", evaluate::FeaturesOptions::fields()),
        ("evaluate::samples", evaluate::SampleOptions::fields()),
        ("evaluate::compare", evaluate::CompareOptions::fields()),
        ("plot::grid", crate::plot::GridOptions::fields()),
        ("plot::animation", crate::plot::AnimationOptions::fields()),
        ("plot::bars", crate::plot::BarsOptions::fields()),
        ("plot::line", crate::plot::CurveOptions::fields()),
        ("plot::scatter", crate::plot::ScatterOptions::fields()),
        ("plot::heatmap", crate::plot::HeatmapOptions::fields()),
        ("plot::panels", crate::plot::PanelsOptions::fields()),
        ("plot::curves", crate::plot::CurveOptions::fields()),
        ("plot::histogram", crate::plot::HistogramOptions::fields()),
        ("plot::density", crate::plot::DensityOptions::fields()),
        ("plot::energies", crate::plot::HistogramOptions::fields()),
        (
            "plot::reliability",
            crate::plot::ReliabilityOptions::fields(),
        ),
        (
            "plot::robustness",
            evaluate::RobustnessCurveOptions::fields(),
        ),
        (
            "train",
            [
                crate::train::TrainOptions::fields(),
                crate::train::GuardOptions::rows(),
            ]
            .concat(),
        ),
    ]
}

/// How a script's value becomes state that a checkpoint keeps.
type AsState = fn(&rhai::Dynamic) -> Option<Rc<dyn State>>;

fn state<T: State + Clone + 'static>(value: &rhai::Dynamic) -> Option<Rc<dyn State>> {
    value
        .clone()
        .try_cast::<T>()
        .map(|v| Rc::new(v) as Rc<dyn State>)
}

/// The types that hold state, beside energies, networks and optimisers, each of whose tensors are
/// kept once.
static STATES: &[AsState] = &[state::<crate::optim::Ema>, state::<crate::sampler::Replay>];

/// A type of the library in the language.
pub struct Type {
    /// The name users know.
    pub name: &'static str,
    /// Its Rust path, as rhai reports it.
    pub rust: &'static str,
    /// Its identity.
    pub id: fn() -> TypeId,
    /// Registers it.
    pub register: fn(&mut Engine, &'static str),
    /// A value of the type in its richest form.
    pub rich: fn(&rhai::Dynamic) -> Option<Rich>,
    /// Where a value of the type lies in memory.
    pub address: fn(&rhai::Dynamic) -> Option<usize>,
}

macro_rules! types {
    ($( $name:literal: $ty:ty, $path:literal; )*) => {
        {
        // Rust cells show each of them, too.
        $( #[cfg(feature = "evcxr")] const _: fn(&$ty) = <$ty>::evcxr_display; )*
        &[ $( Type {
            name: $name,
            rust: $path,
            id: || TypeId::of::<$ty>(),
            rich: |value| value.read_lock::<$ty>().map(|v| Rich::from(&*v)),
            address: |value| value.read_lock::<$ty>().map(|v| std::ptr::from_ref(&*v) as usize),
            register: |engine, name| {
                value::allow::<$ty>(name);
                engine.register_type_with_name::<$ty>(name);
                // A value prints itself: in `print`, in string interpolation, in arrays and maps.
                engine.register_fn("to_string", |v: &mut $ty| v.to_string());
                engine.register_fn("to_debug", |v: &mut $ty| v.to_string());
            },
        } ),* ]
        }
    };
}

/// All types of the library that scripts hold.
pub static TYPES: &[Type] = types! {
    "tensor": crate::tensor::Tensor, "jemscript::tensor::Tensor";
    "network": crate::nn::Network, "jemscript::nn::Network";
    "energy": crate::energy::Energy, "jemscript::energy::Energy";
    "optimizer": crate::optim::Optimizer, "jemscript::optim::Optimizer";
    "parameters": crate::params::Parameters, "jemscript::params::selection::Parameters";
    "ema": crate::optim::Ema, "jemscript::optim::ema::Ema";
    "sampler": crate::sampler::Sampler, "jemscript::sampler::Sampler";
    "replay": crate::sampler::Replay, "jemscript::sampler::replay::Replay";
    "chains": crate::sampler::ChainRun, "jemscript::sampler::run::ChainRun";
    "loss": crate::loss::Loss, "jemscript::loss::Loss";
    "dataset": crate::data::Dataset, "jemscript::data::Dataset";
    "part": crate::data::Part, "jemscript::data::Part";
    "batch": crate::data::Batch, "jemscript::data::Batch";
    "augmentation": crate::data::Augment, "jemscript::data::augment::Augment";
    "record": crate::train::Record, "jemscript::train::record::Record";
    "animation": crate::plot::Animation, "jemscript::plot::animation::Animation";
    "picture": crate::plot::Picture, "jemscript::plot::picture::Picture";
    "calibration": crate::evaluate::CalibrationReport, "jemscript::evaluate::calibration::CalibrationReport";
    "scores": crate::evaluate::Scores, "jemscript::evaluate::ood::Scores";
    "ood_report": crate::evaluate::OodReport, "jemscript::evaluate::ood::OodReport";
    "robustness": crate::evaluate::Robustness, "jemscript::evaluate::attack::Robustness";
    "jem_k": crate::evaluate::JemK, "jemscript::evaluate::jem_k::JemK";
    "distal": crate::evaluate::Distal, "jemscript::evaluate::distal::Distal";
    "transfer": crate::evaluate::Transfer, "jemscript::evaluate::transfer::Transfer";
    "log_z": crate::evaluate::LogZ, "jemscript::evaluate::ais::LogZ";
    "refinement": crate::evaluate::Refinement, "jemscript::evaluate::refinement::Refinement";
    "pixel_gaussian": crate::evaluate::PixelGaussian, "jemscript::evaluate::gaussian::PixelGaussian";
    "feature_net": crate::evaluate::FeatureNet, "jemscript::evaluate::feature_net::FeatureNet";
    "sample_report": crate::evaluate::SampleReport, "jemscript::evaluate::samples::SampleReport";
    "report": crate::evaluate::Report, "jemscript::evaluate::report::Report";
    "pool": crate::evaluate::Pool, "jemscript::evaluate::pool::Pool";
    "error": failure::Failure, "jemscript::script::failure::Failure";
};
