//! How others start this program: Jupyter, and the job files of sweeps.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// What the Python package's launcher says of itself: it knows where libtorch is, the program in
/// the package need not.
const LAUNCHER: &str = "JEMSCRIPT_PROGRAM";

/// The path that starts this program, from anywhere.
pub(super) fn path(asker: &str) -> Result<PathBuf> {
    let launcher = std::env::var_os(LAUNCHER).map(PathBuf::from);
    if let Some(launcher) = launcher.filter(|p| in_package().is_some() && p.is_file()) {
        return Ok(launcher);
    }
    std::env::current_exe()
        .map_err(|e| Error::state(format!("{asker}: where is this program? {e}")))
}

/// The folder of the Python package that this program lies in, where pip installed it.
pub(super) fn in_package() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let folder = program.parent()?;
    is_package(folder).then(|| folder.to_path_buf())
}

fn is_package(folder: &Path) -> bool {
    folder.join("__init__.py").is_file() && folder.join("__main__.py").is_file()
}
