//! `jemscript doctor`: the versions in use, where libtorch was found, devices and threads, and what
//! is wrong with them.
//!
//! Facts are gathered into a [`Checkup`]; what is wrong is decided from it alone, so that the tests
//! can be other machines.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::run::LIBTORCH_VERSION;
use crate::tensor::{Device, Kind, Tensor, device_name};

/// Where libtorch was when this program was built.
const LIBTORCH_LIB: &str = env!("JEMSCRIPT_LIBTORCH_LIB");

/// Prints what the program runs on, and every problem with its remedy. Returns whether there is no
/// problem.
pub fn doctor() -> anyhow::Result<bool> {
    let checkup = Checkup::of_this_machine();
    let problems = checkup.problems();
    let mut out = std::io::stdout().lock();
    write!(out, "{}", checkup.report())?;
    for problem in &problems {
        writeln!(
            out,
            "\nproblem: {}\n  = remedy: {}",
            problem.what, problem.remedy
        )?;
    }
    if problems.is_empty() {
        writeln!(out, "\nAll is well.")?;
    }
    out.flush()?;
    Ok(problems.is_empty())
}

/// What is wrong, and what to do about it.
struct Problem {
    what: String,
    remedy: String,
}

/// What was found on a machine.
#[derive(Clone)]
struct Checkup {
    /// Whether pip installed this program: libtorch is then where pip put it.
    installed: bool,
    /// The folder of the libtorch in use, and its version where a file says it.
    libtorch: Option<PathBuf>,
    version: Option<String>,
    /// Whether that folder has CUDA's half of libtorch, and whether this process loaded it.
    cuda_present: bool,
    cuda_linked: bool,
    /// The NVIDIA driver's version and the cards that it shows, if there is a driver.
    driver: Option<String>,
    cards: Vec<String>,
    /// CUDA devices that libtorch can use, and a line on CUDA's libraries.
    cuda_devices: usize,
    cuda_libraries: String,
    threads: usize,
    cores: usize,
    /// Memory in bytes: free for use, and all.
    memory: Option<(u64, u64)>,
    /// What the self-test said for each device.
    self_test: Vec<(Device, std::result::Result<(), String>)>,
}

impl Checkup {
    fn of_this_machine() -> Checkup {
        // The mapped files tell which copy of libtorch the loader took, whatever was meant at build
        // time.
        let maps = read("/proc/self/maps");
        let libtorch = mapped_folder(&maps, "libtorch_cpu.so");
        let count = if tch::Cuda::is_available() {
            tch::Cuda::device_count().max(0) as usize
        } else {
            0
        };
        let devices = std::iter::once(Device::Cpu).chain((0..count).map(Device::Cuda));
        Checkup {
            installed: super::program::in_package().is_some(),
            version: libtorch
                .as_deref()
                .and_then(Path::parent)
                .and_then(version_in),
            cuda_present: libtorch
                .as_ref()
                .is_some_and(|f| f.join("libtorch_cuda.so").exists()),
            cuda_linked: mapped_folder(&maps, "libtorch_cuda.so").is_some(),
            libtorch,
            driver: driver_version(&read("/proc/driver/nvidia/version")),
            cards: cards(),
            cuda_devices: count,
            cuda_libraries: if count > 0 {
                cuda_libraries()
            } else {
                String::new()
            },
            threads: tch::get_num_threads().max(0) as usize,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: crate::proc::memory(),
            self_test: devices
                .map(|d| (d, self_test(d).map_err(|e| e.to_string())))
                .collect(),
        }
    }

    fn report(&self) -> String {
        let libtorch = match &self.libtorch {
            Some(folder) => format!(
                "{}, {}",
                self.version.as_deref().unwrap_or("unknown version"),
                folder.display()
            ),
            None => format!("built with {LIBTORCH_LIB}"),
        };
        let openmp = std::env::var("OMP_NUM_THREADS")
            .map(|n| format!(" (OMP_NUM_THREADS={n})"))
            .unwrap_or_default();
        let linked = if self.cuda_linked {
            "linked"
        } else {
            "not linked"
        };
        let usable = match (self.cuda_devices, &self.driver) {
            (0, None) => "not usable: no NVIDIA driver on this machine".to_owned(),
            (0, Some(driver)) => format!("not usable, with driver {driver}"),
            (_, driver) => {
                format!(
                    "usable, driver {}, {}",
                    driver.as_deref().unwrap_or("unknown"),
                    self.cuda_libraries
                )
            }
        };
        let devices: Vec<String> = self
            .self_test
            .iter()
            .map(|(d, _)| device_name(*d))
            .collect();
        let tests = self.self_test.iter().map(|(d, outcome)| {
            let said = if outcome.is_ok() { "passed" } else { "failed" };
            format!("{said} on {}", device_name(*d))
        });
        let mut rows = vec![
            ("language", format!("rhai {}", locked_version("rhai"))),
            (
                "bindings",
                format!(
                    "tch {}, for libtorch {LIBTORCH_VERSION}",
                    locked_version("tch")
                ),
            ),
            ("libtorch", libtorch),
            ("CUDA", format!("{linked}, {usable}")),
            ("devices", devices.join(", ")),
            (
                "ranks",
                match crate::world::backends() {
                    Ok(names) => format!("{} (c10d of libtorch)", names.join(", ")),
                    Err(missing) => format!("one process only: {missing}"),
                },
            ),
            (
                "threads",
                format!("{} on {} cores{openmp}", self.threads, self.cores),
            ),
            (
                "chains",
                format!(
                    "networks written out, kernels for {}",
                    crate::plan::instruction_set()
                ),
            ),
            ("self-test", tests.collect::<Vec<_>>().join(", ")),
        ];
        if !self.cards.is_empty() {
            rows.insert(4, ("cards", self.cards.join(", ")));
        }
        if let Some((free, all)) = self.memory {
            rows.push((
                "memory",
                format!("{:.1} GB free of {:.1} GB", gigabytes(free), gigabytes(all)),
            ));
        }
        let mut text = format!("jemscript {}\n", env!("CARGO_PKG_VERSION"));
        for (name, value) in rows {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name:<10} {value}");
        }
        text
    }

    fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut add = |what: String, remedy: &str| {
            found.push(Problem {
                what,
                remedy: remedy.to_owned(),
            })
        };
        if let Some(folder) = &self.libtorch
            && folder != Path::new(LIBTORCH_LIB)
            && !self.installed
        {
            add(
                format!(
                    "libtorch was loaded from {}, and the program was built with {LIBTORCH_LIB}",
                    folder.display()
                ),
                "run `unset LD_LIBRARY_PATH`; if it is not set, build the program again",
            );
        }
        if let Some(version) = &self.version
            && version.split('+').next() != Some(LIBTORCH_VERSION)
        {
            add(
                format!(
                    "libtorch has version {version}, and the bindings are made for {LIBTORCH_VERSION}"
                ),
                "run `unset LIBTORCH LD_LIBRARY_PATH`, then `make setup` and `make build` in the source folder",
            );
        }
        if self.cuda_present && !self.cuda_linked {
            add(
                "libtorch has CUDA, and the program is not linked to it".to_owned(),
                "build the program with `make build` or `cargo install --path .`, whose build script links it",
            );
        }
        if self.driver.is_some() && self.cuda_devices == 0 {
            if self.cuda_linked {
                add(
                    "there is an NVIDIA driver, and libtorch can use no device".to_owned(),
                    "check that `nvidia-smi` lists a card, that CUDA_VISIBLE_DEVICES is unset, and that the driver is new enough",
                );
            } else if !self.cuda_present {
                add(
                    "there is an NVIDIA driver, and this libtorch is for the CPU only".to_owned(),
                    "run `unset LIBTORCH`, remove the link .libtorch, and run `make setup`: it installs one with CUDA",
                );
            }
        }
        if self.threads > self.cores {
            add(
                format!(
                    "libtorch uses {} threads on {} cores, which is slow",
                    self.threads, self.cores
                ),
                "unset OMP_NUM_THREADS, or pass --threads",
            );
        }
        if let Some((free, _)) = self.memory
            && free < 1 << 30
        {
            add(
                format!("only {:.1} GB of memory are free", gigabytes(free)),
                "end other programs before you train",
            );
        }
        for (device, outcome) in &self.self_test {
            if let Err(error) = outcome {
                let name = device_name(*device);
                add(
                    format!("self-test on {name}: {error}"),
                    "use another device, and report this with the lines above",
                );
            }
        }
        found
    }
}

/// A matrix product and a gradient that are known.
fn self_test(device: Device) -> crate::Result<()> {
    let a = Tensor::from_f64(&[1.0, 2.0, 3.0, 4.0], &[2, 2], Kind::Float, device)?;
    expect(
        "the product of two matrices",
        &a.matmul(&a)?,
        &[7.0, 10.0, 15.0, 22.0],
    )?;
    // The derivative of the sum of x³ is 3x².
    let x = a.leaf()?;
    let cubes = x.raw().f_pow_tensor_scalar(3)?;
    let gradient = Tensor::gradients(&Tensor::from(cubes).sum()?, &[&x], false)?.remove(0);
    expect("a gradient", &gradient, &[3.0, 12.0, 27.0, 48.0])
}

fn expect(what: &str, found: &Tensor, wanted: &[f64]) -> crate::Result<()> {
    let found = found.to_vec()?;
    if found == wanted {
        return Ok(());
    }
    Err(crate::Error::state(format!(
        "{what} is wrong: {found:?} instead of {wanted:?}"
    )))
}

/// The text of a file; nothing where it cannot be read.
fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The folder of a mapped library, from the text of `/proc/self/maps`.
fn mapped_folder(maps: &str, library: &str) -> Option<PathBuf> {
    let paths = maps
        .lines()
        .filter_map(|line| Some(Path::new(&line[line.find('/')?..])));
    paths
        .into_iter()
        .find(|p| p.file_name().is_some_and(|n| n == library))?
        .parent()
        .map(Path::to_path_buf)
}

/// The version that a libtorch folder says it has: in `build-version`, or in the Python package's
/// `version.py`.
fn version_in(libtorch: &Path) -> Option<String> {
    if let Ok(text) = std::fs::read_to_string(libtorch.join("build-version")) {
        return text.lines().next().map(|line| line.trim().to_owned());
    }
    let text = std::fs::read_to_string(libtorch.join("version.py")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("__version__ = "))?;
    Some(line.trim_matches(['\'', '"']).to_owned())
}

/// The version of a dependency in the lock file that this program was built with.
fn locked_version(name: &str) -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let entry = lock
        .split_once(&format!("name = \"{name}\"\nversion = \""))
        .map(|(_, rest)| rest);
    entry
        .and_then(|rest| rest.split('"').next())
        .unwrap_or("of unknown version")
}

/// The version in the first line of `/proc/driver/nvidia/version`.
fn driver_version(text: &str) -> Option<String> {
    let numbered =
        |word: &&str| word.contains('.') && word.split('.').all(|part| part.parse::<u32>().is_ok());
    text.lines()
        .next()?
        .split_whitespace()
        .find(numbered)
        .map(str::to_owned)
}

/// The models of the NVIDIA cards that the driver shows.
fn cards() -> Vec<String> {
    let Ok(folders) = std::fs::read_dir("/proc/driver/nvidia/gpus") else {
        return Vec::new();
    };
    let texts = folders
        .flatten()
        .map(|folder| read(&folder.path().join("information").to_string_lossy()));
    texts
        .filter_map(|text| {
            Some(
                text.lines()
                    .find_map(|l| l.strip_prefix("Model:"))?
                    .trim()
                    .to_owned(),
            )
        })
        .collect()
}

/// The versions of CUDA's libraries. Only where a device is usable: libtorch throws elsewhere.
fn cuda_libraries() -> String {
    let runtime = tch::utils::version_cudart();
    let cudnn = match tch::utils::version_cudnn() {
        version if tch::Cuda::cudnn_is_available() => format!("cuDNN {version}"),
        _ => "no cuDNN".to_owned(),
    };
    format!(
        "CUDA runtime {}.{}, {cudnn}",
        runtime / 1000,
        runtime % 1000 / 10
    )
}

fn gigabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1u32 << 30)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with nothing wrong.
    fn healthy() -> Checkup {
        Checkup {
            installed: false,
            libtorch: Some(PathBuf::from(LIBTORCH_LIB)),
            version: Some(format!("{LIBTORCH_VERSION}+cu130")),
            cuda_present: true,
            cuda_linked: true,
            driver: None,
            cards: Vec::new(),
            cuda_devices: 0,
            cuda_libraries: String::new(),
            threads: 2,
            cores: 2,
            memory: Some((8 << 30, 16 << 30)),
            self_test: vec![(Device::Cpu, Ok(()))],
        }
    }

    fn complaints(checkup: &Checkup) -> String {
        checkup
            .problems()
            .iter()
            .map(|p| p.what.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn this_machine_is_seen_as_it_is() {
        let checkup = Checkup::of_this_machine();
        let folder = checkup
            .libtorch
            .as_deref()
            .expect("the loaded libtorch is seen");
        assert!(folder.join("libtorch_cpu.so").exists());
        let version = checkup.version.as_deref().expect("its version is seen");
        assert_eq!(version.split('+').next(), Some(LIBTORCH_VERSION));
        assert_eq!(
            checkup.cuda_linked, checkup.cuda_present,
            "CUDA is linked where libtorch has it"
        );
        assert_eq!(checkup.self_test[0], (Device::Cpu, Ok(())));
        assert!(checkup.cores >= 1 && checkup.threads >= 1);
        let report = checkup.report();
        for fact in [
            "rhai 1.",
            "tch 0.",
            LIBTORCH_VERSION,
            "cpu",
            "threads",
            "GB free of",
            "passed on cpu",
        ] {
            assert!(report.contains(fact), "no `{fact}` in\n{report}");
        }
    }

    #[test]
    fn the_version_is_the_one_that_setup_installs() {
        let list = include_str!("../../scripts/requirements.txt");
        assert!(
            list.lines()
                .any(|line| line == format!("torch=={LIBTORCH_VERSION}")),
            "{list}"
        );
    }

    #[test]
    fn a_healthy_machine_has_no_problem() {
        assert_eq!(complaints(&healthy()), "");
        let gpu = Checkup {
            driver: Some("580.1".to_owned()),
            cuda_devices: 1,
            ..healthy()
        };
        assert_eq!(complaints(&gpu), "");
        let by_pip = Checkup {
            installed: true,
            libtorch: Some(PathBuf::from("/env/site-packages/torch/lib")),
            ..healthy()
        };
        assert_eq!(complaints(&by_pip), "");
        let cpu_only = Checkup {
            cuda_present: false,
            cuda_linked: false,
            ..healthy()
        };
        assert_eq!(complaints(&cpu_only), "");
    }

    #[test]
    fn each_problem_is_named_alone() {
        let driver = Some("580.1".to_owned());
        let failed = vec![(
            Device::Cpu,
            Err("the product of two matrices is wrong".to_owned()),
        )];
        for (checkup, words) in [
            (
                Checkup {
                    libtorch: Some(PathBuf::from("/elsewhere/lib")),
                    ..healthy()
                },
                "loaded from /elsewhere/lib",
            ),
            (
                Checkup {
                    version: Some("2.7.0+cpu".to_owned()),
                    ..healthy()
                },
                "version 2.7.0+cpu",
            ),
            (
                Checkup {
                    cuda_linked: false,
                    ..healthy()
                },
                "not linked",
            ),
            (
                Checkup {
                    driver: driver.clone(),
                    ..healthy()
                },
                "can use no device",
            ),
            (
                Checkup {
                    driver,
                    cuda_present: false,
                    cuda_linked: false,
                    ..healthy()
                },
                "for the CPU only",
            ),
            (
                Checkup {
                    threads: 64,
                    ..healthy()
                },
                "64 threads on 2 cores",
            ),
            (
                Checkup {
                    memory: Some((1 << 28, 1 << 30)),
                    ..healthy()
                },
                "only 0.2 GB",
            ),
            (
                Checkup {
                    self_test: failed,
                    ..healthy()
                },
                "self-test on cpu: the product",
            ),
        ] {
            assert_eq!(checkup.problems().len(), 1, "{}", complaints(&checkup));
            assert!(
                complaints(&checkup).contains(words),
                "no `{words}` in: {}",
                complaints(&checkup)
            );
        }
    }

    #[test]
    fn files_of_the_system_are_read_right() {
        let maps = "7f00-7f01 r-xp 00000000 fe:00 12   /opt/my torch/lib/libtorch_cpu.so\n7f02-7f03 rw-p 0 00:00 0 [heap]\n";
        assert_eq!(
            mapped_folder(maps, "libtorch_cpu.so"),
            Some(PathBuf::from("/opt/my torch/lib"))
        );
        assert_eq!(mapped_folder(maps, "libtorch_cuda.so"), None);
        let nvidia = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\nGCC version: 12\n";
        assert_eq!(driver_version(nvidia).as_deref(), Some("580.65.06"));
        assert_eq!(driver_version(""), None);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(version_in(folder.path()), None);
        std::fs::write(
            folder.path().join("version.py"),
            "debug = False\n__version__ = '2.13.0+cu130'\n",
        )
        .unwrap();
        assert_eq!(version_in(folder.path()).as_deref(), Some("2.13.0+cu130"));
        std::fs::write(folder.path().join("build-version"), "2.13.0+cpu\n").unwrap();
        assert_eq!(version_in(folder.path()).as_deref(), Some("2.13.0+cpu"));
    }

    #[test]
    fn the_self_test_can_fail() {
        let two = Tensor::scalar(2.0).unwrap();
        assert!(expect("two", &two, &[2.0]).is_ok());
        assert!(
            expect("two", &two, &[3.0])
                .unwrap_err()
                .message()
                .contains("two is wrong")
        );
    }
}
