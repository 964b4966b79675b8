//! Data from files: idx files in the exact format, and every way in which one can be broken.

use std::fs;
use std::io::Write;
use std::path::Path;

use jemscript::Result;
use jemscript::data::{ImageOptions, fashion_mnist, mnist, read_idx};

fn idx(dims: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|d| bytes.extend(d.to_be_bytes()));
    bytes.extend(values);
    bytes
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `n` images of 4×6 in two classes; pixel values count up through all images.
fn pair(n: u32) -> (Vec<u8>, Vec<u8>) {
    let pixels: Vec<u8> = (0..n * 24).map(|i| (i % 256) as u8).collect();
    let labels: Vec<u8> = (0..n).map(|i| (i % 2) as u8).collect();
    (idx(&[n, 4, 6], &pixels), idx(&[n], &labels))
}

/// A whole folder: training files plain, test files gzipped.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let (images, labels) = pair(40);
    write("train-images-idx3-ubyte", &images);
    write("train-labels-idx1-ubyte", &labels);
    let (images, labels) = pair(10);
    write("t10k-images-idx3-ubyte.gz", &gzipped(&images));
    write("t10k-labels-idx1-ubyte.gz", &gzipped(&labels));
    folder
}

fn options(folder: &Path) -> ImageOptions {
    ImageOptions {
        folder: Some(folder.display().to_string()),
        validation: 10,
        ..ImageOptions::default()
    }
}

#[test]
fn idx_files_become_images_in_range() -> Result<()> {
    let folder = folder();
    let data = mnist(&options(folder.path()))?;
    assert_eq!(
        (data.train.len(), data.validation.len(), data.test.len()),
        (30, 10, 10)
    );
    assert_eq!(data.shape(), [1, 4, 6]);
    assert_eq!(data.validation.counts()?, [5, 5]);
    let expected: Vec<f64> = (0..240)
        .map(|i| f64::from((i % 256) as u8) / 127.5 - 1.0)
        .collect();
    let found = data.test.x()?.to_vec()?;
    assert!(
        found
            .iter()
            .zip(&expected)
            .all(|(a, b)| (a - b).abs() < 1e-6)
    );
    assert_eq!(data.test.y.to_ints()?, [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
    // Rows stay with their labels: image i begins with pixel 24 i (mod 256), and its class is i mod
    // 2.
    for part in data.parts() {
        for (i, label) in part.y.to_ints()?.iter().enumerate() {
            let first = ((part.x()?.get(i as i64)?.to_vec()?[0] + 1.0) * 127.5).round() as i64;
            let candidates: Vec<i64> = (0..40)
                .filter(|k| (24 * k) % 256 == first)
                .map(|k| k % 2)
                .collect();
            assert!(candidates.contains(label));
        }
    }
    Ok(())
}

#[test]
fn images_are_resized_by_area_and_limited() -> Result<()> {
    let folder = folder();
    let whole = mnist(&options(folder.path()))?;
    let small = mnist(&ImageOptions {
        size: Some(2),
        limit: Some(7),
        ..options(folder.path())
    })?;
    assert_eq!(
        (small.train.len(), small.validation.len(), small.test.len()),
        (7, 7, 7)
    );
    assert_eq!(small.shape(), [1, 2, 2]);
    // 4×6 to 2×2: the mean of each block of 2×3.
    let image = whole.test.x()?.get(3)?.to_vec()?;
    let block = |row: usize, column: usize| {
        let cells = (0..2).flat_map(|i| (0..3).map(move |j| (2 * row + i) * 6 + 3 * column + j));
        cells.map(|c| image[c]).sum::<f64>() / 6.0
    };
    let expected = [block(0, 0), block(0, 1), block(1, 0), block(1, 1)];
    let found = small.test.x()?.get(3)?.to_vec()?;
    assert!(
        found
            .iter()
            .zip(&expected)
            .all(|(a, b)| (a - b).abs() < 1e-6),
        "{found:?} {expected:?}"
    );
    assert!(small.about.contains("Resized to 2×2"));
    Ok(())
}

#[test]
fn plain_and_gzipped_files_hold_the_same() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, _) = pair(5);
    let (plain, packed) = (folder.path().join("a"), folder.path().join("b"));
    fs::write(&plain, &bytes).unwrap();
    fs::write(&packed, gzipped(&bytes)).unwrap();
    assert_eq!(read_idx(&plain)?, read_idx(&packed)?);
    assert_eq!(read_idx(&plain)?.0, [5, 4, 6]);
    Ok(())
}

#[test]
fn broken_files_are_errors_that_name_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some-file");
    let error = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = read_idx(&path).unwrap_err().to_string();
        assert!(error.contains("some-file"), "{error}");
        error
    };
    let (good, _) = pair(5);
    let mut wrong_magic = good.clone();
    wrong_magic[0] = 1;
    assert!(error(&wrong_magic).contains("begins with [1, 0, 8, 3]"));
    let mut wrong_type = good.clone();
    wrong_type[2] = 7;
    assert!(error(&wrong_type).contains("begins with"));
    assert!(error(&good[..3]).contains("ends in its first four bytes"));
    assert!(error(&good[..10]).contains("ends in its sizes"));
    assert!(error(&good[..good.len() - 1]).contains("after 119 of 120 bytes"));
    assert!(error(&[&good[..], &[0]].concat()).contains("more bytes follow"));
    assert!(error(&idx(&[u32::MAX, u32::MAX, u32::MAX], &[])).contains("impossible"));
    assert!(error(&[]).contains("empty"));
    let packed = gzipped(&good);
    assert!(error(&packed[..packed.len() / 2]).contains("cannot read"));
    let mut damaged = packed.clone();
    let middle = packed.len() / 2;
    damaged[middle] ^= 0xff;
    assert!(error(&damaged).contains("not a whole idx file"));
}

#[test]
fn folders_that_do_not_fit_are_errors() {
    let message = |folder: &Path| fashion_mnist(&options(folder)).unwrap_err().to_string();
    assert!(message(Path::new("/no/such/folder")).contains("no folder /no/such/folder"));

    let without = folder();
    fs::remove_file(without.path().join("t10k-labels-idx1-ubyte.gz")).unwrap();
    assert!(message(without.path()).contains("no file t10k-labels-idx1-ubyte"));

    let unequal = folder();
    fs::write(unequal.path().join("train-labels-idx1-ubyte"), pair(39).1).unwrap();
    assert!(message(unequal.path()).contains("one label for each of the 40 images"));

    let flat = folder();
    fs::write(flat.path().join("train-images-idx3-ubyte"), pair(40).1).unwrap();
    assert!(message(flat.path()).contains("needs three dimensions"));

    let few = folder();
    let bad = ImageOptions {
        validation: 40,
        ..options(few.path())
    };
    assert!(
        mnist(&bad)
            .unwrap_err()
            .message()
            .starts_with("data::mnist")
    );
    let bad = ImageOptions {
        size: Some(0),
        ..options(few.path())
    };
    assert!(mnist(&bad).is_err());
}

#[test]
fn other_layouts_and_types_of_idx_files() -> Result<()> {
    // torchvision's folders.
    let place = tempfile::tempdir().unwrap();
    let plain = folder();
    let raw = place.path().join("MNIST/raw");
    fs::create_dir_all(&raw).unwrap();
    for entry in fs::read_dir(plain.path()).unwrap().flatten() {
        fs::copy(entry.path(), raw.join(entry.file_name())).unwrap();
    }
    assert_eq!(mnist(&options(place.path()))?.train.len(), 30);
    // EMNIST's names; its images lie on their side, and letters count from 1.
    let place = tempfile::tempdir().unwrap();
    let (images, _) = pair(40);
    let labels: Vec<u8> = (0..40).map(|i| 1 + (i % 2) as u8).collect();
    for part in ["train", "test"] {
        let write = |what: &str, bytes: &[u8]| {
            fs::write(
                place
                    .path()
                    .join(format!("emnist-letters-{part}-{what}-ubyte.gz")),
                gzipped(bytes),
            )
            .unwrap();
        };
        write("images-idx3", &images);
        write("labels-idx1", &idx(&[40], &labels));
    }
    let data = mnist(&options(place.path()))?;
    assert_eq!((data.shape(), data.classes), (vec![1, 6, 4], 3));
    let first = data.test.x()?.get(0)?.get(0)?;
    assert!(
        (first.get(1)?.get(0)?.item()? - (1.0 / 127.5 - 1.0)).abs() < 1e-6,
        "pixel 1 lies below pixel 0"
    );
    assert!(data.remark()?.unwrap().contains("count from 1"));
    // Values of other types, the highest byte first.
    let file = |kind: u8, values: Vec<u8>| {
        let mut bytes = vec![0, 0, kind, 1, 0, 0, 0, 2];
        bytes.extend(values);
        fs::write(place.path().join("v"), bytes).unwrap();
        read_idx(&place.path().join("v"))
    };
    for (kind, values) in [
        (0x09, vec![3, 7]),
        (0x0b, vec![0, 3, 0, 7]),
        (0x0c, vec![0, 0, 0, 3, 0, 0, 0, 7]),
        (0x0d, [3.0f32.to_be_bytes(), 7.0f32.to_be_bytes()].concat()),
        (0x0e, [3.0f64.to_be_bytes(), 7.0f64.to_be_bytes()].concat()),
    ] {
        assert_eq!(file(kind, values)?, (vec![2], vec![3, 7]), "{kind:#x}");
    }
    let wide = file(0x0c, vec![0, 0, 1, 0, 0, 0, 0, 7])
        .unwrap_err()
        .to_string();
    assert!(
        wide.contains("256 is no whole number from 0 to 255"),
        "{wide}"
    );
    // What is another thing altogether.
    for (bytes, what) in [
        (&b"<!DOCTYPE html><html>404</html>"[..], "a web page"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1",
            "a pointer of Git LFS",
        ),
        (b"", "an empty file"),
    ] {
        fs::write(place.path().join("v"), bytes).unwrap();
        let error = read_idx(&place.path().join("v")).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    Ok(())
}
