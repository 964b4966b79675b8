//! What the tests that compare with PyTorch share: a Python with libtorch's `torch` package, and
//! tensors sent both ways.

#![allow(dead_code)]

pub mod images;
pub mod program;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use jemscript::formats::{read_safetensors, write_safetensors};
use jemscript::{Error, Result, Tensor};

/// Tensors by name.
pub type Tensors = BTreeMap<String, Tensor>;

/// All files in a folder and the folders in it whose names have this ending.
pub fn files_below(folder: &Path, ending: &str) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(files_below(&path, ending)?),
            false if path.extension().is_some_and(|e| e == ending) => found.push(path),
            false => {}
        }
    }
    Ok(found)
}

/// What a Python program prints. It runs on one thread, with the `torch` that holds the libtorch in
/// use.
pub fn python(code: &str) -> Result<String> {
    // …/torch/lib, so the packages' folder is two up. What it lacks, `make test` puts behind the
    // link `.python`.
    let beside = Path::new(env!("JEMSCRIPT_LIBTORCH_LIB"))
        .parent()
        .and_then(Path::parent);
    let beside = beside.ok_or_else(|| Error::state("no folder above libtorch's"))?;
    let more = Path::new(env!("CARGO_MANIFEST_DIR")).join(".python");
    let packages =
        std::env::join_paths([beside, &more]).map_err(|e| Error::state(e.to_string()))?;
    let run = Command::new("python3")
        .args(["-c", code])
        .env("PYTHONPATH", packages)
        .env("OMP_NUM_THREADS", "1")
        .output();
    let run = run.map_err(|e| Error::state(format!("python3: {e}")))?;
    if !run.status.success() {
        return Err(Error::state(format!(
            "python3 failed:\n{}",
            String::from_utf8_lossy(&run.stderr)
        )));
    }
    Ok(String::from_utf8_lossy(&run.stdout).into_owned())
}

/// Runs a Python program that finds tensors in `given` (a dictionary) and leaves tensors in `made`.
pub fn python_tensors(code: &str, given: &Tensors) -> Result<Tensors> {
    let folder = tempfile::tempdir().map_err(|e| Error::state(e.to_string()))?;
    let (there, back) = (
        folder.path().join("given.safetensors"),
        folder.path().join("made.safetensors"),
    );
    write_safetensors(&there, given)?;
    let program = format!("GIVEN, MADE = {there:?}, {back:?}\n{PRELUDE}\n{code}\n{POSTLUDE}");
    python(&program)?;
    read_safetensors(&back)
}

/// Reads a safetensors file without the package of that name: eight bytes of length, a JSON header,
/// the data.
const PRELUDE: &str = r#"
import json, struct, numpy as np, torch
torch.set_num_threads(1)
KINDS = {"F32": np.float32, "F64": np.float64, "I64": np.int64}
def _read(path):
    raw = open(path, "rb").read()
    (n,) = struct.unpack("<Q", raw[:8])
    found = {}
    for name, at in json.loads(raw[8:8 + n]).items():
        if name != "__metadata__":
            a, b = at["data_offsets"]
            data = np.frombuffer(raw[8 + n + a:8 + n + b], dtype=KINDS[at["dtype"]]).reshape(at["shape"])
            found[name] = torch.from_numpy(data.copy())
    return found
given, made = _read(GIVEN), {}
"#;

const POSTLUDE: &str = r#"
def _write(path, tensors):
    header, parts, at = {}, [], 0
    names = {np.dtype(t): n for n, t in KINDS.items()}
    for name, tensor in tensors.items():
        data = np.ascontiguousarray(tensor.detach().numpy())
        raw = data.tobytes()
        header[name] = {"dtype": names[data.dtype], "shape": list(tensor.shape), "data_offsets": [at, at + len(raw)]}
        parts.append(raw)
        at += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + b"".join(parts))
_write(MADE, made)
"#;

/// ‖a − b‖₂ / ‖b‖₂, or ‖a − b‖₂ where b is 0; infinite where the shapes differ.
pub fn distance(a: &Tensor, b: &Tensor) -> Result<f64> {
    if a.shape() != b.shape() {
        return Ok(f64::INFINITY);
    }
    let (a, b) = (a.to_vec()?, b.to_vec()?);
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let size = norm(&mut b.iter().copied());
    let apart = norm(&mut a.iter().zip(&b).map(|(x, y)| x - y));
    Ok(if size > 0.0 { apart / size } else { apart })
}

/// Collects comparisons and fails once, with all that are too far apart.
#[derive(Default)]
pub struct Comparison {
    /// How many were made.
    pub made: usize,
    failures: Vec<String>,
}

impl Comparison {
    /// Compares two tensors within a relative distance. Not-a-number is too far.
    pub fn near(
        &mut self,
        what: &str,
        ours: &Tensor,
        theirs: Option<&Tensor>,
        bound: f64,
    ) -> Result<()> {
        self.made += 1;
        match theirs {
            None => self
                .failures
                .push(format!("{what}: not computed by PyTorch")),
            Some(theirs) => {
                let apart = distance(ours, theirs)?;
                if apart.is_nan() || apart > bound {
                    let shapes = format!("{} and {}", ours.brief(), theirs.brief());
                    self.failures.push(format!(
                        "{what}: {apart:.2e} apart, bound {bound:.0e} ({shapes})"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Panics if any were too far apart, or if fewer were made than expected.
    pub fn finish(self, at_least: usize) {
        assert!(
            self.failures.is_empty(),
            "{} of {} failed:\n{}",
            self.failures.len(),
            self.made,
            self.failures.join("\n")
        );
        assert!(
            self.made >= at_least,
            "only {} comparisons were made",
            self.made
        );
    }
}
