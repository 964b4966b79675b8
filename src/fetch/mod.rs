//! Downloads of known data sets into the data folder: resumed where they were cut, checked, and
//! whole or absent.
//!
//! A file grows under the name `NAME.part`. Only when its checksum is right does it get its own
//! name; a wrong one is removed.

mod checksum;
mod download;
mod table;

use std::path::{Path, PathBuf};

pub use checksum::md5_of;
pub use download::Source;
pub use table::{KNOWN, Known, KnownFile, known};

use crate::data;
use crate::error::{Error, ErrorKind, Result};

/// Who is told how far a download is.
pub trait Watcher {
    /// A file begins: its name, how many bytes are there already, and how many it will have, if
    /// that is known.
    fn start(&mut self, name: &str, have: u64, total: Option<u64>);
    /// So many bytes are there.
    fn at(&mut self, bytes: u64);
    /// The file is done, or has failed.
    fn end(&mut self);
    /// Something to say.
    fn say(&mut self, text: &str);
}

/// What to fetch, from where, to where.
pub struct Order {
    /// The data set.
    pub set: &'static Known,
    /// A mirror: a URL or a folder, in place of the authors' home.
    pub from: Option<String>,
    /// The folder that gets the set's own folder; `None` for the data folder.
    pub to: Option<PathBuf>,
    /// Whether optional files come too.
    pub extra: bool,
}

impl Order {
    /// The folder of the files.
    pub fn folder(&self) -> Result<PathBuf> {
        let base = self.to.clone().or_else(data::home).ok_or_else(|| {
            Error::state(
                "fetch: there is no data folder, as neither HOME nor JEMSCRIPT_DATA is set",
            )
            .with_hint("name one: --to DIR")
        })?;
        Ok(base.join(self.set.name))
    }

    fn files(&self) -> impl Iterator<Item = &'static KnownFile> {
        let extra = self.extra;
        self.set.files.iter().filter(move |f| extra || !f.optional)
    }
}

/// How a file stands in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its checksum is right.
    Whole,
    /// It has other bytes than it should.
    Wrong,
    /// So many bytes of it are there.
    Partial(u64),
    /// Not there.
    Absent,
}

/// How a file stands; `thorough` reads it all for its checksum, else its presence counts.
pub fn standing(folder: &Path, file: &KnownFile, thorough: bool) -> Result<Standing> {
    let path = folder.join(file.name);
    if path.is_file() {
        let right = !thorough || md5_of(&path)? == file.md5;
        return Ok(if right {
            Standing::Whole
        } else {
            Standing::Wrong
        });
    }
    let part = std::fs::metadata(part_of(&path)).map(|m| m.len());
    Ok(part.map_or(Standing::Absent, Standing::Partial))
}

/// The name of a file while it grows.
fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Fetches what is not there whole. Gives the folder.
pub fn fetch(order: &Order, watcher: &mut dyn Watcher) -> Result<PathBuf> {
    let folder = order.folder()?;
    std::fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, &e))?;
    let source = Source::new(order.from.as_deref().unwrap_or(order.set.home))?;
    for file in order.files() {
        let path = folder.join(file.name);
        match standing(&folder, file, true)? {
            Standing::Whole => {
                watcher.say(&format!(
                    "{}: is there, its checksum is right",
                    path.display()
                ));
                continue;
            }
            Standing::Wrong => {
                watcher.say(&format!(
                    "{}: is broken (its checksum is wrong), fetching it again",
                    path.display()
                ));
                std::fs::remove_file(&path).map_err(|e| Error::io(&path, &e))?;
            }
            Standing::Partial(_) | Standing::Absent => {}
        }
        one(&source, file, &path, watcher)?;
    }
    Ok(folder)
}

/// Fetches one file. A partial one that turns out wrong is fetched once more from its beginning.
fn one(source: &Source, file: &KnownFile, path: &Path, watcher: &mut dyn Watcher) -> Result<()> {
    let part = part_of(path);
    let resumed = part.is_file();
    let done = source.get(file, &part, watcher);
    watcher.end();
    done?;
    let found = md5_of(&part)?;
    if found == file.md5 {
        return std::fs::rename(&part, path).map_err(|e| Error::io(path, &e));
    }
    std::fs::remove_file(&part).map_err(|e| Error::io(&part, &e))?;
    if resumed {
        watcher.say(&format!(
            "{}: the part that was there does not fit; fetching it from its beginning",
            file.name
        ));
        return one(source, file, path, watcher);
    }
    let text = format!(
        "fetch: {} has the wrong checksum: {found}, not {}",
        source.place(file.name),
        file.md5
    );
    Err(Error::new(ErrorKind::Data, text).with_hint(
        "nothing was kept; the server may be broken: try later, or a mirror: --from URL",
    ))
}
