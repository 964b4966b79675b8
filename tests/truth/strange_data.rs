//! Data of other people: labels that are none, classes without pictures, files that are cut, and
//! arrays of other writers.

use crate::common;

use std::fs;
use std::path::Path;

use common::python;
use jemscript::data::{
    ArrayOptions, FolderOptions, Part, PartsOptions, SplitOptions, arrays, folder, split,
    stratified,
};
use jemscript::tensor::{Device, Kind};
use jemscript::{Result, Tensor};

fn ints(values: &[i64]) -> Tensor {
    Tensor::of_ints(values).unwrap()
}

#[test]
fn labels_that_cannot_be_classes_are_named() -> Result<()> {
    let rows = Tensor::zeros(&[3, 2])?;
    let big = [1_000_000_000_000, i64::MAX, i64::MIN, -2, 1 << 62];
    for label in big {
        let error = Part::new("mine", &rows, &ints(&[0, label, 1]))
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains(&label.to_string()) && error.contains("no class"),
            "{error}"
        );
        let outcome = split(&rows, &ints(&[0, label, 1]), &SplitOptions::default());
        assert!(
            outcome
                .err()
                .unwrap()
                .to_string()
                .contains(&label.to_string())
        );
    }
    for label in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.5, 1e300] {
        let y = Tensor::from_f64(&[0.0, label, 1.0], &[3], Kind::Double, Device::Cpu)?;
        let error = Part::new("mine", &rows, &y).err().unwrap().to_string();
        assert!(
            error.contains(&format!("the label {label} ")),
            "{label}: {error}"
        );
    }
    // Whole floats, and rows without a class, are as ever.
    let y = Tensor::from_f64(&[0.0, -1.0, 2.0], &[3], Kind::Float, Device::Cpu)?;
    assert_eq!(Part::new("mine", &rows, &y)?.y.to_ints()?, [0, -1, 2]);
    // A part may show three of ten classes; a whole data set has a row for each class at least.
    Part::new("mine", &rows, &ints(&[7, 8, 9]))?;
    let error = split(&rows, &ints(&[0, 1, 9]), &SplitOptions::default())
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("the label 9 asks for 10 classes, and there are 3 rows"),
        "{error}"
    );
    Ok(())
}

#[test]
fn odd_classes_are_said_and_many_take_no_time() -> Result<()> {
    let rows = Tensor::zeros(&[40, 2])?;
    let said = |y: Vec<i64>| split(&rows, &ints(&y), &SplitOptions::default())?.remark();
    assert_eq!(said((0..40).map(|i| i % 4).collect())?, None);
    let from_one = said((0..40).map(|i| 1 + i % 4).collect())?.unwrap();
    assert!(
        from_one.contains("class 0 of 5 has no row") && from_one.contains("count from 1"),
        "{from_one}"
    );
    let gaps = said((0..40).map(|i| if i % 2 == 0 { 0 } else { 3 }).collect())?.unwrap();
    assert!(gaps.contains("2 of 4 classes have no row: 1, 2"), "{gaps}");
    // A label of its own for each row: every row is in one part, and none is looked at once a
    // class.
    let labels: Vec<i64> = (0..300_000).collect();
    let found = stratified(&labels, 1000, 2000, 0)?;
    assert_eq!(
        (found.train.len(), found.validation.len(), found.test.len()),
        (297_000, 1000, 2000)
    );
    Ok(())
}

fn picture(path: &Path) {
    let pixel = |x: u32, y: u32| image::Rgb([(x * 7) as u8, (y * 5) as u8, ((x ^ y) * 3) as u8]);
    image::RgbImage::from_fn(40, 40, pixel).save(path).unwrap();
}

#[test]
fn classes_without_pictures_are_errors_and_what_archives_add_is_none() -> Result<()> {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| {
        let path = place.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    for class in ["cat", "owl"] {
        (0..6).for_each(|i| picture(&at(&format!("{class}/{i}.png"))));
    }
    fs::write(at("__MACOSX/cat/._0.png"), "").unwrap();
    fs::write(at(".cache/0.png"), "").unwrap();
    fs::write(at("Thumbs.db"), "").unwrap();
    let options = FolderOptions {
        validation: Some(2),
        test: Some(2),
        ..FolderOptions::default()
    };
    let data = folder(place.path(), &options)?;
    assert_eq!(data.classes, 2);
    assert!(data.about.contains("0 cat, 1 owl"), "{}", data.about);
    // A class whose pictures are of another kind would shift the labels of all that follow.
    fs::write(at("dog/0.bmp"), "BM").unwrap();
    fs::write(at("dog/1.tiff"), "II").unwrap();
    let error = folder(place.path(), &options).err().unwrap().to_string();
    assert!(
        error.contains("no images of the classes dog (2 other files, ending .bmp, .tiff)"),
        "{error}"
    );
    Ok(())
}

#[test]
fn pictures_that_are_cut_short_are_named() {
    let place = tempfile::tempdir().unwrap();
    let options = FolderOptions {
        validation: Some(1),
        test: Some(1),
        ..FolderOptions::default()
    };
    for ending in ["jpg", "png"] {
        let class = place.path().join(ending).join("a");
        fs::create_dir_all(&class).unwrap();
        (0..8).for_each(|i| picture(&class.join(format!("{i}.{ending}"))));
        folder(&place.path().join(ending), &options).unwrap();
        let file = class.join(format!("3.{ending}"));
        let whole = fs::read(&file).unwrap();
        for percent in [1, 30, 60, 90, 99] {
            fs::write(&file, &whole[..whole.len() * percent / 100]).unwrap();
            let error = folder(&place.path().join(ending), &options).err();
            let error = error
                .unwrap_or_else(|| panic!("{ending} cut at {percent} %: read"))
                .to_string();
            assert!(
                error.contains(&format!("a/3.{ending}: not a whole image")),
                "{percent}: {error}"
            );
        }
    }
}

#[test]
fn arrays_of_other_writers() -> Result<()> {
    let place = tempfile::tempdir().unwrap();
    let code = format!(
        r#"
import numpy as np, struct, zipfile
at = {:?} + "/"
x = np.random.default_rng(0).normal(size=(30, 4))
y = np.arange(30) % 3
np.savez(at + "text.npz", x=x, y=y, names=np.array(["a", "bc"]), what=np.array([1, None], dtype=object))
np.savez(at + "big.npz", x=x, y=y, id=np.array([2**63 + 5], dtype=np.uint64))
np.savez(at + "late.npz", x=x, y=np.where(y == 1, 10**12, y))
np.savez(at + "inf.npz", x=x, y=np.where(y == 1, np.inf, y))
images = np.zeros((30, 28, 28), np.uint8)
colour = np.zeros((30, 28, 28, 3), np.uint8)
for name, x_ in [("medmnist", images), ("medmnist3", colour)]:
    labels = (np.arange(30) % 3).reshape(-1, 1).astype(np.uint8)
    np.savez(at + name + ".npz", train_images=x_, train_labels=labels, val_images=x_[:9], val_labels=labels[:9],
             test_images=x_[:6], test_labels=labels[:6])
# As some writers in other languages do: double quotes, native order, no space.
def other(a, descr):
    head = ('{{"descr":"%s","fortran_order":False,"shape":%s}}' % (descr, str(a.shape).replace(" ", ""))).encode()
    head += b" " * (64 - (10 + len(head)) % 64 - 1) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + a.tobytes()
with zipfile.ZipFile(at + "other.npz", "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("x.npy", other(x.astype("<f4"), "=f4"))
    z.writestr("y.npy", other(y.astype("<i8"), "<i8"))
    z.writestr("__MACOSX/._x.npy", b"what a Mac puts into archives")
np.save(at + "one.npy", x)
open(at + "new.mat", "wb").write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512, b" "))
open(at + "old.mat", "wb").write(struct.pack("<5i", 0, 3, 4, 0, 2) + b"X\0" + b"\0" * 200)
"#,
        place.path().display().to_string()
    );
    python(&code)?;
    let read = |name: &str, o: &ArrayOptions| arrays(&place.path().join(name), o);
    let usual = ArrayOptions::default();
    for name in ["text.npz", "big.npz", "other.npz"] {
        let data = read(name, &usual)?;
        assert_eq!((data.classes, data.shape()), (3, vec![4]), "{name}");
        // float64 is numpy's default, float32 that of networks.
        assert_eq!(data.train.x()?.kind(), Kind::Float, "{name}");
    }
    let error = |name: &str, o: &ArrayOptions| read(name, o).err().unwrap().to_string();
    let text = error(
        "text.npz",
        &ArrayOptions {
            y: Some("names".into()),
            ..usual.clone()
        },
    );
    assert!(
        text.contains("`names`: elements of type \"<U2\" are not read"),
        "{text}"
    );
    let text = error(
        "big.npz",
        &ArrayOptions {
            y: Some("id".into()),
            ..usual.clone()
        },
    );
    assert!(text.contains("above 2^63"), "{text}");
    assert!(error("late.npz", &usual).contains("the label 1000000000000 is no class"));
    assert!(error("inf.npz", &usual).contains("the label inf is no class"));
    for (name, channels) in [("medmnist.npz", 1), ("medmnist3.npz", 3)] {
        let data = read(name, &usual)?;
        assert_eq!(data.shape(), [channels, 28, 28], "{name}");
        assert_eq!(
            (data.train.len(), data.validation.len(), data.test.len()),
            (30, 9, 6),
            "{name}"
        );
    }
    let text = error("one.npy", &usual);
    assert!(
        text.contains("one array, without labels") && text.contains("numpy.savez"),
        "{text}"
    );
    // Rows without labels, asked for: of an array alone, and of a file that has labels.
    let unlabelled = ArrayOptions {
        y: None,
        ..usual.clone()
    };
    for name in ["one.npy", "text.npz", "medmnist.npz"] {
        let data = read(name, &unlabelled)?;
        assert_eq!((data.classes, data.remark()?), (0, None), "{name}");
        for part in data.parts() {
            assert!(part.y.to_ints()?.iter().all(|y| *y == -1), "{name}");
        }
    }
    let data = read("one.npy", &unlabelled)?;
    assert_eq!(
        (data.train.len(), data.validation.len(), data.test.len()),
        (21, 3, 6)
    );
    assert!(data.notes[0].contains("`x` is float64"), "{:?}", data.notes);
    assert!(read("other.npz", &usual)?.notes.is_empty());
    let few = ArrayOptions {
        parts: PartsOptions {
            labels_per_class: Some(1),
            ..PartsOptions::default()
        },
        ..unlabelled
    };
    assert!(error("one.npy", &few).contains("has no labels"));
    Ok(())
}
