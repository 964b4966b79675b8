//! Small data sets of random pixels in the exact formats of the real ones: CIFAR-10, CIFAR-100,
//! SVHN, Fashion-MNIST.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::cell::RefCell;
use std::fs;
use std::path::Path;

/// Writes all four under a data folder, as `jemscript fetch` would leave them: `n` training images
/// each, a fifth of it to test.
pub fn write_all(to: &Path, n: usize) {
    let rng = RefCell::new(fastrand::Rng::with_seed(1));
    let pixels =
        |count: usize| -> Vec<u8> { (0..count).map(|_| rng.borrow_mut().u8(..)).collect() };
    for set in ["cifar10", "cifar100", "svhn", "fashion-mnist"] {
        fs::create_dir_all(to.join(set)).unwrap();
    }
    let records = |count: usize, labels: &dyn Fn(usize) -> Vec<u8>| -> Vec<u8> {
        (0..count)
            .flat_map(|i| [labels(i), pixels(3 * 32 * 32)].concat())
            .collect()
    };
    let ten = |i: usize| vec![(i % 10) as u8];
    for b in 1..=5 {
        fs::write(
            to.join(format!("cifar10/data_batch_{b}.bin")),
            records(n / 5, &ten),
        )
        .unwrap();
    }
    fs::write(to.join("cifar10/test_batch.bin"), records(n / 5, &ten)).unwrap();
    let hundred = |i: usize| vec![(i % 20) as u8, (i % 100) as u8];
    for (name, count) in [("train", n), ("test", n / 5)] {
        fs::write(
            to.join(format!("cifar100/{name}.bin")),
            records(count, &hundred),
        )
        .unwrap();
        let house = matlab(&[
            ("X", &[32, 32, 3, count], pixels(3 * 32 * 32 * count)),
            (
                "y",
                &[count, 1],
                (0..count).map(|i| (i % 10 + 1) as u8).collect(),
            ),
        ]);
        fs::write(to.join(format!("svhn/{name}_32x32.mat")), house).unwrap();
        let prefix = if name == "train" { "train" } else { "t10k" };
        let idx = |shape: &[usize], bytes: Vec<u8>| -> Vec<u8> {
            let sizes = shape.iter().flat_map(|s| (*s as u32).to_be_bytes());
            [0, 0, 8, shape.len() as u8]
                .into_iter()
                .chain(sizes)
                .chain(bytes)
                .collect()
        };
        let garments = to.join("fashion-mnist");
        fs::write(
            garments.join(format!("{prefix}-images-idx3-ubyte")),
            idx(&[count, 28, 28], pixels(28 * 28 * count)),
        )
        .unwrap();
        let labels = (0..count).map(|i| (i % 10) as u8).collect();
        fs::write(
            garments.join(format!("{prefix}-labels-idx1-ubyte")),
            idx(&[count], labels),
        )
        .unwrap();
    }
}

/// A MATLAB file, version 5, with arrays of bytes in Fortran order.
fn matlab(arrays: &[(&str, &[usize], Vec<u8>)]) -> Vec<u8> {
    let element = |kind: u32, bytes: &[u8]| -> Vec<u8> {
        let padding = vec![0; bytes.len().next_multiple_of(8) - bytes.len()];
        [
            &kind.to_le_bytes(),
            &(bytes.len() as u32).to_le_bytes(),
            bytes,
            &padding,
        ]
        .concat()
    };
    let mut file = b"MATLAB 5.0 MAT-file".to_vec();
    file.resize(124, b' ');
    file.extend([0, 1, b'I', b'M']);
    for (name, shape, bytes) in arrays {
        let sizes: Vec<u8> = shape
            .iter()
            .flat_map(|s| (*s as i32).to_le_bytes())
            .collect();
        let flags = [9u32.to_le_bytes(), [0; 4]].concat(); // 9: an array of uint8
        file.extend(element(
            14,
            &[
                element(6, &flags),
                element(5, &sizes),
                element(1, name.as_bytes()),
                element(2, bytes),
            ]
            .concat(),
        ));
    }
    file
}
