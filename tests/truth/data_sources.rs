//! Data sets from files in the exact formats of their authors, written by Python's numpy, scipy and
//! pickle, and broken ones.

use crate::common;

use std::fs;
use std::io::Write;
use std::path::Path;

use common::python;
use jemscript::data::{
    ArrayOptions, Cifar100Options, Dataset, FolderOptions, ImageOptions, PartsOptions, SvhnOptions,
    arrays, cifar10, cifar100, folder, svhn,
};
use jemscript::formats::read_npz;
use jemscript::{Error, Result};

/// Pixel value of image `i`, channel `c`, row `r`, column `k`; the same formula in Rust and in
/// Python.
fn pixel(i: i64, c: i64, r: i64, k: i64) -> i64 {
    (7 * i + 50 * c + 3 * r + 11 * k) % 256
}

const PIXELS: &str = r#"
import numpy as np, pickle, tarfile, io, os
def images(start, n):
    i, c, r, k = np.ogrid[start:start + n, 0:3, 0:32, 0:32]
    return ((7 * i + 50 * c + 3 * r + 11 * k) % 256).astype(np.uint8)
def packed(path, folder, files):
    with tarfile.open(path, "w:gz") as tar:
        for name, raw in files.items():
            info = tarfile.TarInfo(folder + "/" + name); info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
"#;

/// Every image stands with its own label, which is its number's remainder; `seen` collects the
/// numbers.
fn check_rows(data: &Dataset, classes: i64, expected: usize) -> Result<()> {
    let mut all = Vec::new();
    for (part, is_test) in [
        (&data.train, false),
        (&data.validation, false),
        (&data.test, true),
    ] {
        let x = part.x()?;
        assert_eq!(x.shape()[1..], [3, 32, 32]);
        for (row, label) in part.y.to_ints()?.into_iter().enumerate() {
            let image = x.get(row as i64)?;
            let at = |c: i64, r: i64, k: i64| -> Result<i64> {
                Ok(((image.get(c)?.get(r)?.get(k)?.item()? + 1.0) * 127.5).round() as i64)
            };
            // Numbers below 256 are told by the first pixel.
            let first = at(0, 0, 0)?;
            let number = (0..256).find(|i| pixel(*i, 0, 0, 0) == first).unwrap();
            assert_eq!(label, number % classes, "image {number}");
            for (c, r, k) in [(2, 0, 0), (0, 31, 0), (0, 0, 31), (1, 5, 9)] {
                assert_eq!(
                    at(c, r, k)?,
                    pixel(number, c, r, k),
                    "image {number}, channel {c}, row {r}, column {k}"
                );
            }
            assert_eq!(is_test, number >= 100);
            all.push(number);
        }
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), expected);
    Ok(())
}

fn options(folder: &Path) -> ImageOptions {
    ImageOptions {
        folder: Some(folder.display().to_string()),
        validation: 20,
        ..ImageOptions::default()
    }
}

fn write_cifar10(to: &Path) {
    let code = format!(
        r#"{PIXELS}
os.chdir({to:?})
os.makedirs("binary"); os.makedirs("python"); os.makedirs("unpacked")
binary, python = {{}}, {{}}
for b in range(6):
    start = 100 if b == 5 else 20 * b
    x, y = images(start, 20), [i % 10 for i in range(start, start + 20)]
    name = "test_batch" if b == 5 else f"data_batch_{{b + 1}}"
    binary[name + ".bin"] = b"".join(bytes([label]) + x[i].tobytes() for i, label in enumerate(y))
    # Python 2 wrote protocol 2; keys were bytes.
    python[name] = pickle.dumps({{b"batch_label": b"x", b"labels": y, b"data": x.reshape(20, -1), b"filenames": [b"f"] * 20}}, protocol=2)
packed("binary/cifar-10-binary.tar.gz", "cifar-10-batches-bin", {{**binary, "readme.html": b"x", "batches.meta.txt": b"airplane"}})
packed("python/cifar-10-python.tar.gz", "cifar-10-batches-py", {{**python, "batches.meta": b"x"}})
for name, raw in binary.items():
    open("unpacked/" + name, "wb").write(raw)
# Newer Pythons pickle otherwise; a Fortran array is the transposed bytes.
for protocol in (3, 4, 5):
    os.makedirs(f"py{{protocol}}/cifar-10-batches-py")
    for name, raw in python.items():
        d = pickle.loads(raw, encoding="bytes")
        d = {{k.decode(): v for k, v in d.items()}}
        if protocol != 3: d["data"] = np.asfortranarray(d["data"])
        open(f"py{{protocol}}/cifar-10-batches-py/" + name, "wb").write(pickle.dumps(d, protocol=protocol))
"#
    );
    python(&code).unwrap();
}

#[test]
fn cifar10_from_binary_and_python_archives() -> Result<()> {
    let place = tempfile::tempdir().unwrap();
    write_cifar10(place.path());
    let read = |form: &str| cifar10(&options(&place.path().join(form)));
    let data = read("binary")?;
    assert_eq!(
        (
            data.train.len(),
            data.validation.len(),
            data.test.len(),
            data.classes
        ),
        (80, 20, 20, 10)
    );
    assert_eq!(
        (data.validation.counts()?, data.train.counts()?),
        (vec![2; 10], vec![8; 10])
    );
    check_rows(&data, 10, 120)?;
    for form in ["python", "unpacked", "py3", "py4", "py5"] {
        let other = read(form).map_err(|e| e.context(form))?;
        for (a, b) in data.parts().into_iter().zip(other.parts()) {
            assert_eq!(a.x()?.to_vec()?, b.x()?.to_vec()?, "{form}");
            assert_eq!(a.y.to_ints()?, b.y.to_ints()?, "{form}");
        }
    }
    assert!(data.train.is_bytes());
    Ok(())
}

#[test]
fn labels_sizes_limits_and_held_out_classes() -> Result<()> {
    let place = tempfile::tempdir().unwrap();
    write_cifar10(place.path());
    let base = options(&place.path().join("unpacked"));
    let whole = cifar10(&base)?;
    let few = cifar10(&ImageOptions {
        labels_per_class: Some(2),
        ..base.clone()
    })?;
    assert_eq!(few.train.counts()?, [2; 10]);
    let rest = few.unlabelled.clone().unwrap();
    assert_eq!((rest.len(), rest.y.max()?.item()?), (60, -1.0));
    let both = few.train.concat(&rest)?;
    assert!(both.is_bytes());
    let sorted = |x: jemscript::Tensor| -> Result<Vec<f64>> {
        let mut rows = x.flatten(1)?.mean_dims(&[1], false)?.to_vec()?;
        rows.sort_by(f64::total_cmp);
        Ok(rows)
    };
    assert_eq!(sorted(both.x()?)?, sorted(whole.train.x()?)?);
    let held = cifar10(&ImageOptions {
        hold_out: Some(3),
        ..base.clone()
    })?;
    assert!(held.parts().iter().all(|p| p.counts().unwrap()[3] == 0));
    assert_eq!(held.held_out.unwrap().counts()?, [0, 0, 0, 12]);
    assert_eq!(
        held.test.x()?.to_vec()?,
        whole.test.without_class(3)?.x()?.to_vec()?
    );
    let small = cifar10(&ImageOptions {
        size: Some(8),
        limit: Some(5),
        ..base.clone()
    })?;
    assert_eq!(
        (small.train.x()?.shape(), small.test.len()),
        (vec![5, 3, 8, 8], 5)
    );
    let area = whole
        .test
        .images(5)?
        .resize_area(8, 8)?
        .sub(&small.test.x()?)?
        .abs()?
        .max()?
        .item()?;
    assert!(area < 1e-6, "{area}");
    let other = cifar10(&ImageOptions {
        seed: 1,
        ..base.clone()
    })?;
    assert_ne!(
        other.validation.x()?.to_vec()?,
        whole.validation.x()?.to_vec()?
    );
    let error = |o: ImageOptions| cifar10(&o).unwrap_err().message().to_owned();
    assert!(
        error(ImageOptions {
            labels_per_class: Some(9),
            ..base.clone()
        })
        .contains("has 8 training rows")
    );
    assert!(
        error(ImageOptions {
            hold_out: Some(10),
            ..base.clone()
        })
        .contains("class from 0 to 9")
    );
    assert!(
        error(ImageOptions {
            validation: 100,
            ..base
        })
        .starts_with("data::cifar10")
    );
    Ok(())
}

#[test]
fn broken_cifar_files_are_named() {
    let place = tempfile::tempdir().unwrap();
    write_cifar10(place.path());
    let error =
        |folder: &str| -> Error { cifar10(&options(&place.path().join(folder))).unwrap_err() };
    let cut = |file: &str, keep: usize| {
        let path = place.path().join(file);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..keep.min(bytes.len() - 1)]).unwrap();
    };
    cut("unpacked/data_batch_3.bin", 5000);
    assert!(
        error("unpacked")
            .message()
            .contains("data_batch_3.bin: 5000 bytes are no whole records")
    );
    fs::remove_file(place.path().join("unpacked/data_batch_3.bin")).unwrap();
    assert!(
        error("unpacked")
            .message()
            .contains("lacks the file data_batch_3.bin")
    );
    for keep in [0, 20, 2000, usize::MAX] {
        cut("binary/cifar-10-binary.tar.gz", keep);
        // A cut in the last bytes may spare all files: then the archive is whole enough.
        if let Err(e) = cifar10(&options(&place.path().join("binary"))) {
            let wanted = if keep == 0 {
                "an empty file"
            } else {
                "not a whole"
            };
            assert!(
                e.message()
                    .contains(&format!("cifar-10-binary.tar.gz: {wanted}")),
                "{e}"
            );
        } else {
            assert_eq!(keep, usize::MAX);
        }
        write_again(place.path());
    }
    assert!(
        error(".")
            .message()
            .contains("no cifar-10-binary.tar.gz in")
    );
    assert!(error("nowhere").message().contains("no folder"));
}

fn write_again(place: &Path) {
    for folder in fs::read_dir(place).unwrap() {
        fs::remove_dir_all(folder.unwrap().path()).unwrap();
    }
    write_cifar10(place);
}

/// A pickle that asks for anything but an array of bytes is refused, and nothing of it runs.
#[test]
fn hostile_pickles_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("cifar-10-batches-py");
    fs::create_dir(&folder).unwrap();
    let trace = place.path().join("was here");
    let try_it = |bytes: &[u8]| -> String {
        for name in [
            "data_batch_1",
            "data_batch_2",
            "data_batch_3",
            "data_batch_4",
            "data_batch_5",
            "test_batch",
        ] {
            fs::write(folder.join(name), bytes).unwrap();
        }
        cifar10(&options(place.path()))
            .unwrap_err()
            .message()
            .to_owned()
    };
    let system = format!("cos\nsystem\n(U\x20touch '{}'tR.", trace.display()).into_bytes();
    assert!(try_it(&system).contains("data_batch_1: holds `os.system`, which is not read"));
    assert!(!trace.exists());
    for hostile in [
        &b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93."[..],
        b"",
        b".",
        b"R.",
        b"}(u",
        b"T\xff\xff\xff\xffabc.",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"r\xff\xff\xff\x7f.",
        b"Nr\xff\xff\xff\x7f.",
        b"j\xff\xff\xff\x7f.",
        b"(((((((.",
        b"}N\x85R.",
        b"\x8a\xff",
        b"}.",
        b"N.",
    ] {
        assert!(
            try_it(hostile).contains("cifar-10-batches-py")
                || try_it(hostile).contains("data_batch_1"),
            "{hostile:?}"
        );
    }
    // Bytes changed at random in a whole file: an error or images, never a panic.
    write_cifar10(&{
        let other = place.path().join("again");
        fs::create_dir(&other).unwrap();
        other
    });
    let whole = fs::read(
        place
            .path()
            .join("again/py3/cifar-10-batches-py/test_batch"),
    )
    .unwrap();
    let mut rng = fastrand::Rng::with_seed(3);
    for _ in 0..300 {
        let mut bytes = whole.clone();
        for _ in 0..rng.usize(1..6) {
            // The pixels are the most of the file; its structure lies at both ends.
            let at = if rng.bool() {
                rng.usize(..300)
            } else {
                bytes.len() - 1 - rng.usize(..400)
            };
            bytes[at] = rng.u8(..);
        }
        fs::write(folder.join("test_batch"), &bytes).unwrap();
        for batch in 1..6 {
            fs::write(folder.join(format!("data_batch_{batch}")), &whole).unwrap();
        }
        let _ = cifar10(&options(place.path()));
    }
}

/// The archive's own files were written by Python 2, with strings where Python 3 writes texts or
/// bytes.
#[test]
fn pickles_of_python_2() -> Result<()> {
    let place = tempfile::tempdir().unwrap();
    let code = format!(
        r#"{PIXELS}
import struct
os.chdir({to:?})
def python2(x, y):
    raw = x.tobytes()
    out = b"\x80\x02}}q\x01(U\x0bbatch_labelq\x02U\x01xq\x03U\x06labelsq\x04]q\x05("
    out += b"".join(b"K" + bytes([v]) for v in y)
    out += b"eU\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\x09(K\x01"
    out += b"K" + bytes([len(y)]) + b"M\x00\x0c\x86cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b("
    out += b"K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<I", len(raw)) + raw + b"tbU\x09filenames]U\x01fau."
    seen = pickle.loads(out, encoding="bytes")
    assert (seen[b"data"] == x.reshape(len(y), -1)).all() and seen[b"labels"] == y
    return out
for b in range(6):
    start = 100 if b == 5 else 20 * b
    name = "test_batch" if b == 5 else f"data_batch_{{b + 1}}"
    open(name, "wb").write(python2(images(start, 20), [i % 10 for i in range(start, start + 20)]))
"#,
        to = place.path()
    );
    python(&code)?;
    check_rows(&cifar10(&options(place.path()))?, 10, 120)
}

#[test]
fn cifar100_has_fine_and_coarse_classes() -> Result<()> {
    let place = tempfile::tempdir().unwrap();
    let code = format!(
        r#"{PIXELS}
os.chdir({to:?})
os.makedirs("cifar-100-binary"); os.makedirs("py")
python = {{}}
for name, start, n in (("train", 0, 100), ("test", 100, 100)):
    x = images(start, n)
    fine, coarse = [i % 100 for i in range(start, start + n)], [i % 20 for i in range(start, start + n)]
    open(f"cifar-100-binary/{{name}}.bin", "wb").write(b"".join(bytes([coarse[i], fine[i]]) + x[i].tobytes() for i in range(n)))
    python[name] = pickle.dumps({{b"fine_labels": fine, b"coarse_labels": coarse, b"data": x.reshape(n, -1)}}, protocol=2)
packed("py/cifar-100-python.tar.gz", "cifar-100-python", python)
"#,
        to = place.path()
    );
    python(&code)?;
    for form in ["", "py"] {
        let at = place.path().join(form).display().to_string();
        let o = Cifar100Options {
            images: options(Path::new(&at)),
            ..Cifar100Options::default()
        };
        let fine = cifar100(&o)?;
        assert_eq!(fine.classes, 100);
        check_rows(&fine, 100, 200)?;
        let coarse = cifar100(&Cifar100Options { coarse: true, ..o })?;
        assert_eq!(coarse.classes, 20);
        check_rows(&coarse, 20, 200)?;
        assert_eq!(coarse.validation.counts()?, [1; 20]);
    }
    Ok(())
}

#[test]
fn svhn_from_matlab_files() -> Result<()> {
    let place = tempfile::tempdir().unwrap();
    let code = format!(
        r#"{PIXELS}
import scipy.io
os.chdir({to:?})
for folder, compressed in (("zlib", True), ("plain", False)):
    os.makedirs(folder)
    for name, start, n in (("train", 0, 60), ("extra", 60, 40), ("test", 100, 50)):
        x = images(start, n).transpose(2, 3, 1, 0)
        y = np.array([(i % 10) or 10 for i in range(start, start + n)]).reshape(-1, 1)
        # MATLAB's own file has labels as doubles that lie in bytes; scipy writes what it is given.
        y = y.astype(np.float64 if compressed else np.uint8)
        scipy.io.savemat(f"{{folder}}/{{name}}_32x32.mat", {{"other": "text", "X": x, "y": y}}, do_compression=compressed)
"#,
        to = place.path()
    );
    python(&code)?;
    for form in ["zlib", "plain"] {
        let at = place.path().join(form);
        let o = SvhnOptions {
            images: options(&at),
            ..SvhnOptions::default()
        };
        let data = svhn(&o)?;
        assert_eq!((data.train.len(), data.test.len()), (40, 50));
        check_rows(&data, 10, 110)?;
        check_rows(
            &svhn(&SvhnOptions {
                extra: true,
                ..o.clone()
            })?,
            10,
            150,
        )?;
        // Every cut is noticed.
        let path = at.join("train_32x32.mat");
        let bytes = fs::read(&path).unwrap();
        for keep in [0, 100, 128, 130, 140, 200, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&path, &bytes[..keep]).unwrap();
            let message = svhn(&o).unwrap_err().message().to_owned();
            assert!(
                message.contains("train_32x32.mat"),
                "{form} {keep}: {message}"
            );
        }
        let mut rng = fastrand::Rng::with_seed(5);
        for _ in 0..100 {
            let mut broken = bytes.clone();
            let at = rng.usize(..600.min(broken.len()));
            broken[at] = rng.u8(..);
            fs::write(&path, &broken).unwrap();
            let _ = svhn(&o);
        }
    }
    Ok(())
}

#[test]
fn numpy_arrays_of_all_types_and_orders() -> Result<()> {
    let place = tempfile::tempdir().unwrap();
    let code = r#"
import numpy as np, os
os.chdir(PLACE)
base = np.arange(24).reshape(2, 3, 4)
held = {}
for t in "f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 >f4 >f8 >i4 >u2 >i8".split():
    held["c " + t] = base.astype(t)
    held["f " + t] = np.asfortranarray(base.astype(t))
held["bool"] = base % 3 == 0
held["flat"] = np.arange(5.0)
held["number"] = np.array(7)
held["empty"] = np.zeros((0, 3))
held["large"] = np.array([60000, 65535], dtype="u2")
np.savez("plain.npz", **held)
np.savez_compressed("small.npz", **held)
np.savez("complex.npz", x=np.ones(3, dtype=complex))
np.savez("objects.npz", x=np.array([{}, None], dtype=object))
"#;
    python(&code.replace("PLACE", &format!("{:?}", place.path())))?;
    let expected: Vec<f64> = (0..24).map(f64::from).collect();
    for file in ["plain.npz", "small.npz"] {
        let found = read_npz(&place.path().join(file))?;
        assert!(found.refused.is_empty());
        let found = found.tensors;
        assert_eq!(found.len(), 37);
        for (name, array) in found.iter().filter(|(n, _)| n.contains(' ')) {
            assert_eq!(array.shape(), [2, 3, 4], "{name}");
            assert_eq!(array.to_vec()?, expected, "{name}");
        }
        assert_eq!(found["bool"].to_vec()?[..4], [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(
            (found["flat"].to_vec()?, found["number"].item()?),
            (vec![0.0, 1.0, 2.0, 3.0, 4.0], 7.0)
        );
        assert_eq!(
            (found["empty"].shape(), found["large"].to_vec()?),
            (vec![0, 3], vec![60000.0, 65535.0])
        );
    }
    let error = |file: &str| {
        read_npz(&place.path().join(file))
            .err()
            .unwrap()
            .message()
            .to_owned()
    };
    let why = |file: &str| read_npz(&place.path().join(file)).unwrap().refused["x"].clone();
    assert!(
        why("complex.npz").contains("elements of type \"<c16\""),
        "{}",
        why("complex.npz")
    );
    assert!(why("objects.npz").contains("elements of type \"|O\""));
    let whole = fs::read(place.path().join("small.npz")).unwrap();
    for keep in [0, 10, whole.len() / 2, whole.len() - 1] {
        fs::write(place.path().join("cut.npz"), &whole[..keep]).unwrap();
        let wanted = if keep == 0 {
            "cut.npz: an empty file"
        } else {
            "cut.npz: not a whole"
        };
        assert!(error("cut.npz").contains(wanted), "{}", error("cut.npz"));
    }
    Ok(())
}

#[test]
fn arrays_become_a_data_set() -> Result<()> {
    let place = tempfile::tempdir().unwrap();
    let code = r#"
import numpy as np, os
os.chdir(PLACE)
n = 60
y = np.arange(n) % 3
np.savez("grey.npz", x=np.arange(n * 20).reshape(n, 4, 5).astype(np.uint8), y=y)
np.savez("last.npz", images=np.arange(n * 60).reshape(n, 4, 5, 3) / 3600, classes=y.reshape(-1, 1))
np.savez("parts.npz", x_train=np.zeros((n, 4, 4), np.uint8), y_train=y, x_test=np.full((9, 4, 4), 255, np.uint8), y_test=y[:9])
np.savez("wide.npz", x=np.linspace(-5, 9, n * 2).reshape(n, 2), y=y)
np.savez("nan.npz", x=np.full((n, 2), np.nan), y=y)
np.savez("short.npz", x=np.zeros((n, 2)), y=y[1:])
np.savez("negative.npz", x=np.zeros((n, 2)), y=y - 1)
"#;
    python(&code.replace("PLACE", &format!("{:?}", place.path())))?;
    let read = |file: &str, o: ArrayOptions| arrays(&place.path().join(file), &o);
    let grey = read("grey.npz", ArrayOptions::default())?;
    assert_eq!(
        (
            grey.train.len(),
            grey.validation.len(),
            grey.test.len(),
            grey.classes
        ),
        (42, 6, 12, 3)
    );
    assert_eq!((grey.shape(), grey.range), (vec![1, 4, 5], (-1.0, 1.0)));
    assert!(grey.train.is_bytes());
    let last = ArrayOptions {
        x: "images".to_owned(),
        y: Some("classes".to_owned()),
        channels_last: Some(true),
        rescale: Some((0.0, 1.0)),
        parts: PartsOptions {
            labels_per_class: Some(4),
            ..PartsOptions::default()
        },
    };
    let last = read("last.npz", last)?;
    assert_eq!(
        (last.shape(), last.train.counts()?),
        (vec![3, 4, 5], vec![4, 4, 4])
    );
    assert_eq!(
        (last.unlabelled.as_ref().unwrap().len(), last.range),
        (30, (-1.0, 1.0))
    );
    // Channel 1 of the first pixel is one 3600th above channel 0; the range is twice as wide.
    let image = last.test.x()?.get(0)?;
    let step = image.get(1)?.get(0)?.get(0)?.item()? - image.get(0)?.get(0)?.get(0)?.item()?;
    // In float32, as all sets.
    assert!((step - 2.0 / 3600.0).abs() < 1e-6, "{step}");
    let parts = read("parts.npz", ArrayOptions::default())?;
    assert_eq!(
        (parts.train.len(), parts.validation.len(), parts.test.len()),
        (54, 6, 9)
    );
    assert_eq!(
        (
            parts.test.x()?.min()?.item()?,
            parts.train.x()?.max()?.item()?
        ),
        (1.0, -1.0)
    );
    assert_eq!(
        read("wide.npz", ArrayOptions::default())?.range,
        (-5.0, 9.0)
    );
    let error = |file: &str| read(file, ArrayOptions::default()).unwrap_err().to_string();
    assert!(error("nan.npz").contains("not finite"));
    assert!(error("short.npz").contains("do not belong together"));
    assert!(
        error("negative.npz").contains("is no class")
            || error("negative.npz").contains("from 0 on")
    );
    assert!(error("last.npz").contains("no array `x`") && error("last.npz").contains("images"));
    assert!(error("none.txt").contains("neither .npz, .npy nor .safetensors"));
    // The same rows from the other format.
    let x = grey.test.x()?;
    let tensors = [
        ("x".to_owned(), x.clone()),
        ("y".to_owned(), grey.test.y.clone()),
    ]
    .into();
    jemscript::formats::write_safetensors(&place.path().join("a.safetensors"), &tensors)?;
    let again = read(
        "a.safetensors",
        ArrayOptions {
            parts: PartsOptions {
                validation: Some(0),
                test: Some(0),
                ..PartsOptions::default()
            },
            ..ArrayOptions::default()
        },
    )?;
    assert_eq!((again.train.len(), again.range), (12, (-1.0, 1.0)));
    Ok(())
}

#[test]
fn folders_of_images() -> Result<()> {
    let place = tempfile::tempdir().unwrap();
    let save = |path: &str, w: u32, h: u32, colour: &dyn Fn(u32, u32) -> [u8; 3]| {
        let path = place.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::from_fn(w, h, |x, y| image::Rgb(colour(x, y)))
            .save(path)
            .unwrap();
    };
    // Cats are red left of the middle square and blue right of it; dogs are green, as JPEG.
    for i in 0..10 {
        save(&format!("all/cat/{i}.png"), 16, 8, &|x, y| match x {
            0..4 => [255, 0, 0],
            4..12 => [(x as u8 - 4) * 20, y as u8 * 20, 77],
            _ => [0, 0, 255],
        });
        save(&format!("all/dog/{i}.JPG"), 8, 8, &|_, _| [0, 200, 0]);
    }
    fs::write(place.path().join("all/dog/notes.txt"), "no image").unwrap();
    fs::create_dir(place.path().join("all/.hidden")).unwrap();
    let read = |path: &str, o: FolderOptions| folder(&place.path().join(path), &o);
    let data = read(
        "all",
        FolderOptions {
            size: 8,
            ..FolderOptions::default()
        },
    )?;
    assert_eq!(
        (
            data.train.len(),
            data.validation.len(),
            data.test.len(),
            data.classes
        ),
        (15, 1, 4, 2)
    );
    assert!(data.about.contains("0 cat, 1 dog"));
    let cat = data.train.class(0)?.x()?.get(0)?;
    let at = |c: i64, r: i64, k: i64| {
        ((cat
            .get(c)
            .unwrap()
            .get(r)
            .unwrap()
            .get(k)
            .unwrap()
            .item()
            .unwrap()
            + 1.0)
            * 127.5)
            .round()
    };
    assert_eq!(
        (at(0, 0, 0), at(0, 0, 7), at(1, 7, 0), at(2, 3, 3)),
        (0.0, 140.0, 140.0, 77.0)
    );
    let dog = data.train.class(1)?.x()?.get(0)?.get(1)?;
    assert!((dog.mean()?.item()? - (200.0 / 127.5 - 1.0)).abs() < 0.03);
    // Squeezed: the left quarter is red. Averages over areas of 2×1.
    let wide = read(
        "all",
        FolderOptions {
            size: 8,
            crop: false,
            ..FolderOptions::default()
        },
    )?;
    let red = wide.train.class(0)?.x()?.get(0)?.get(0)?.get(0)?.to_vec()?;
    assert_eq!((red[0], red[1]), (1.0, 1.0));
    assert!((red[2] - (10.0 / 127.5 - 1.0)).abs() < 1e-6, "{red:?}");
    let grey = read(
        "all",
        FolderOptions {
            channels: 1,
            size: 4,
            ..FolderOptions::default()
        },
    )?;
    assert_eq!(grey.shape(), [1, 4, 4]);
    save("apart/train/a/1.png", 4, 4, &|_, _| [1, 2, 3]);
    save("apart/train/a/2.png", 4, 4, &|_, _| [1, 2, 3]);
    save("apart/train/b/1.png", 4, 4, &|_, _| [4, 5, 6]);
    save("apart/test/b/1.png", 4, 4, &|_, _| [7, 8, 9]);
    let apart = read(
        "apart",
        FolderOptions {
            size: 4,
            validation: Some(0),
            ..FolderOptions::default()
        },
    )?;
    assert_eq!((apart.train.len(), apart.test.y.to_ints()?), (3, vec![1]));
    let error = |path: &str| {
        read(path, FolderOptions::default())
            .unwrap_err()
            .message()
            .to_owned()
    };
    fs::File::create(place.path().join("all/cat/z.png"))
        .unwrap()
        .write_all(b"\x89PNG\r\n\x1a\nbroken")
        .unwrap();
    assert!(
        error("all").contains("z.png: not a whole image"),
        "{}",
        error("all")
    );
    save("apart/test/c/1.png", 4, 4, &|_, _| [7, 8, 9]);
    assert!(error("apart").contains("has the class \"c\", train has not"));
    // Without sub-folders there are no classes.
    fs::remove_file(place.path().join("all/cat/z.png")).unwrap();
    let flat = read("all/cat", FolderOptions::default())?;
    assert_eq!((flat.classes, flat.shape()), (0, vec![3, 32, 32]));
    assert_eq!(
        (flat.train.len(), flat.validation.len(), flat.test.len()),
        (8, 0, 2)
    );
    assert!(flat.train.y.to_ints()?.iter().all(|y| *y == -1));
    assert!(flat.notes[0].contains("no labels") && flat.remark()?.is_none());
    let held = FolderOptions {
        hold_out: Some(0),
        ..FolderOptions::default()
    };
    assert!(
        read("all/cat", held)
            .unwrap_err()
            .message()
            .contains("no classes")
    );
    fs::create_dir(place.path().join("bare")).unwrap();
    assert!(error("bare").contains("has no sub-folders and no images"));
    assert!(error("nowhere").contains("no folder"));
    Ok(())
}
