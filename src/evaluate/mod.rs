//! Evaluation: the paper's five claims, each in a file of its own, with the protocol beside every number.
//!
//! | claim | file |
//! |---|---|
//! | accuracy | `accuracy` |
//! | calibration | `calibration`, `temperature` |
//! | out-of-distribution detection | `ood` (scores), `ood_sets`, `ranking` (AUROC and its like), `gaussian` (the baseline) |
//! | robustness | `attack` |
//! | samples | `samples`, `feature_net` (the classifier that judges) |
//!
//! `compare` measures all five for several models and `protocol` says how; `report` holds the numbers, `blocks` prints them
//! side by side, `pool` joins the reports of several seeds. Networks are in evaluation mode while they are judged; their layers then get their modes back.

mod accuracy;
mod attack;
mod blocks;
mod calibration;
mod compare;
mod feature_net;
mod gaussian;
mod logits;
mod ood;
mod ood_sets;
mod pictures;
mod pool;
mod protocol;
mod ranking;
mod report;
mod samples;
mod table;
mod temperature;

pub use accuracy::{Accuracy, AccuracyOptions, Difference, accuracy, paired_difference};
pub use attack::{AttackOptions, FgsmOptions, Robustness, fgsm, pgd};
pub use calibration::{Bin, Calibration, CalibrationOptions, CalibrationReport, calibration, calibration_of};
pub use compare::{CompareOptions, compare};
pub use feature_net::{FeatureNet, FeatureNetOptions, FeaturesOptions, feature_net};
pub use gaussian::{PixelGaussian, PixelGaussianOptions};
pub use logits::Logits;
pub use ood::{OodOptions, OodReport, OodSet, Score, Scores, ood, scores};
pub use ood_sets::{
    OOD_SETS, OodSetOptions, class_blends, given_set, interpolation, ood_set, pixel_shuffle, rotation, uniform_noise,
    usual_sets,
};
pub use pool::{Pool, pool};
pub use ranking::{Detection, auroc, auroc_difference, average_precision, detection, fpr95};
pub use report::{Comparison, GaussianReport, ModelReport, Protocol, Report, Training};
pub use samples::{
    Frechet, SampleOptions, SampleReport, SampleRow, frechet, fresh_chains, inception_score, kernel_distance,
    sample_quality,
};
pub use temperature::{Fitted, fit as fit_temperature};

pub(crate) use accuracy::wilson;
pub(crate) use logits::check_batch;
pub(crate) use table::{Table, WIDTH, digits, percent};
