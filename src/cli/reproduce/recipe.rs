//! The recipes that can be reproduced: how their evaluation differs, what they cost, and what their
//! papers report.

use clap::ValueEnum;

/// A data set of the papers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Set {
    Cifar10,
    Cifar100,
    Svhn,
}

impl Set {
    pub(super) const ALL: [Set; 3] = [Set::Cifar10, Set::Cifar100, Set::Svhn];

    /// As scripts and `fetch` name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Set::Cifar10 => "cifar10",
            Set::Cifar100 => "cifar100",
            Set::Svhn => "svhn",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Set::Cifar10 => "CIFAR-10",
            Set::Cifar100 => "CIFAR-100",
            Set::Svhn => "SVHN",
        }
    }

    pub(super) fn classes(self) -> u64 {
        if self == Set::Cifar100 { 100 } else { 10 }
    }

    /// Images of the training files.
    pub(super) fn images(self) -> u64 {
        if self == Set::Svhn { 73_257 } else { 50_000 }
    }
}

/// A method, as its paper sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Recipe {
    /// Grathwohl et al., 2020
    Jem,
    /// Yang and Ji, 2021
    #[value(name = "jem++")]
    JemPp,
    /// Yang, Su and Ji, 2023
    SadaJem,
    /// The same network without p(x): the baseline
    CrossEntropy,
}

/// What a training of a recipe is made of; the scripts hold the same numbers, and a test compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) epochs: u64,
    /// Labelled images in a step.
    pub(super) batch: u64,
    /// Images for p(x), and as many chains.
    pub(super) p_x_batch: u64,
    /// Steps of a chain.
    pub(super) steps: u64,
    /// Gradients of the weights in a step: two with sharpness-aware minimisation.
    pub(super) gradients: u64,
}

impl Recipe {
    /// As scripts and the command line have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Recipe::Jem => "jem",
            Recipe::JemPp => "jem++",
            Recipe::SadaJem => "sada-jem",
            Recipe::CrossEntropy => "cross-entropy",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Recipe::Jem => "JEM",
            Recipe::JemPp => "JEM++",
            Recipe::SadaJem => "SADA-JEM",
            Recipe::CrossEntropy => "Cross-entropy alone",
        }
    }

    /// Whether it learns p(x), so that there are samples to judge.
    pub(super) fn samples(self) -> bool {
        self != Recipe::CrossEntropy
    }

    /// The network's normalisation.
    pub(super) fn norm(self) -> &'static str {
        match self {
            Recipe::Jem | Recipe::CrossEntropy => "none",
            Recipe::JemPp | Recipe::SadaJem => "batch",
        }
    }

    /// Noise on the test images in its authors' evaluation.
    pub(super) fn noise(self) -> f64 {
        if self == Recipe::Jem { 0.03 } else { 0.0 }
    }

    pub(super) fn size(self) -> Size {
        let jem = Size {
            epochs: 200,
            batch: 64,
            p_x_batch: 64,
            steps: 20,
            gradients: 1,
        };
        match self {
            Recipe::Jem => jem,
            Recipe::JemPp => Size {
                epochs: 150,
                steps: 10,
                ..jem
            },
            Recipe::SadaJem => Size {
                batch: 128,
                steps: 5,
                gradients: 2,
                ..jem
            },
            Recipe::CrossEntropy => Size {
                p_x_batch: 0,
                steps: 0,
                ..jem
            },
        }
    }

    /// Figures of the paper for this set; none are kept for other sets than CIFAR-10.
    pub(super) fn published(self, set: Set) -> Vec<Published> {
        if set != Set::Cifar10 {
            return Vec::new();
        }
        let main = |source, [accuracy, inception, frechet]: [&'static str; 3], noise| {
            vec![
                Published::new("accuracy, %", "accuracy", accuracy, source, noise),
                Published::new(
                    "Inception Score",
                    "samples.replay_buffer.inception",
                    inception,
                    source,
                    INCEPTION,
                ),
                Published::new("FID", "samples.replay_buffer", frechet, source, INCEPTION),
            ]
        };
        match self {
            Recipe::Jem => {
                let mut all = main(
                    "Grathwohl et al., ICLR 2020, table 1",
                    ["92.9", "8.76", "38.4"],
                    "noise of 0.03 on the test images, as there",
                );
                all.extend(detection([
                    ("log_p_x", ["0.67", "0.65", "0.67", "0.75"]),
                    ("max_p_y", ["0.89", "0.75", "0.87", "0.79"]),
                    ("mass", ["0.83", "0.78", "0.82", "0.79"]),
                ]));
                all
            }
            Recipe::JemPp => main(
                "Yang and Ji, ICCV 2021, M = 10",
                ["93.5", "8.29", "37.1"],
                CLEAN,
            ),
            Recipe::SadaJem => main(
                "Yang, Su and Ji, CVPR 2023",
                ["95.5", "8.77", "9.41"],
                "the paper's code takes the best epoch on the test images and trains on all 50,000; \
                 here a validation part decides",
            ),
            Recipe::CrossEntropy => vec![Published::new(
                "accuracy, %",
                "accuracy",
                "95.8",
                "WRN-28-10 with batch norm, as the papers quote it",
                "batch norm there, none here",
            )],
        }
    }
}

const CLEAN: &str = "no noise on the test images, as there; chains start from class Gaussians of plain images here, of augmented ones there";
const INCEPTION: &str = "there features of the Inception network of 2015; here those of the network given, the replay buffer against training images";
const CELEBA: &str = "CelebA is not among the sets here";

/// JEM's table of detection, on SVHN, interpolations, CIFAR-100 and CelebA.
fn detection(rows: [(&str, [&'static str; 4]); 3]) -> Vec<Published> {
    const SETS: [(&str, &str, &str); 4] = [
        ("SVHN", "svhn", "equal numbers on both sides here"),
        (
            "interpolations",
            "interpolation",
            "halves of random pairs of test images here",
        ),
        ("CIFAR-100", "cifar100", "equal numbers on both sides here"),
        ("CelebA", "celeba", CELEBA),
    ];
    let mut all = Vec::new();
    for (score, values) in rows {
        let shown = match score {
            "log_p_x" => "log p(x)",
            "max_p_y" => "max p(y|x)",
            _ => "approximate mass",
        };
        for ((title, key, differs), value) in SETS.into_iter().zip(values) {
            all.push(Published::new(
                &format!("AUROC, {title}, {shown}"),
                &format!("ood.{key}.{score}"),
                value,
                "Grathwohl et al., ICLR 2020, table 3",
                differs,
            ));
        }
    }
    all
}

/// A published figure, and where ours stands in a report.
pub(super) struct Published {
    pub(super) what: String,
    pub(super) path: String,
    /// As printed.
    pub(super) value: &'static str,
    pub(super) source: &'static str,
    /// How the protocols differ.
    pub(super) differs: &'static str,
}

impl Published {
    fn new(
        what: &str,
        path: &str,
        value: &'static str,
        source: &'static str,
        differs: &'static str,
    ) -> Published {
        Published {
            what: what.to_owned(),
            path: path.to_owned(),
            value,
            source,
            differs,
        }
    }

    /// Whether it is a number in the features of the Inception network.
    pub(super) fn in_features(&self) -> bool {
        self.path.starts_with("samples.")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a panic is how a test fails
mod tests {
    use super::*;
    use crate::script::{Program, Settings};

    /// The cost is estimated from the numbers that the scripts train with.
    #[test]
    fn sizes_are_those_of_the_scripts() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
        for recipe in [Recipe::Jem, Recipe::JemPp, Recipe::SadaJem] {
            let code = match recipe {
                Recipe::Jem => "import \"lib/jem\" as l; l::jem_settings()".to_owned(),
                r => format!("import \"lib/followers\" as l; l::settings({:?})", r.name()),
            };
            let program = Program::new(Settings {
                folder: folder.clone(),
                ..Settings::default()
            });
            let found = program
                .run_text("settings", &code)
                .unwrap_or_else(|e| panic!("{e}"))
                .cast::<rhai::Map>();
            let number = |key: &str| found.get(key).map(|v| v.as_int().unwrap() as u64);
            let sam = found
                .get("rho")
                .is_some_and(|r| r.as_float().unwrap() > 0.0);
            let batch = number("batch_size").unwrap();
            let expected = Size {
                epochs: number("epochs").unwrap(),
                batch,
                p_x_batch: number("p_x_batch").unwrap_or(batch),
                steps: number("steps").unwrap(),
                gradients: if sam { 2 } else { 1 },
            };
            assert_eq!(recipe.size(), expected, "{recipe:?}");
        }
    }
}
