//! Augmentation: crops are true windows of the padded image, each image has its own, flips are
//! fair, noise has its spread.

use crate::common;

use std::collections::BTreeMap;

use common::python_tensors;
use jemscript::data::{Augment, AugmentOptions, Batch, Padding};
use jemscript::options::{Options, Value};
use jemscript::{Result, Tensor};

/// Images whose pixels are all different.
fn images(batch: i64, channels: i64, side: i64) -> Result<Tensor> {
    Tensor::arange(0.0, (batch * channels * side * side) as f64, 1.0)?
        .reshape(&[batch, channels, side, side])
}

fn apply(x: &Tensor, options: AugmentOptions) -> Result<Tensor> {
    Augment::new(&options)?.images(x)
}

#[test]
fn paddings_are_those_of_pytorch() -> Result<()> {
    let x = images(3, 2, 6)?;
    let made = python_tensors(
        "for mode, name in (('reflect', 'reflect'), ('replicate', 'edge'), ('constant', 'zero')):\n    made[name] = \
         torch.nn.functional.pad(given['x'], (4, 4, 4, 4), mode=mode)",
        &[("x".to_owned(), x.clone())].into(),
    )?;
    for mode in ["reflect", "edge", "zero"] {
        let options = AugmentOptions {
            pad: 4,
            mode: Padding::of(mode).unwrap(),
            crop: false,
            ..AugmentOptions::default()
        };
        assert_eq!(
            apply(&x, options)?.to_vec()?,
            made[mode].to_vec()?,
            "{mode}"
        );
    }
    Ok(())
}

#[test]
fn crops_are_windows_of_the_padded_image_and_every_window_is_as_likely() -> Result<()> {
    let (n, pad) = (4000, 1);
    // One image many times: what differs is the draw alone.
    let x = images(1, 2, 5)?.expand(&[n, 2, 5, 5])?.contiguous()?;
    let padded = images(1, 2, 5)?.reflect_pad(pad)?.get(0)?;
    let mut windows = BTreeMap::new();
    for turned in [false, true] {
        for r in 0..3 {
            for c in 0..3 {
                let window = padded.narrow(1, r, 5)?.narrow(2, c, 5)?;
                let window = if turned { window.flip(&[2])? } else { window };
                windows.insert(format!("{:?}", window.contiguous()?.to_vec()?), (0, turned));
            }
        }
    }
    tch::manual_seed(1);
    let out = apply(
        &x,
        AugmentOptions {
            pad,
            flip: true,
            ..AugmentOptions::default()
        },
    )?;
    assert_eq!(out.shape(), [n, 2, 5, 5]);
    for image in out.to_vec()?.chunks(50) {
        windows
            .get_mut(&format!("{:?}", image.to_vec()))
            .expect("not a window of the padded image")
            .0 += 1;
    }
    assert_eq!(windows.len(), 18);
    // 222 expected each; the standard deviation is 14.5.
    assert!(
        windows.values().all(|(n, _)| (150..300).contains(n)),
        "{windows:?}"
    );
    let flips: i32 = windows
        .values()
        .filter(|(_, turned)| *turned)
        .map(|(n, _)| n)
        .sum();
    assert!((1870..2130).contains(&flips), "{flips} of {n} were turned");
    Ok(())
}

#[test]
fn each_image_keeps_its_own_pixels() -> Result<()> {
    tch::manual_seed(2);
    let x = images(50, 3, 8)?;
    let out = apply(
        &x,
        AugmentOptions {
            pad: 3,
            flip: true,
            ..AugmentOptions::default()
        },
    )?;
    for i in 0..50 {
        // Pixel values of image i run from 192 i on.
        let (low, high) = (out.get(i)?.min()?.item()?, out.get(i)?.max()?.item()?);
        assert!(low >= 192.0 * i as f64 && high < 192.0 * (i + 1) as f64);
        // All channels have the same window.
        let shift = out.get(i)?.get(1)?.sub(&out.get(i)?.get(0)?)?;
        assert_eq!((shift.min()?.item()?, shift.max()?.item()?), (64.0, 64.0));
    }
    Ok(())
}

#[test]
fn dequantised_bytes_are_uniform_in_their_bins_and_noise_has_its_spread() -> Result<()> {
    tch::manual_seed(3);
    let bytes: Vec<f64> = (0..256).map(|b| f64::from(b) / 127.5 - 1.0).collect();
    let x = Tensor::of_slice(&bytes, &[1, 1, 16, 16])?.expand(&[400, 1, 16, 16])?;
    let out = apply(
        &x,
        AugmentOptions {
            dequantise: true,
            ..AugmentOptions::default()
        },
    )?;
    let mut shares = Vec::new();
    for (i, v) in out.to_vec()?.into_iter().enumerate() {
        let share = (v + 1.0) * 128.0 - (i % 256) as f64;
        assert!(
            (-1e-4..1.0001).contains(&share),
            "byte {}: {share}",
            i % 256
        );
        shares.push(share);
    }
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    let var = shares.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / shares.len() as f64;
    assert!(
        (mean - 0.5).abs() < 0.005 && (var - 1.0 / 12.0).abs() < 0.002,
        "{mean} {var}"
    );
    let noisy = apply(
        &x,
        AugmentOptions {
            noise: 0.03,
            ..AugmentOptions::default()
        },
    )?
    .sub(&x)?;
    assert!((noisy.std()?.item()? - 0.03).abs() < 3e-4 && noisy.mean()?.item()?.abs() < 5e-4);
    Ok(())
}

#[test]
fn the_generator_decides() -> Result<()> {
    let batch = Batch {
        x: images(16, 1, 8)?,
        y: Tensor::of_ints(&(0..16).collect::<Vec<_>>())?,
    };
    let augment = Augment::new(&AugmentOptions {
        pad: 2,
        flip: true,
        noise: 0.1,
        ..AugmentOptions::default()
    })?;
    let at = |seed| {
        tch::manual_seed(seed);
        augment.apply(&batch)
    };
    assert_eq!(at(5)?.x.to_vec()?, at(5)?.x.to_vec()?);
    assert_ne!(at(5)?.x.to_vec()?, at(6)?.x.to_vec()?);
    assert_eq!(at(5)?.y.to_ints()?, batch.y.to_ints()?);
    // The given images stay as they were.
    assert_eq!(batch.x.to_vec()?, images(16, 1, 8)?.to_vec()?);
    Ok(())
}

#[test]
fn impossible_augmentations_are_errors() -> Result<()> {
    let x = images(2, 1, 4)?;
    let error = |o: AugmentOptions| apply(&x, o).unwrap_err().message().to_owned();
    assert!(
        error(AugmentOptions {
            pad: 4,
            ..AugmentOptions::default()
        })
        .contains("cannot be reflected")
    );
    assert!(
        error(AugmentOptions {
            pad: -1,
            ..AugmentOptions::default()
        })
        .contains("pad must be")
    );
    let misspelt = AugmentOptions::from_map([("mode", &Value::Str("mirror".to_owned()))])
        .unwrap_err()
        .to_string();
    assert!(
        misspelt.contains("`mode` must be \"reflect\", \"edge\" or \"zero\""),
        "{misspelt}"
    );
    assert!(
        error(AugmentOptions {
            noise: f64::NAN,
            ..AugmentOptions::default()
        })
        .contains("noise must be")
    );
    let points = Augment::new(&AugmentOptions {
        flip: true,
        ..AugmentOptions::default()
    })?;
    assert!(
        points
            .images(&Tensor::zeros(&[3, 2])?)
            .unwrap_err()
            .message()
            .contains("needs images")
    );
    assert_eq!(
        points.images(&Tensor::zeros(&[0, 1, 4, 4])?)?.shape(),
        [0, 1, 4, 4]
    );
    Ok(())
}
