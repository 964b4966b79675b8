//! Every operator of libtorch that scripts may call, called with arguments that often make no sense:
//! it ends with a value or an error, and not the process.
//!
//! A child process calls one form of an operator after the other, and says where it is. Where it
//! dies or stands still, its parent notes the operator, and starts another one behind it. What is
//! found belongs into the rule of `src/aten/shim/rule.h`. A new libtorch brings new operators: they
//! are found here first.
//!
//! ```text
//! OPERATOR_CALLS=1000 OPERATOR_SEED=7 cargo test --release --test fuzz operators::
//! ```

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fastrand::Rng;
use jemscript::Tensor;
use jemscript::aten::{Argument, Form, Operator, Value, names};
use jemscript::tensor::{Device, Kind};

/// Calls of each form.
const CALLS: u64 = 60;
/// A form that takes longer for all of its calls hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Address space for data.
const MEMORY: u64 = 4 << 30;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}

/// All forms in a fixed order.
fn forms() -> Vec<(Operator, Form)> {
    let operators = names()
        .iter()
        .map(|known| Operator::find(known.name).unwrap());
    operators
        .flat_map(|op| op.forms().into_iter().map(move |form| (op, form)))
        .collect()
}

#[test]
fn no_operator_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let all = forms();
    let mut found: Vec<String> = Vec::new();
    let mut next = setting("OPERATOR_FROM", 0) as usize;
    while next < all.len() && found.len() < 20 {
        let died = watch(folder.path(), next);
        let at = last(folder.path()).unwrap_or(next);
        match died {
            None => break,
            Some(how) => found.push(format!("{at}: {}: {how}", all[at].1.label)),
        }
        next = at + 1;
    }
    let counts = fs::read_to_string(folder.path().join("counts")).unwrap_or_default();
    println!("{} forms; {counts}", all.len());
    assert!(all.len() > 800, "only {} forms", all.len());
    assert!(found.is_empty(), "{}", found.join("\n"));
    // Arguments of which none fits would prove nothing.
    let worked: usize = counts
        .split(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    assert!(
        worked * 5 > all.len() * 3,
        "only {worked} forms of {} ever gave a value",
        all.len()
    );
}

fn last(folder: &Path) -> Option<usize> {
    fs::read_to_string(folder.join("at")).ok()?.parse().ok()
}

/// Runs a child from a form on; how it died, if it did.
fn watch(folder: &Path, from: usize) -> Option<String> {
    let _ = fs::remove_file(folder.join("at"));
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["operators::child", "--exact", "--ignored", "--nocapture"])
        .env("RUST_BACKTRACE", "0")
        .env("OPERATOR_FOLDER", folder)
        .env("OPERATOR_FROM", from.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut at, mut since) = (None, Instant::now());
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return (!status.success()).then(|| format!("{status}"));
        }
        let now = last(folder);
        if now != at {
            (at, since) = (now, Instant::now());
        }
        if since.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            return Some("hangs".to_owned());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
#[ignore = "the child process of the test above"]
fn child() {
    let Some(folder) = std::env::var_os("OPERATOR_FOLDER") else {
        return;
    };
    let folder = Path::new(&folder);
    let (_, hard) = rlimit::Resource::DATA.get().unwrap();
    rlimit::Resource::DATA.set(MEMORY, hard).unwrap();
    tch::set_num_threads(1);
    let (calls, seed) = (
        setting("OPERATOR_CALLS", CALLS),
        setting("OPERATOR_SEED", 0),
    );
    let mut worked = 0;
    for (i, (operator, form)) in forms().iter().enumerate() {
        if i < setting("OPERATOR_FROM", 0) as usize {
            continue;
        }
        fs::write(folder.join("at"), i.to_string()).unwrap();
        let mut good = 0;
        for k in 0..calls {
            let mut rng = Rng::with_seed(seed * 1_000_003 + i as u64 * 7_919 + k);
            tch::manual_seed(rng.i64(0..1 << 30));
            let arguments = arguments(&mut rng, form, k % 3 == 2);
            let before: Vec<_> = arguments.iter().map(checksum).collect();
            good += u64::from(operator.call(&arguments, &[]).is_ok());
            let after: Vec<_> = arguments.iter().map(checksum).collect();
            assert!(before == after, "{} changes its arguments", form.label);
        }
        worked += u64::from(good > 0);
        fs::write(
            folder.join("counts"),
            format!("{worked} of them gave a value"),
        )
        .unwrap();
    }
}

/// The bits of all tensors in a value.
fn checksum(value: &Value) -> Vec<Option<u32>> {
    match value {
        Value::Tensor(t) => vec![t.checksum(0).ok()],
        Value::List(list) => list.iter().flat_map(checksum).collect(),
        _ => Vec::new(),
    }
}

/// Arguments by their place: those without a default, and some of the others.
fn arguments(rng: &mut Rng, form: &Form, wild: bool) -> Vec<Value> {
    let (shape, kind) = (shape(rng), kind(rng));
    let mut made = Vec::new();
    for argument in form.arguments.iter().take_while(|a| !a.by_name) {
        if argument.default.is_some() && rng.u8(0..3) == 0 {
            break;
        }
        made.push(value(rng, argument, &shape, kind, wild));
    }
    made
}

fn value(rng: &mut Rng, a: &Argument, shape: &[i64], kind: Kind, wild: bool) -> Value {
    let plain = a.kind.trim_end_matches('?');
    if plain.len() < a.kind.len() && rng.u8(0..3) == 0 {
        return Value::None;
    }
    let count = rng.usize(0..4);
    match plain {
        "tensor" => Value::Tensor(tensor(rng, &a.name, shape, kind)),
        "[tensor]" => {
            let all = (0..=count).map(|_| Value::Tensor(tensor(rng, &a.name, shape, kind)));
            Value::List(all.collect())
        }
        "int" => Value::Int(int(rng, wild)),
        "[int]" if rng.bool() => Value::List(shape.iter().map(|n| Value::Int(*n)).collect()),
        "[int]" | "int | [int]" => {
            Value::List((0..count).map(|_| Value::Int(int(rng, wild))).collect())
        }
        "float" => Value::Float(float(rng, wild)),
        "[float]" | "float | [float]" => {
            Value::List((0..count).map(|_| Value::Float(float(rng, wild))).collect())
        }
        "bool" => Value::Bool(rng.bool()),
        "[bool]" | "bool | [bool]" => {
            Value::List((0..count).map(|_| Value::Bool(rng.bool())).collect())
        }
        "number" if rng.bool() => Value::Int(int(rng, wild)),
        "number" => Value::Float(float(rng, wild)),
        "[number]" => Value::List((0..count).map(|_| Value::Float(float(rng, wild))).collect()),
        _ => Value::Text(text(rng, &a.name).to_owned()),
    }
}

/// Mostly as the others of the call, else of any shape; indices where the name says so.
fn tensor(rng: &mut Rng, name: &str, base: &[i64], kind: Kind) -> Tensor {
    let own = shape(rng);
    let shape = if rng.u8(0..4) == 0 { &own } else { base };
    let indices = ["index", "indices", "target", "labels", "boundaries"];
    if indices.contains(&name) && rng.u8(0..5) > 0 {
        let raw = tch::Tensor::f_randint(4, shape, (Kind::Int64, Device::Cpu)).unwrap();
        return Tensor::from(raw);
    }
    let made = Tensor::randn(shape).unwrap();
    match rng.u8(0..12) {
        0 => made.div(0.0).unwrap_or(made),
        1 => made.mul(0.0).and_then(|zero| zero.div(0.0)).unwrap_or(made),
        2 => made.to_kind(self::kind(rng)).unwrap(),
        3 => made.abs().unwrap(),
        4 if made.ndim() > 1 => made.transpose(0, 1).unwrap(),
        _ => made.to_kind(kind).unwrap(),
    }
}

fn shape(rng: &mut Rng) -> Vec<i64> {
    let all: [&[i64]; 14] = [
        &[],
        &[0],
        &[1],
        &[5],
        &[3, 3],
        &[3, 3],
        &[2, 3],
        &[4, 0],
        &[2, 3, 4],
        &[2, 3, 3],
        &[1, 2, 5, 5],
        &[2, 4, 6, 6],
        &[1, 2, 3, 3, 3],
        &[2, 1, 3],
    ];
    all[rng.usize(0..all.len())].to_vec()
}

fn kind(rng: &mut Rng) -> Kind {
    let all = [
        Kind::Float,
        Kind::Float,
        Kind::Float,
        Kind::Double,
        Kind::Int64,
        Kind::Bool,
    ];
    all[rng.usize(0..all.len())]
}

fn int(rng: &mut Rng, wild: bool) -> i64 {
    let usual = [0, 1, 1, 1, 2, 2, 3, -1, -2, 4, 5, -3, 6, 8];
    let large = [
        i64::MAX,
        i64::MIN,
        i64::from(i32::MAX),
        i64::from(i32::MIN),
        1 << 31,
        1 << 40,
        -1_000_000,
        100_000,
        4096,
        -7,
        64,
    ];
    match wild && rng.bool() {
        true => large[rng.usize(0..large.len())],
        false => usual[rng.usize(0..usual.len())],
    }
}

fn float(rng: &mut Rng, wild: bool) -> f64 {
    let large = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1e308,
        1e-320,
        1e20,
        -0.0,
    ];
    let usual = [0.0, 1.0, 0.5, -1.0, 0.1, 2.0, 1e-5, 3.7];
    match wild && rng.bool() {
        true => large[rng.usize(0..large.len())],
        false => usual[rng.usize(0..usual.len())],
    }
}

fn text(rng: &mut Rng, name: &str) -> &'static str {
    let words: &[&str] = match name {
        "equation" => &[
            "ij,jk->ik",
            "ii->i",
            "i,i",
            "...i->...",
            "ij->ji",
            "i",
            "bad->",
            "ij,ij",
        ],
        "dtype" => &["float32", "float64", "int64", "bool", "complex64", "wrong"],
        "device" => &["cpu", "cpu", "cuda:7", "meta"],
        "reduction" => &["mean", "sum", "none"],
        "padding" => &["same", "valid", "wrong"],
        "indexing" => &["ij", "xy"],
        "mode" => &[
            "constant",
            "reflect",
            "replicate",
            "circular",
            "reduced",
            "complete",
            "r",
        ],
        "reduce" => &["sum", "prod", "mean", "amax", "amin", "add", "multiply"],
        "ord" => &["fro", "nuc", "wrong"],
        "UPLO" => &["L", "U", "x"],
        "side" => &["left", "right", "middle"],
        "norm" => &["backward", "forward", "ortho", "wrong"],
        "rounding_mode" => &["floor", "trunc", "wrong"],
        "interpolation" => &["linear", "lower", "higher", "midpoint", "nearest", "wrong"],
        "approximate" => &["none", "tanh", "wrong"],
        "driver" => &["gels", "gelsy", "gelsd", "gelss", "wrong"],
        _ => &["", "mean", "cpu", "a text", "\0"],
    };
    words[rng.usize(0..words.len())]
}
