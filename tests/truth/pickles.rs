//! Files of `torch.save`: what Python wrote is read as it was, and what is hostile is refused with
//! a sentence. The Python archives of CIFAR are read by the same machine: it gets the same hostile
//! programs from them.

use crate::common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::python;
use jemscript::data::{ImageOptions, cifar10};
use jemscript::formats::{Unread, read_pytorch, read_tensors, tensors_in};
use jemscript::options::Value;
use jemscript::script::{Program, Settings};
use jemscript::tensor::Kind;

/// Writes everything that a checkpoint may hold, new and old, and hostile files.
fn write(folder: &Path, code: &str) {
    let prelude = "import torch, numpy, os, pickle, struct, zipfile, io, argparse\nfrom collections import OrderedDict\n";
    python(&format!("{prelude}os.chdir({folder:?})\n{code}")).unwrap();
}

#[test]
fn what_python_saved_is_read() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        r#"
base = torch.arange(24.).reshape(2, 3, 4)
class Plain(torch.nn.Module):
    pass
everything = {
    "view": base[1, :, ::2], "turned": base.permute(2, 0, 1), "offset": base.flatten()[5:9], "all": base,
    "number": torch.tensor(2.5), "none": torch.zeros(0, 3), "repeated": torch.ones(1, 4).expand(3, 4),
    "parameter": torch.nn.Parameter(torch.tensor([1., 2.])),
    "kinds": [torch.tensor([1, 0, 2]).to(k) for k in
              (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.uint8, torch.int8, torch.bool)],
    "int": 7, "big": 2 ** 40, "negative": -300, "float": .1, "text": "é", "yes": True, "nothing": None,
    "tuple": (1, (2, 3)), "ordered": OrderedDict(a=1, b=[2]), 3: "int key", "size": torch.Size([2, 3]),
    "numpy": [numpy.float64(.25), numpy.float32(.5), numpy.int64(-3), numpy.int32(-4), numpy.uint8(200), numpy.bool_(True)],
    "bytes": b"abc", "set": {1}, "args": argparse.Namespace(lr=.01, n_steps=20), "dtype": torch.float32, "device": torch.device("cpu"),
    "state": torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)).state_dict(),
    "optimiser": torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))]).state_dict(),
}
torch.save(everything, "new.pt")
torch.save(everything, "old.pt", _use_new_zipfile_serialization=False)
torch.save(everything, "five.pt", pickle_protocol=5)
torch.save(base, "alone.pt")
torch.save(Plain(), "object.pt")
torch.save({"w": torch.zeros(2), "f": os.system}, "global.pt")
torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)).save("script.pt")
"#,
    );
    for name in ["new.pt", "old.pt", "five.pt"] {
        let read =
            read_pytorch(&folder.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let Value::Map(entries) = &read else {
            panic!("{name}: no map")
        };
        let text = |key: &str| {
            entries
                .iter()
                .find(|(k, _)| k == key)
                .map(|(_, v)| v.to_string())
                .unwrap_or_default()
        };
        let tensors = tensors_in(&read);
        let numbers = |key: &str| (tensors[key].shape(), tensors[key].to_vec().unwrap());
        assert_eq!(
            numbers("view"),
            (vec![3, 2], vec![12., 14., 16., 18., 20., 22.]),
            "{name}"
        );
        assert_eq!(numbers("turned").0, [4, 2, 3]);
        assert_eq!(numbers("turned").1[..4], [0., 4., 8., 12.]);
        assert_eq!(numbers("offset"), (vec![4], vec![5., 6., 7., 8.]));
        assert_eq!(numbers("all").1[23], 23.0);
        assert_eq!(numbers("number"), (vec![], vec![2.5]));
        assert_eq!(numbers("none"), (vec![0, 3], vec![]));
        assert_eq!(numbers("repeated"), (vec![3, 4], vec![1.0; 12]));
        assert_eq!(numbers("parameter").1, [1.0, 2.0]);
        let kinds = [
            (Kind::Float, 2.0),
            (Kind::Double, 2.0),
            (Kind::Half, 2.0),
            (Kind::BFloat16, 2.0),
            (Kind::Int64, 2.0),
            (Kind::Int, 2.0),
            (Kind::Uint8, 2.0),
            (Kind::Int8, 2.0),
            (Kind::Bool, 1.0),
        ];
        for (i, (kind, last)) in kinds.into_iter().enumerate() {
            let tensor = &tensors[&format!("kinds.{i}")];
            assert_eq!(
                (tensor.kind(), tensor.to_vec().unwrap()),
                (kind, vec![1.0, 0.0, last])
            );
        }
        for (key, value) in [
            ("int", "7"),
            ("big", "1099511627776"),
            ("negative", "-300"),
            ("float", "0.1"),
            ("text", "\"é\""),
            ("yes", "true"),
            ("nothing", "()"),
            ("tuple", "[1, [2, 3]]"),
            ("ordered", "#{ a: 1, b: [2] }"),
            ("3", "\"int key\""),
            ("size", "[2, 3]"),
            ("numpy", "[0.25, 0.5, -3, -4, 200, true]"),
            ("set", "[1]"),
            ("args", "#{ lr: 0.01, n_steps: 20 }"),
            ("device", "\"cpu\""),
            ("dtype", "\"float32\""),
        ] {
            assert_eq!(text(key), value, "{name}: {key}");
        }
        assert_eq!(tensors["state.0.weight"].shape(), [3, 2]);
        assert_eq!(
            tensors["state.1.num_batches_tracked"].to_vec().unwrap(),
            [0.0]
        );
        assert!(
            text("optimiser").contains("betas: [0.9, 0.999]"),
            "{}",
            text("optimiser")
        );
    }
    let said = |name: &str| {
        read_tensors(&folder.path().join(name))
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default()
    };
    assert!(
        said("object.pt").contains("holds `__main__.Plain`, which is not read"),
        "{}",
        said("object.pt")
    );
    assert_eq!(
        said("global.pt"),
        "",
        "a function beside the weights is kept as its name"
    );
    assert!(
        said("script.pt").contains("a TorchScript module, which is a program"),
        "{}",
        said("script.pt")
    );

    // In a script.
    let program = Program::new(Settings {
        folder: folder.path().to_path_buf(),
        ..Settings::default()
    });
    let run = |code: &str| {
        program
            .run_text("script", code)
            .map(|v| v.to_string())
            .map_err(|e| e.text)
    };
    assert_eq!(
        run(r#"tensor::load("new.pt").state["0.bias"].shape.len()"#).unwrap(),
        "1"
    );
    assert_eq!(
        run(r#"tensor::load("alone.pt").sum().item()"#).unwrap(),
        "276.0"
    );
    assert!(
        run(r#"tensor::load("../new.pt")"#)
            .unwrap_err()
            .contains("may not read")
    );
}

#[test]
fn what_is_hostile_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        r#"
MAGIC = pickle.dumps(0x1950a86a20f9469cfc6c, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
def both(name, program, data={}):
    with zipfile.ZipFile(name + ".pt", "w") as z:
        z.writestr("archive/data.pkl", program)
        for key, value in data.items():
            z.writestr("archive/data/" + key, value)
    open(name + "-old.pt", "wb").write(MAGIC + program)
    open("as-cifar/" + name, "wb").write(program)
os.mkdir("as-cifar")
class Evil:
    def __reduce__(self):
        return os.system, ("touch executed",)
both("reduce", pickle.dumps({"x": Evil()}, 2))
both("eval", b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.")
both("getattr", b"\x80\x02c__builtin__\ngetattr\n.")
both("stack", b"\x80\x04\x8c\x02os\x8c\x06system\x93.")
both("inst", b"(S'touch executed'\nios\nsystem\n.")
both("extension", b"\x80\x02\x82\x01.")
both("huge_text", b"\x80\x02X\xff\xff\xff\x7fabc.")
both("huge_text8", b"\x80\x04\x8d" + b"\xff" * 8 + b"abc.")
both("huge_bytes", b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7fabc.")
both("empty", b"")
both("no_stop", b"\x80\x02]")
both("underflow", b"\x80\x02a.")
both("no_mark", b"\x80\x02u.")
both("no_memo", b"\x80\x02h\x07.")
both("odd", b"\x80\x02}(K\x01u.")
both("deep", b"\x80\x02" + b"]" * 500_000 + b"a" * 499_999 + b".")
both("tuples", b"\x80\x02)" + b"\x85" * 1_000_000 + b".")
both("cycle", b"\x80\x02]q\x00h\x00a.")
both("laughs", b"\x80\x02]q\x00" + b"".join(b"](" + b"h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1]) for i in range(60)) + b".")
both("copies", b"\x80\x02](" + b"K\x01" * 100_000 + b"e\x85q\x01c__builtin__\nset\nq\x02" + b"0h\x02h\x01R" * 500_000 + b".")
both("texts", b"\x80\x02X" + struct.pack("<I", 5_000_000) + b"a" * 5_000_000 + b"q\x010](" + b"h\x01" * 200_000 + b"e.")
both("states", b"\x80\x02](" + b"K\x01" * 200_000 + b"d" + b"q\x01cargparse\nNamespace\n)\x81" + b"h\x01b" * 500_000 + b".")
both("notes", b"\x80\x04N" + b"\x94" * 3_000_000 + b".")
both("marks", b"\x80\x02" + b"(" * 3_000_000 + b".")
both("doubles", b"\x80\x02N" + b"2" * 3_000_000 + b".")
both("recalls", b"\x80\x02Nq\x00" + b"h\x00" * 1_500_000 + b".")
both("many", b"\x80\x02](" + b"K\x01" * 2_500_000 + b"e.")
def storage(kind=b"FloatStorage", key=b"0", numel=b"K\x04"):
    return b"(X\x07\x00\x00\x00storagectorch\n" + kind + b"\nX" + struct.pack("<I", len(key)) + key + b"X\x03\x00\x00\x00cpu" + numel + b"tQ"
def tensor(size, stride, offset=b"K\x00", **more):
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage(**more) + offset + b"(" + size + b"t(" + stride + b"t\x89ccollections\nOrderedDict\n)RtR."
four = {"0": struct.pack("<4f", 1, 2, 3, 4)}
both("good", tensor(b"K\x04", b"K\x01"), four)
both("outside", tensor(b"K\x05", b"K\x01"), four)
both("offset", tensor(b"K\x04", b"K\x01", b"K\x01"), four)
both("before", tensor(b"K\x04", b"K\x01", b"J\xff\xff\xff\xff"), four)
both("negative", tensor(b"J\xff\xff\xff\xff", b"K\x01"), four)
both("overflow", tensor(b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f" * 2, b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f" * 2), four)
both("expanded", tensor(b"J\x00\x00\x00\x40" * 2, b"K\x00K\x00"), four)
both("missing", tensor(b"K\x04", b"K\x01", key=b"9"), four)
both("short", tensor(b"K\x04", b"K\x01"), {"0": b"1234"})
both("claims", tensor(b"K\x04", b"K\x01", numel=b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"), four)
both("path", tensor(b"K\x04", b"K\x01", key=b"../../../../etc/passwd"), four)
both("no_storage", b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(NK\x00)))NtR.")
both("numpy_order", pickle.dumps(numpy.dtype(">f8").type(1), 2).replace(b"<", b">"))
both("numpy_array", pickle.dumps(numpy.zeros(3), 2))
both("numpy_claims", b"\x80\x02}X\x04\x00\x00\x00datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n\x85R(K\x01" + b"J\xff\xff\xff\x7f" * 2 + b"\x86cnumpy\ndtype\nX\x02\x00\x00\x00u1\x85R\x89C\x01atbs.")
both("numpy_negative", b"\x80\x02}X\x04\x00\x00\x00datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n\x85R(K\x01" + b"J\xff\xff\xff\xff" * 2 + b"\x86cnumpy\ndtype\nX\x02\x00\x00\x00u1\x85R\x89C\x01atbs.")
both("numpy_objects", b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00O8\x85R.")
both("not_callable", b"\x80\x02K\x01)R.")
with zipfile.ZipFile("packed.pt", "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("archive/data.pkl", b"\x80\x02]." + b"\0" * 100_000_000)
with zipfile.ZipFile("other.pt", "w") as z:
    z.writestr("readme.txt", "hello")
torch.save({"w": torch.zeros(1000)}, "whole.pt")
torch.save({"w": torch.zeros(1000)}, "whole-old.pt", _use_new_zipfile_serialization=False)
"#,
    );
    let path = |name: &str| folder.path().join(name);
    for name in ["whole.pt", "whole-old.pt"] {
        let bytes = fs::read(path(name)).unwrap();
        read_pytorch(&path(name)).unwrap();
        for (i, share) in [0.1, 0.3, 0.5, 0.9, 0.999].into_iter().enumerate() {
            fs::write(
                path(&format!("cut{i}-{name}")),
                &bytes[..(bytes.len() as f64 * share) as usize],
            )
            .unwrap();
        }
        fs::remove_file(path(name)).unwrap();
    }
    let mut count = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let file = entry.unwrap().path();
        if file.is_dir() {
            continue;
        }
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let read = read_pytorch(&file);
        // What is unknown inside a map is kept as its name; these are no errors before someone uses
        // it.
        if ["reduce.pt", "numpy_array.pt"].contains(&name.as_str()) {
            read.unwrap();
            continue;
        }
        if name == "good.pt" {
            assert_eq!(
                read.unwrap()
                    .downcast::<jemscript::Tensor>()
                    .unwrap()
                    .to_vec()
                    .unwrap(),
                [1., 2., 3., 4.]
            );
            continue;
        }
        // The old files have no list of storages: all are broken, the more so where they are
        // hostile.
        let error = read.err().unwrap_or_else(|| panic!("{name} was read"));
        let text = error.to_string();
        assert!(text.contains(&name) && text.lines().count() == 2, "{text}");
        count += 1;
    }
    assert!(count > 60, "{count}");
    hostile_for_cifar(folder.path());
    assert!(!path("executed").exists() && !Path::new("executed").exists());
    let said = |name: &str| {
        read_pytorch(&path(name))
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default()
    };
    assert!(
        said("eval.pt").contains("holds `builtins.eval`, which is not read"),
        "{}",
        said("eval.pt")
    );
    assert!(
        said("getattr.pt").contains("holds `__builtin__.getattr`, which is not read"),
        "{}",
        said("getattr.pt")
    );
    assert!(
        said("laughs.pt").contains("more than 1000000 values"),
        "{}",
        said("laughs.pt")
    );
    assert!(
        said("cycle.pt").contains("more than 100 deep"),
        "{}",
        said("cycle.pt")
    );
    assert!(
        said("deep.pt").contains("more than 100 deep"),
        "{}",
        said("deep.pt")
    );
    assert!(
        said("many.pt").contains("more than 1000000 things"),
        "{}",
        said("many.pt")
    );
    for bomb in ["notes.pt", "marks.pt", "doubles.pt", "recalls.pt"] {
        assert!(
            said(bomb).contains("more than 1000000 things"),
            "{}",
            said(bomb)
        );
    }
    assert!(
        said("copies.pt").contains("copies without end"),
        "{}",
        said("copies.pt")
    );
    assert!(
        said("outside.pt").contains("reaches out of its storage"),
        "{}",
        said("outside.pt")
    );
    assert!(
        said("expanded.pt").contains("more than the file has numbers for"),
        "{}",
        said("expanded.pt")
    );
    assert!(
        said("other.pt").contains("no data.pkl"),
        "{}",
        said("other.pt")
    );
}

/// Each of the programs as a file of CIFAR's Python archive.
fn hostile_for_cifar(folder: &Path) {
    let archive = folder.join("as-cifar/cifar-10-batches-py");
    fs::create_dir(&archive).unwrap();
    let options = ImageOptions {
        folder: Some(folder.join("as-cifar").display().to_string()),
        ..Default::default()
    };
    for name in [
        "data_batch_2",
        "data_batch_3",
        "data_batch_4",
        "data_batch_5",
        "test_batch",
    ] {
        fs::write(archive.join(name), b"").unwrap();
    }
    let mut said = BTreeMap::new();
    for entry in fs::read_dir(folder.join("as-cifar")).unwrap() {
        let file = entry.unwrap().path();
        if file.is_file() {
            fs::copy(&file, archive.join("data_batch_1")).unwrap();
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let text = cifar10(&options).unwrap_err().to_string();
            assert!(
                text.contains("data_batch_1: ") && text.lines().count() <= 2,
                "{name}: {text}"
            );
            said.insert(name, text);
        }
    }
    assert!(said.len() > 40, "{}", said.len());
    let expected = [
        ("reduce", "holds `posix.system`, which is not read"),
        ("getattr", "holds `__builtin__.getattr`, which is not read"),
        (
            "good",
            "holds `torch._utils._rebuild_tensor_v2`, which is not read",
        ),
        ("notes", "more than 1000000 things"),
        ("marks", "more than 1000000 things"),
        ("recalls", "more than 1000000 things"),
        ("copies", "copies without end"),
        (
            "numpy_claims",
            "an array of [2147483647, 2147483647] with 1 bytes",
        ),
        ("numpy_negative", "an array of [-1, -1] with 1 bytes"),
        ("numpy_objects", "a number of numpy of an unusual type"),
        ("cycle", "no `data` of the expected kind"),
        ("huge_bytes", "it ends too early"),
    ];
    for (name, text) in expected {
        assert!(said[name].contains(text), "{name}: {}", said[name]);
    }
}

/// A training's file holds more than weights: what is known becomes a value, the rest is kept by
/// the name of its class.
#[test]
fn what_lies_beside_the_weights_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        r#"
import collections, dataclasses, datetime, decimal, enum, functools, fractions, pathlib, random
@dataclasses.dataclass
class Options: lr: float = .1
class Mode(enum.Enum): A = 1
class Mine(dict): pass
class Odd(Exception): pass
class Evil:
    def __reduce__(self): return os.system, ("touch executed",)
net = torch.nn.Linear(2, 1)
opt = torch.optim.SGD(net.parameters(), lr=.1)
everything = {
    "w": torch.ones(2), "path": pathlib.Path("/runs/x"), "near": pathlib.PurePath("a") / "b", "counter": collections.Counter([3, 3]),
    "default": collections.defaultdict(list, a=[1.]), "lambda": collections.defaultdict(Mine), "deque": collections.deque([1, 2], 5),
    "scheduler": torch.optim.lr_scheduler.MultiStepLR(opt, [2, 4], .3).state_dict(), "short": torch.tensor([-7], dtype=torch.int16),
    "floats": numpy.array([[1., 2., 3.], [4., 5., 6.]]), "turned": numpy.asfortranarray(numpy.arange(6.).reshape(2, 3)),
    "words": numpy.array([40000], dtype=numpy.uint16), "words32": numpy.array([4_000_000_000], dtype=numpy.uint32),
    "keys": {None: 1, (1, "a"): 2}, "random": random.getstate(), "rng": numpy.random.get_state(), "frozen": frozenset([4]),
    "options": Options(), "mode": Mode.A, "mine": Mine(a=1), "odd": Odd("x"), "evil": Evil(), "complex": 1 + 2j,
    "day": datetime.date(2020, 1, 1), "decimal": decimal.Decimal("1.5"), "fraction": fractions.Fraction(1, 3), "big": 2 ** 63 + 5,
    "partial": functools.partial(print, 1), "generator": numpy.random.default_rng(0), "dates": numpy.array(["2020-01-01"], dtype="M8[D]"),
    "texts": numpy.array(["a"]), "objects": numpy.array([{}], dtype=object), "long": numpy.longdouble(1), "half": numpy.float16(1),
    "waves": torch.ones(2, dtype=torch.complex64), "eights": torch.ones(2).to(torch.float8_e5m2), "sparse": torch.ones(2).to_sparse(),
    "quantised": torch.quantize_per_tensor(torch.ones(2), .1, 0, torch.qint8), "module": torch.nn.ReLU(), "exotic": numpy.array([1.], dtype=">f8"),
}
for name, more in {"new": {}, "old": {"_use_new_zipfile_serialization": False}, "four": {"_use_new_zipfile_serialization": False, "pickle_protocol": 4}, "five": {"pickle_protocol": 5}}.items():
    some = {k: v for k, v in everything.items() if name in ("new", "five") or k not in ("eights", "sparse", "quantised")}
    torch.save(some, name + ".pt", **more)
"#,
    );
    for name in ["new.pt", "old.pt", "four.pt", "five.pt"] {
        let read =
            read_tensors(&folder.path().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let Value::Map(entries) = &read else {
            panic!("{name}: no map")
        };
        let value = |key: &str| {
            entries
                .iter()
                .find(|(k, _)| k == key)
                .map(|(_, v)| v.clone())
                .unwrap_or(Value::None)
        };
        for (key, text) in [
            ("path", "\"/runs/x\""),
            ("near", "\"a/b\""),
            ("counter", "#{ 3: 2 }"),
            ("default", "#{ a: [1.0] }"),
            ("lambda", "#{  }"),
            ("deque", "[1, 2]"),
            ("keys", "#{ None: 1, (1, a): 2 }"),
            ("frozen", "[4]"),
        ] {
            assert_eq!(value(key).to_string(), text, "{name}: {key}");
        }
        let tensors = tensors_in(&read);
        let numbers = |key: &str| (tensors[key].kind(), tensors[key].to_vec().unwrap());
        assert_eq!(numbers("w").1, [1.0, 1.0]);
        assert_eq!(numbers("short"), (Kind::Int, vec![-7.0]), "{name}");
        assert_eq!(
            numbers("floats"),
            (Kind::Double, vec![1., 2., 3., 4., 5., 6.]),
            "{name}"
        );
        assert_eq!(numbers("turned").1, [0., 1., 2., 3., 4., 5.], "{name}");
        assert_eq!(
            (numbers("words").1, numbers("words32").1),
            (vec![40000.0], vec![4e9]),
            "{name}"
        );
        assert_eq!(tensors["rng.1"].shape(), [624]);
        let class = |key: &str| {
            value(key)
                .downcast::<Unread>()
                .map(|u| u.to_string())
                .unwrap_or_default()
        };
        for (key, said) in [
            ("options", "Options"),
            ("mode", "Mode"),
            ("mine", "Mine"),
            ("odd", "Odd"),
            ("evil", "posix.system"),
            ("complex", "complex"),
            ("day", "datetime.date"),
            ("decimal", "decimal.Decimal"),
            ("fraction", "fractions.Fraction"),
            ("big", "64 bits"),
            ("partial", "functools.partial"),
            ("waves", "Complex"),
            ("module", "ReLU"),
            ("exotic", "highest byte first"),
        ] {
            assert!(
                class(key).contains(said),
                "{name}: {key}: {:?} {}",
                class(key),
                value(key)
            );
        }
        for key in ["generator", "dates", "texts", "objects", "long", "half"] {
            assert!(!class(key).is_empty(), "{name}: {key}: {}", value(key));
        }
    }
    assert!(!folder.path().join("executed").exists() && !Path::new("executed").exists());
    let program = Program::new(Settings {
        folder: folder.path().to_path_buf(),
        ..Settings::default()
    });
    let run = |code: &str| {
        program
            .run_text("script", code)
            .map(|v| v.to_string())
            .map_err(|e| e.text)
    };
    assert_eq!(
        run(r#"`${tensor::load("new.pt").decimal}`"#).unwrap(),
        "<decimal.Decimal: not read>"
    );
    let used = run(r#"tensor::load("new.pt").options.lr"#).unwrap_err();
    assert!(
        used.contains("holds `__main__.Options`, which is not read"),
        "{used}"
    );
}

#[test]
fn what_is_no_file_of_weights_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        r#"
import gzip, tarfile
def put(name, data): open(name, "wb").write(data)
put("page", b"\n<!DOCTYPE HTML><html>Quota exceeded</html>")
put("pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
put("empty", b"")
put("json", b'{"weight_map": {}}')
put("numpy", b"\x93NUMPY" + b"\0" * 90)
put("hdf", b"\x89HDF\r\n\x1a\n" + b"\0" * 90)
put("gzip", gzip.compress(b"x"))
put("pickle", pickle.dumps({"a": 1}, 4))
with tarfile.open("tar", "w") as t: t.add("page")
"#,
    );
    for (name, said) in [
        ("page", "a web page"),
        ("pointer", "a pointer of Git LFS"),
        ("empty", "an empty file"),
        ("json", "JSON"),
        ("numpy", "numpy"),
        ("hdf", "HDF5"),
        ("gzip", "gzip"),
        ("tar", "a tar archive"),
        ("pickle", "not a file of torch.save"),
    ] {
        let text = read_tensors(&folder.path().join(name))
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        assert!(
            text.contains(said) && text.contains(name) && text.lines().count() == 2,
            "{name}: {text}"
        );
    }
}

/// safetensors of other writers.
#[test]
fn every_type_of_numbers_is_read_or_kept() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        r#"
import json
def file(name, entries):
    header, data = {}, b""
    for key, kind, piece, n in entries:
        header[key] = {"dtype": kind, "shape": [n], "data_offsets": [len(data), len(data) + len(piece)]}
        data += piece
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(name, "wb").write(struct.pack("<Q", len(text)) + text + data)
file("all", [
    ("i64", "I64", struct.pack("<q", -5), 1), ("u64", "U64", struct.pack("<Q", 7), 1), ("huge", "U64", struct.pack("<Q", 2 ** 63), 1),
    ("f64", "F64", struct.pack("<d", .1), 1), ("f32", "F32", struct.pack("<f", .5), 1), ("u32", "U32", struct.pack("<I", 4_000_000_000), 1),
    ("f16", "F16", struct.pack("<e", 1.5), 1), ("bf16", "BF16", struct.pack("<f", 2.5)[2:], 1), ("i16", "I16", struct.pack("<h", -300), 1),
    ("u16", "U16", struct.pack("<H", 60000), 1), ("i8", "I8", b"\xff", 1), ("e4", "F8_E4M3", b"\x38", 1), ("e5", "F8_E5M2", b"\x3c", 1),
])
"#,
    );
    let read = read_tensors(&folder.path().join("all")).unwrap();
    let tensors = tensors_in(&read);
    for (name, kind, value) in [
        ("i64", Kind::Int64, -5.0),
        ("u64", Kind::Int64, 7.0),
        ("f64", Kind::Double, 0.1),
        ("u32", Kind::Int64, 4e9),
        ("f16", Kind::Half, 1.5),
        ("bf16", Kind::BFloat16, 2.5),
        ("i16", Kind::Int, -300.0),
        ("u16", Kind::Int, 60000.0),
        ("i8", Kind::Int8, -1.0),
        ("e4", Kind::Float, 1.0),
        ("e5", Kind::Float, 1.0),
    ] {
        assert_eq!(
            (tensors[name].kind(), tensors[name].to_vec().unwrap()),
            (kind, vec![value]),
            "{name}"
        );
    }
    let Value::Map(entries) = &read else {
        panic!("no map")
    };
    assert!(
        entries
            .iter()
            .any(|(name, v)| name == "huge" && v.downcast::<Unread>().is_some())
    );
    let small = BTreeMap::from([("t".to_owned(), tensors["i8"].clone())]);
    let path = folder.path().join("int8.safetensors");
    jemscript::formats::write_safetensors(&path, &small).unwrap();
    assert_eq!(
        jemscript::formats::read_safetensors(&path).unwrap()["t"].kind(),
        Kind::Int8
    );
}

/// Files with a few bytes changed: read or refused, never a panic.
#[test]
fn changed_files_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        r#"
net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
made = {"state": net.state_dict(), "n": 3, "list": [1, (2., "text")], "args": argparse.Namespace(a=1)}
torch.save(made, "new.pt")
torch.save(made, "old.pt", _use_new_zipfile_serialization=False)
"#,
    );
    let mut random = fastrand::Rng::with_seed(1);
    let file = folder.path().join("changed.pt");
    let (mut read, mut refused) = (0, 0);
    for name in ["new.pt", "old.pt"] {
        let whole = fs::read(folder.path().join(name)).unwrap();
        for _ in 0..1000 {
            let mut bytes = whole.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..bytes.len());
                match random.u8(..3) {
                    0 => bytes[at] = random.u8(..),
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, random.u8(..)),
                }
            }
            fs::write(&file, bytes).unwrap();
            match read_pytorch(&file) {
                Ok(value) => {
                    read += 1;
                    for tensor in tensors_in(&value).values() {
                        let _ = tensor.to_vec();
                    }
                }
                Err(error) => {
                    refused += 1;
                    assert!(!error.to_string().contains("frame #"), "{error}");
                }
            }
        }
    }
    assert!(read > 30 && refused > 300, "{read} read, {refused} refused");
}
