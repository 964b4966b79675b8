//! Link flags that the libtorch bindings hand on to direct dependents only.
//!
//! `torch-sys` exports its library folder as `DEP_TCH_LIBTORCH_LIB`. We put it into the run path of
//! everything we link, so that no `LD_LIBRARY_PATH` is needed, and ask for `libtorch_cuda` by name:
//! nothing refers to its symbols, so the linker would drop it and CUDA would never be found at run
//! time.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let Some(folder) = std::env::var_os("DEP_TCH_LIBTORCH_LIB") else {
        return;
    };
    // The checkout holds a link to a shared copy: the real place outlives the checkout.
    let folder = Path::new(&folder);
    let folder = folder
        .canonicalize()
        .unwrap_or_else(|_| folder.to_path_buf());
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", folder.display());
    println!("cargo:rustc-link-search=native={}", folder.display());
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
