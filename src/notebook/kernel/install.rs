//! The kernelspec: the folder by which Jupyter knows the kernel.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::formats::write_atomically;
use crate::notebook::user;

/// The name of the kernel, and of its folder.
pub const NAME: &str = "jemscript";

/// Where Jupyter looks for kernels.
pub enum Place {
    /// The user's own data folder.
    User,
    /// `share/jupyter` below this folder: an environment, `/usr/local`.
    Prefix(PathBuf),
}

impl Place {
    /// The folder of a kernel's spec.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let data = match self {
            Place::Prefix(prefix) => prefix.join("share/jupyter"),
            // As `jupyter --data-dir` prints it.
            Place::User => match user::named("JUPYTER_DATA_DIR") {
                Some(folder) => folder,
                None => user::data()?.join("jupyter"),
            },
        };
        Ok(data.join("kernels").join(name))
    }
}

/// Writes the spec of the language's kernel: Jupyter starts `program kernel run OPTIONS
/// CONNECTION_FILE`. Gives its folder.
pub fn install(place: &Place, program: &Path, options: &[String]) -> Result<PathBuf> {
    let entry = json!({
        "argv": argv(program, options),
        "display_name": "jemscript",
        "language": "jemscript",
        "interrupt_mode": "message",
        "metadata": { "debugger": false },
    });
    write(place, NAME, &entry)
}

/// How Jupyter starts a kernel of this program.
pub fn argv(program: &Path, options: &[String]) -> Vec<String> {
    let mut argv = vec![
        program.display().to_string(),
        "kernel".to_owned(),
        "run".to_owned(),
    ];
    argv.extend_from_slice(options);
    argv.push("{connection_file}".to_owned());
    argv
}

/// Writes a kernelspec; gives its folder.
pub fn write(place: &Place, name: &str, entry: &Value) -> Result<PathBuf> {
    let folder = place.folder(name)?;
    std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, &e))?;
    write_atomically(
        &folder.join("kernel.json"),
        format!("{entry:#}\n").as_bytes(),
    )?;
    write_atomically(
        &folder.join("logo-64x64.png"),
        include_bytes!("logo-64x64.png"),
    )?;
    Ok(folder)
}

/// Removes a kernelspec; `None` where there was none. What is not ours stays.
pub fn uninstall(place: &Place, name: &str) -> Result<Option<PathBuf>> {
    let folder = place.folder(name)?;
    let file = folder.join("kernel.json");
    if !file.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&file).map_err(|e| Error::io(&file, &e))?;
    let found: Value = serde_json::from_str(&text).unwrap_or_default();
    if found["argv"][1] != "kernel" || found["argv"][2] != "run" {
        return Err(Error::state(format!(
            "kernel: {} was not written by jemscript",
            file.display()
        )));
    }
    std::fs::remove_dir_all(&folder).map_err(|e| Error::io(&folder, &e))?;
    Ok(Some(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_comes_and_goes() -> Result<()> {
        let folder = tempfile::tempdir().map_err(|e| Error::state(e.to_string()))?;
        let place = Place::Prefix(folder.path().to_path_buf());
        assert!(uninstall(&place, NAME)?.is_none());
        let made = install(
            &place,
            Path::new("/bin/jemscript"),
            &["--seed".to_owned(), "3".to_owned()],
        )?;
        assert_eq!(made, folder.path().join("share/jupyter/kernels/jemscript"));
        let text = std::fs::read_to_string(made.join("kernel.json")).unwrap_or_default();
        let spec: Value = serde_json::from_str(&text).unwrap_or_default();
        assert_eq!(
            spec["argv"],
            json!([
                "/bin/jemscript",
                "kernel",
                "run",
                "--seed",
                "3",
                "{connection_file}"
            ])
        );
        assert_eq!(uninstall(&place, NAME)?.as_ref(), Some(&made));
        assert!(!made.exists());
        // Another program's kernel of the same name is not removed.
        std::fs::create_dir_all(&made).map_err(|e| Error::io(&made, &e))?;
        write_atomically(&made.join("kernel.json"), br#"{"argv": ["x"]}"#)?;
        assert!(uninstall(&place, NAME).is_err() && made.exists());
        Ok(())
    }
}
