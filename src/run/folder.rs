//! A folder that is made when it is first needed, and names that stay inside it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, ErrorKind as Kind, Result};

/// `O_NOFOLLOW` and `O_NONBLOCK` of Linux on x86-64, the one system that the program is built for.
const NO_FOLLOW: i32 = 0o400_000;
pub(super) const NO_WAIT: i32 = 0o4_000;

/// Opens a file of the program's own to add to it. Where a link stands in its place, that is an
/// error: it would lead the program's writes to wherever a stranger pointed it.
pub fn append_to(path: &Path) -> std::io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .custom_flags(NO_FOLLOW | NO_WAIT)
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(std::io::Error::other("not a plain file"))
    }
}

/// A folder to be made, or made.
pub(super) struct Folder {
    /// Its parent and its name there; without a name the path is the folder itself.
    path: PathBuf,
    name: Option<String>,
    made: Option<PathBuf>,
}

impl Folder {
    pub(super) fn new(path: PathBuf, name: Option<String>) -> Folder {
        Folder {
            path,
            name,
            made: None,
        }
    }

    /// A folder that is there already.
    pub(super) fn existing(path: PathBuf) -> Folder {
        Folder {
            made: Some(path.clone()),
            path,
            name: None,
        }
    }

    pub(super) fn made(&self) -> Option<&Path> {
        self.made.as_deref()
    }

    /// Makes the folder. A name that is taken gets a number: two runs that start in one second do
    /// not share a folder.
    pub(super) fn make(&mut self) -> Result<&Path> {
        fs::create_dir_all(&self.path).map_err(|e| Error::io(&self.path, &e))?;
        let mut found = self.path.clone();
        if let Some(name) = &self.name {
            for count in 1.. {
                found = self.path.join(if count == 1 {
                    name.clone()
                } else {
                    format!("{name}-{count}")
                });
                match fs::create_dir(&found) {
                    Ok(()) => break,
                    Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                    Err(e) => return Err(Error::io(&found, &e)),
                }
            }
        }
        Ok(self.made.insert(found))
    }
}

/// A name without what would lead out of the folder: roots, `..` and `.`.
pub(crate) fn inside(name: &str) -> String {
    let parts = Path::new(name).components().filter_map(|c| match c {
        Component::Normal(part) => Some(part.to_string_lossy()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Makes the folders that a name inside a folder needs.
pub(super) fn make_parents(folder: &Path, name: &str) -> Result<()> {
    let target = folder.join(name);
    let Some(parent) = target.parent() else {
        return Ok(());
    };
    // A link on the way must not make folders, or files, elsewhere: what is there already is looked
    // at first.
    let there = parent
        .ancestors()
        .find(|p| p.symlink_metadata().is_ok())
        .unwrap_or(folder);
    let real = |p: &Path| p.canonicalize().map_err(|e| Error::io(p, &e));
    if !real(there)?.starts_with(real(folder)?) {
        return Err(Error::new(
            Kind::Io,
            format!("{name:?} leads out of its folder through a link"),
        ));
    }
    fs::create_dir_all(parent).map_err(|e| Error::io(parent, &e))
}

/// Writes a file inside a folder.
pub(super) fn write_under(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    make_parents(folder, name)?;
    crate::formats::write_atomically(&folder.join(name), bytes)
}
