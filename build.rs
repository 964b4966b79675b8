//! Compiles the shims around libtorch's dispatcher and around c10d, and passes on link flags that the libtorch
//! bindings hand on to direct dependents only.
//!
//! `torch-sys` exports its library folder as `DEP_TCH_LIBTORCH_LIB`. We put it into the run path of
//! everything we link, so that no `LD_LIBRARY_PATH` is needed, and ask for `libtorch_cuda` by name:
//! nothing refers to its symbols, so the linker would drop it and CUDA would never be found at run
//! time.

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(c10d)");
    println!("cargo:rustc-check-cfg=cfg(nccl)");
    let Some(folder) = std::env::var_os("DEP_TCH_LIBTORCH_LIB") else {
        return;
    };
    // The checkout holds a link to a shared copy: the real place outlives the checkout.
    let folder = Path::new(&folder);
    let folder = folder
        .canonicalize()
        .unwrap_or_else(|_| folder.to_path_buf());
    shim(&folder);
    kernels();
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.display());
    println!("cargo:rustc-link-search=native={}", folder.display());
    world(&folder);
    if folder.join("libtorch_cuda.so").exists() {
        for flag in ["-Wl,--no-as-needed", "-ltorch_cuda", "-Wl,--as-needed"] {
            println!("cargo:rustc-link-arg={flag}");
        }
    }
    if std::env::var_os("CARGO_FEATURE_TCH_SYMBOLS").is_some()
        && let Some(out) = std::env::var_os("OUT_DIR")
    {
        let script = Path::new(&out).join("tch-symbols.map");
        if std::fs::write(
            &script,
            "{ global: at_*; atg_*; ats_*; atc_*; ato_*; atm_*; ati_*; get_and_reset_last_err; };\n",
        )
        .is_ok()
        {
            println!("cargo:rustc-link-arg=-Wl,--version-script={}", script.display());
        }
    }
    println!(
        "cargo:rustc-env=JEMSCRIPT_LIBTORCH_LIB={}",
        folder.display()
    );
}

/// The C++ of `src/world/shim`, where libtorch comes with the headers of c10d. They want Gloo's,
/// which it does not come with: our few declarations stand in their place.
fn world(libraries: &Path) {
    const OFF: &str = "JEMSCRIPT_WITHOUT_C10D";
    let shim = Path::new("src/world/shim");
    println!("cargo:rerun-if-changed={}", shim.display());
    println!("cargo:rerun-if-env-changed={OFF}");
    let include = libraries.join("../include");
    let header = include.join("torch/csrc/distributed/c10d/ProcessGroupGloo.hpp");
    if std::env::var_os(OFF).is_some() || !header.exists() {
        println!("cargo:warning=no headers of c10d: built for one process, `launch` will say so");
        return;
    }
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .std("c++20")
        .pic(true)
        .opt_level(1)
        .warnings(false)
        // What is inline of Gloo's in c10d's headers must not meet libtorch's own.
        .flag("-fvisibility=hidden")
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .define("USE_C10D_GLOO", None)
        .define("GLOG_USE_GLOG_EXPORT", None)
        .include(shim)
        .include("src/aten/shim/stub")
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .files(["world", "sum"].map(|name| shim.join(name).with_extension("cpp")));
    if std::env::var_os("CARGO_FEATURE_NCCL").is_some() && nccl(libraries, &mut build) {
        build.file(shim.join("nccl.cpp"));
        println!("cargo:rustc-cfg=nccl");
        println!("cargo:rustc-link-lib=c10_cuda");
    }
    build.compile("jemscript_world");
    println!("cargo:rustc-cfg=c10d");
}

/// Lets NCCL's backend compile: whether libtorch has it, and the headers are found. Those of NCCL must be of the
/// version that libtorch was built with, as those beside a PyTorch wheel are; a test compares sizes.
fn nccl(libraries: &Path, build: &mut cc::Build) -> bool {
    const FOLDERS: &str = "JEMSCRIPT_NCCL_INCLUDE";
    println!("cargo:rerun-if-env-changed={FOLDERS}");
    println!("cargo:rerun-if-changed=.nccl");
    let packages = libraries.join("../../nvidia");
    let given = std::env::var_os(FOLDERS).unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&given).collect();
    folders.extend([
        packages.join("nccl/include"),
        packages.join("cu13/include"),
        // What `scripts/setup.sh --nccl` installs: the two parts that the wheels do not have.
        PathBuf::from(".nccl/nvidia/cu13/include"),
        PathBuf::from("/usr/local/cuda/include"),
        PathBuf::from("/usr/local/cuda/include/cccl"),
    ]);
    let mut missing = Vec::new();
    if !libraries.join("libtorch_cuda.so").exists() {
        missing.push("libtorch_cuda.so");
    }
    let wanted = [
        "nccl.h",
        "cuda_runtime_api.h",
        "crt/host_config.h",
        "nv/target",
    ];
    missing.extend(
        wanted
            .iter()
            .filter(|name| !folders.iter().any(|f| f.join(name).exists())),
    );
    if !missing.is_empty() {
        println!(
            "cargo:warning=built without NCCL: {} not found; `scripts/setup.sh --nccl` gets the headers, {FOLDERS} names folders of your own",
            missing.join(", ")
        );
        return false;
    }
    build
        .define("USE_C10D_NCCL", None)
        .includes(folders.iter().filter(|f| f.exists()));
    true
}

/// The C++ of `src/aten/shim`, against the headers beside libtorch's library folder.
fn shim(libraries: &Path) {
    let shim = Path::new("src/aten/shim");
    println!("cargo:rerun-if-changed={}", shim.display());
    let include = libraries.join("../include");
    cc::Build::new()
        .cpp(true)
        .std("c++20")
        .pic(true)
        .opt_level(1)
        .warnings(false)
        // As libtorch itself was compiled.
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .define("GLOG_USE_GLOG_EXPORT", None)
        .include(shim.join("stub"))
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .files(["schema", "call", "transforms"].map(|name| shim.join(name).with_extension("cpp")))
        .compile("jemscript_aten");
}

/// The C++ of `src/plan/kernels`, once for each instruction set that a processor may have: the
/// program asks at run time.
fn kernels() {
    let kernels = Path::new("src/plan/kernels");
    println!("cargo:rerun-if-changed={}", kernels.display());
    let target = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let mut sets: Vec<(&str, &[&str])> = vec![("plain", &[])];
    if target == "x86_64" {
        sets.push(("avx2", &["-mavx2", "-mfma"]));
        sets.push((
            "avx512",
            &[
                "-mavx512f",
                "-mavx512dq",
                "-mavx512bw",
                "-mavx512vl",
                "-mfma",
                "-mprefer-vector-width=512",
            ],
        ));
    }
    if target == "x86_64" {
        // Without these instructions in the compiler, it is an empty file.
        sets.push((
            "bf16",
            &[
                "-mavx512f",
                "-mavx512dq",
                "-mavx512bw",
                "-mavx512vl",
                "-mavx512bf16",
                "-mfma",
                "-mprefer-vector-width=512",
            ],
        ));
    }
    for (set, flags) in sets {
        let mut build = cc::Build::new();
        build
            .cpp(true)
            .std("c++20")
            .pic(true)
            // Whatever the profile: a chain is nothing but these.
            .opt_level(3)
            .debug(false)
            .warnings(false)
            .flag("-fno-math-errno")
            .flag("-fno-trapping-math")
            .flag("-ffp-contract=fast")
            .file(kernels.join(set).with_extension("cpp"));
        for flag in flags {
            build.flag_if_supported(flag);
        }
        build.compile(&format!("jemscript_kernels_{set}"));
    }
}
