//! Checkpoints and tensors on disk.

use serde_json::json;

use super::*;
use crate::error::Result;
use crate::params::Snapshot;
use crate::tensor::{Kind, Tensor};

type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

fn snapshot() -> Result<Snapshot> {
    let mut made = Snapshot::default();
    made.put(
        "net.weight",
        &Tensor::arange(0.0, 6.0, 1.0)?.reshape(&[2, 3])?,
    )?;
    made.put("net.steps", &Tensor::of_ints(&[1 << 40])?)?;
    made.put(
        "chains.half",
        &Tensor::full(&[3], 0.5)?.to_kind(Kind::BFloat16)?,
    )?;
    made.put("empty", &Tensor::zeros(&[0, 4])?)?;
    made.values.insert("opt.step".to_owned(), json!(12));
    made.values
        .insert("note".to_owned(), json!("ε = 0.1, \"quoted\""));
    Ok(made)
}

#[test]
fn a_state_comes_back_from_disk_as_it_was() -> Outcome {
    let place = tempfile::tempdir()?;
    let path = place.path().join("a.safetensors");
    let made = snapshot()?;
    write_snapshot(&path, &made)?;
    let back = read_snapshot(&path)?;
    assert_eq!(back.values, made.values);
    assert_eq!(
        back.tensors.keys().collect::<Vec<_>>(),
        made.tensors.keys().collect::<Vec<_>>()
    );
    for (name, tensor) in &made.tensors {
        let found = back.tensor(name)?;
        assert_eq!(
            (found.shape(), found.kind()),
            (tensor.shape(), tensor.kind()),
            "{name}"
        );
        assert_eq!(found.to_vec()?, tensor.to_vec()?, "{name}");
    }
    let first = std::fs::read(&path)?;
    write_snapshot(&path, &made)?;
    assert_eq!(
        std::fs::read(&path)?,
        first,
        "the same state gives the same bytes"
    );
    assert_eq!(read_safetensors(&path)?.len(), 4);
    Ok(())
}

#[test]
fn a_cut_file_is_recognised_wherever_it_is_cut() -> Outcome {
    let place = tempfile::tempdir()?;
    let path = place.path().join("a.safetensors");
    write_snapshot(&path, &snapshot()?)?;
    let whole = std::fs::read(&path)?;
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length])?;
        let error = read_snapshot(&path)
            .err()
            .ok_or(format!("{length} of {} bytes were accepted", whole.len()))?;
        assert!(
            error.message().contains("not a whole safetensors file"),
            "{error}"
        );
    }
    std::fs::write(&path, [&whole[..], b"x"].concat())?;
    assert!(read_snapshot(&path).is_err());
    let mut tensors = std::collections::BTreeMap::new();
    tensors.insert("w".to_owned(), Tensor::zeros(&[2])?);
    write_safetensors(&path, &tensors)?;
    assert!(read_snapshot(&path).is_err_and(|e| e.message().contains("not a checkpoint")));
    Ok(())
}

#[test]
fn a_checkpoint_that_is_cut_or_damaged_anywhere_is_recognised() -> Outcome {
    let place = tempfile::tempdir()?;
    let path = place.path().join("a.safetensors");
    let mut snapshot = Snapshot::default();
    snapshot.put("w", &Tensor::arange(0.0, 7.0, 1.0)?)?;
    snapshot.put("empty", &Tensor::zeros(&[0])?)?;
    snapshot.values.insert("count".to_owned(), json!(3));
    write_snapshot(&path, &snapshot)?;
    let whole = std::fs::read(&path)?;
    assert_eq!(read_snapshot(&path)?.int("count")?, 3);
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length])?;
        let error = read_snapshot(&path).err().ok_or("must be refused")?;
        assert!(error.message().contains("a.safetensors"), "{error}");
    }
    // Numbers that a disk has lost.
    for at in whole.len() - 28..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&path, &damaged)?;
        assert!(
            read_snapshot(&path).is_err_and(|e| e.message().contains("checksum")),
            "{at}"
        );
    }
    Ok(())
}

#[test]
fn a_users_file_is_no_temporary_one() -> Outcome {
    let place = tempfile::tempdir()?;
    std::fs::write(place.path().join("a.partial"), "mine")?;
    let taken = place
        .path()
        .join(format!(".partial-{}-0", std::process::id()));
    std::fs::write(&taken, "mine too")?;
    write_atomically(&place.path().join("a.txt"), b"text")?;
    assert_eq!(
        std::fs::read_to_string(place.path().join("a.partial"))?,
        "mine"
    );
    assert_eq!(std::fs::read_to_string(taken)?, "mine too");
    assert_eq!(std::fs::read_dir(place.path())?.count(), 3);
    Ok(())
}
