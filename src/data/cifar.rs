//! CIFAR-10 and CIFAR-100 (A. Krizhevsky, 2009): 32×32 colour images, from the binary or the Python
//! archive, packed or not.
//!
//! A record of a binary file is one label byte (CIFAR-100: two, coarse and fine), then 1,024 red,
//! green and blue bytes each, row by row. A Python file is a pickled dictionary with the same bytes
//! as an array; [`crate::pickle`] reads it.

use super::Dataset;
use super::archive::{Form, collect};
use super::images::{ImageOptions, Images, Source};
use super::places::find_folder;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::pickle::{Code, Machine, Node, Nothing, Number};

/// Bytes of an image.
const PIXELS: usize = 3 * 32 * 32;

const BINARY_10: Form = Form {
    archive: "cifar-10-binary.tar.gz",
    folder: "cifar-10-batches-bin",
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: "test_batch.bin",
};
const PYTHON_10: Form = Form {
    archive: "cifar-10-python.tar.gz",
    folder: "cifar-10-batches-py",
    train: &[
        "data_batch_1",
        "data_batch_2",
        "data_batch_3",
        "data_batch_4",
        "data_batch_5",
    ],
    test: "test_batch",
};
const BINARY_100: Form = Form {
    archive: "cifar-100-binary.tar.gz",
    folder: "cifar-100-binary",
    train: &["train.bin"],
    test: "test.bin",
};
const PYTHON_100: Form = Form {
    archive: "cifar-100-python.tar.gz",
    folder: "cifar-100-python",
    train: &["train"],
    test: "test",
};

crate::options! {
    /// Options of [`cifar100`].
    pub struct Cifar100Options for "data::cifar100" {
        include images: ImageOptions = ImageOptions::default(),
        /// the 20 coarse classes in place of the 100 fine ones
        coarse: bool = false,
    }
}

/// How the labels of a set are found.
struct Labels {
    /// Label bytes before each image, and which of them counts.
    bytes: usize,
    at: usize,
    /// The key of the list in a Python file.
    key: &'static str,
    classes: i64,
}

/// CIFAR-10: 50,000 training and 10,000 test images in 10 classes.
pub fn cifar10(options: &ImageOptions) -> Result<Dataset> {
    let labels = Labels {
        bytes: 1,
        at: 0,
        key: "labels",
        classes: 10,
    };
    read(
        "cifar10",
        "CIFAR-10",
        &[BINARY_10, PYTHON_10],
        &labels,
        options,
    )
}

/// CIFAR-100: 50,000 training and 10,000 test images in 100 classes, or in 20 coarse ones.
pub fn cifar100(options: &Cifar100Options) -> Result<Dataset> {
    let labels = match options.coarse {
        true => Labels {
            bytes: 2,
            at: 0,
            key: "coarse_labels",
            classes: 20,
        },
        false => Labels {
            bytes: 2,
            at: 1,
            key: "fine_labels",
            classes: 100,
        },
    };
    let title = if options.coarse {
        "CIFAR-100 (coarse classes)"
    } else {
        "CIFAR-100"
    };
    read(
        "cifar100",
        title,
        &[BINARY_100, PYTHON_100],
        &labels,
        &options.images,
    )
}

fn read(
    name: &str,
    title: &str,
    forms: &[Form; 2],
    labels: &Labels,
    options: &ImageOptions,
) -> Result<Dataset> {
    let function = format!("data::{name}");
    options.check_for(&function)?;
    let [binary, python] = forms;
    let files = format!(
        "{}, {} or what is inside one of them",
        binary.archive, python.archive
    );
    let folder = find_folder(&function, name, options.folder.as_deref(), &files)?;
    for (form, is_python) in [(binary, false), (python, true)] {
        let Some(mut files) = collect(&folder, form)? else {
            continue;
        };
        // A file's bytes are let go as soon as its images are there.
        let mut images = |file: &str| {
            let what = format!("{}: {file}", folder.display());
            let bytes = files.remove(file).unwrap_or_default();
            if is_python {
                from_pickle(&what, &bytes, labels)
            } else {
                from_records(&what, &bytes, labels)
            }
        };
        let train = form
            .train
            .iter()
            .map(|f| images(f))
            .collect::<Result<_>>()?;
        return Source {
            name,
            about: format!("{title} (A. Krizhevsky, 2009), from {}.", folder.display()),
            classes: labels.classes,
            train: Images::concat(&function, train)?,
            test: images(form.test)?,
        }
        .dataset(options);
    }
    Err(Error::data(format!(
        "{function}: no {} in {}",
        binary.archive,
        folder.display()
    ))
    .with_hint(format!(
        "`jemscript fetch {name}` downloads it; the folder needs {files}"
    )))
}

fn from_records(what: &str, bytes: &[u8], labels: &Labels) -> Result<Images> {
    let size = labels.bytes + PIXELS;
    let n = bytes.len() / size;
    if n == 0 || !bytes.len().is_multiple_of(size) {
        return Err(Error::data(format!(
            "{what}: {} bytes are no whole records of {size} bytes",
            bytes.len()
        ))
        .with_hint("it may be cut short: fetch it again"));
    }
    let mut pixels = Vec::with_capacity(n * PIXELS);
    let mut classes = Vec::with_capacity(n);
    for record in bytes.chunks_exact(size) {
        classes.push(i64::from(record[labels.at]));
        pixels.extend_from_slice(&record[labels.bytes..]);
    }
    Images::new(
        what,
        &pixels,
        [n as i64, 3, 32, 32],
        classes,
        labels.classes,
    )
}

fn from_pickle(what: &str, bytes: &[u8], labels: &Labels) -> Result<Images> {
    let mut machine = Machine::<Nothing>::default();
    let root = machine
        .run(&mut Code::new(bytes))
        .map_err(|e| e.context(what))?;
    let lacking = |key: &str| Error::data(format!("{what}: has no `{key}` of the expected kind"));
    let data = machine
        .entry(root, "data")
        .and_then(|id| machine.matrix(id, Number::BYTE));
    let ([n, width], pixels) = data.ok_or_else(|| lacking("data"))?;
    if width != PIXELS as i64 {
        return Err(Error::data(format!(
            "{what}: rows of {width} bytes are no images of 3×32×32"
        )));
    }
    let list = machine.entry(root, labels.key).map(|id| machine.node(id));
    let Some(Node::List(list)) = list else {
        return Err(lacking(labels.key));
    };
    let classes = list
        .iter()
        .map(|id| machine.int(*id))
        .collect::<Result<Vec<_>>>();
    Images::new(
        what,
        &pixels,
        [n, 3, 32, 32],
        classes.map_err(|_| lacking(labels.key))?,
        labels.classes,
    )
}
