//! Evaluation: the paper's five claims, each in a file of its own, with the protocol beside every
//! number.
//!
//! | claim | file |
//! |---|---|
//! | accuracy | `accuracy` |
//! | calibration | `calibration`, `temperature` |
//! | out-of-distribution detection | `ood` (scores), `ood_sets`, `refinement` (scores after a short chain), `ranking` (AUROC and its like), `gaussian` (the baseline) |
//! | robustness | `attack` (PGD, FGSM), `apgd` (steps that are halved where they fail), `square` (black box), `jem_k` (the defence by refinement), `distal`, `transfer`; `ascent` is what the last three climb with, `ball` and `fates` what all attacks share |
//! | samples | `samples`, `distance` (of two sets of features), `fresh` (chains from noise), `feature_net` (the classifier that judges) |
//!
//! `ais` estimates `log Z`, for models of few dimensions.
//!
//! `compare` measures all five for several models (`battery` runs its attacks) and `protocol` says
//! how; `report` holds the numbers, `sheet` and `blocks` print them side by side, `paths` names them, `pool` joins the reports of
//! several seeds. Networks are in evaluation mode while they are judged; their layers then get
//! their modes back.

mod accuracy;
mod ais;
mod annealed;
mod apgd;
mod ascent;
mod asked;
mod attack;
mod ball;
mod battery;
mod blocks;
mod calibration;
mod compare;
mod distal;
mod distance;
mod fates;
mod feature_net;
mod fresh;
mod gaussian;
mod jem_k;
mod logits;
mod ood;
mod ood_sets;
mod paths;
mod pictures;
mod pool;
mod protocol;
mod ranking;
mod refinement;
mod report;
mod samples;
mod shared;
mod sheet;
mod sound;
mod square;
mod table;
mod temperature;
mod transfer;

pub use accuracy::{Accuracy, AccuracyOptions, Difference, accuracy, paired_difference};
pub use ais::{LogZ, log_z};
pub use annealed::{Base, LogZOptions};
pub use apgd::{ApgdObjective, ApgdOptions, apgd};
pub use asked::{CompareOptions, Measured};
pub use attack::{AscentOptions, AttackOptions, FgsmOptions, Robustness, fgsm, pgd};
pub use ball::{Norm, Objective};
pub use calibration::{
    Bin, Calibration, CalibrationOptions, CalibrationReport, calibration, calibration_of,
};
pub use compare::{compare, report};
pub use distal::{Distal, DistalOptions, distal};
pub use distance::{
    Frechet, PrecisionRecall, frechet, inception_score, kernel_distance, precision_recall,
};
pub use feature_net::{FeatureNet, FeatureNetOptions, FeaturesOptions, feature_net};
pub use fresh::{FreshOptions, fresh_chains};
pub use gaussian::{PixelGaussian, PixelGaussianOptions};
pub use jem_k::{Backward, JemK, JemKOptions, jem_k};
pub use logits::Logits;
pub use ood::{OodOptions, OodReport, OodSet, Score, Scores, ood, scores};
pub use ood_sets::{
    GivenSet, MadeSet, OodSetOptions, class_blends, constants, interpolation, ood_set,
    pixel_shuffle, rotation, uniform_noise, usual_sets,
};
pub use pictures::RobustnessCurveOptions;
pub use pool::{Pool, pool};
pub use ranking::{Detection, auroc, auroc_difference, average_precision, detection, fpr95};
pub use refinement::{Refined, Refinement, refined, refinement};
pub use report::{Comparison, GaussianReport, ModelReport, Protocol, Report, Training};
pub use samples::{SampleOptions, SampleReport, SampleRow, sample_quality};
pub use square::{SquareOptions, square};
pub use temperature::{Fitted, fit as fit_temperature};

pub use transfer::{AdversarialOptions, Transfer, adversarial, transfer};

pub(crate) use accuracy::wilson;
pub(crate) use logits::check_batch;
pub(crate) use table::{Table, WIDTH, digits, percent};
