//! Arguments that often make no sense.

use fastrand::Rng;

fn pick<'a>(rng: &mut Rng, of: &[&'a str]) -> &'a str {
    of[rng.usize(..of.len())]
}

/// A literal or small expression of a type, as the language names it; now and then of another type.
pub fn argument(rng: &mut Rng, of: &str) -> String {
    if rng.u8(..12) == 0 {
        let other = [
            "int", "float", "bool", "string", "array", "map", "function", "tensor", "network",
            "energy", "any",
        ];
        let other = pick(rng, &other);
        return argument(rng, other);
    }
    match of {
        "int" => int(rng),
        "float" => float(rng),
        "bool" => pick(rng, &["true", "false"]).to_owned(),
        "string" => string(rng),
        "array" => array(rng, 0),
        "map" => map(rng),
        "function" => function(rng),
        "tensor" => tensor(rng),
        "network" => network(rng, 0),
        "energy" => energy(rng, 0),
        "optimizer" => format!(
            "optim::{}({}, {})",
            pick(rng, &["adam", "sgd", "adamw"]),
            network(rng, 0),
            map(rng)
        ),
        "ema" => format!("optim::ema({}, {})", network(rng, 0), float(rng)),
        "sampler" => sampler(rng),
        "replay" => format!("sampler::replay({}, {})", shape(rng), map(rng)),
        "chains" => format!(
            "{}.run({}, {}, {})",
            sampler(rng),
            energy(rng, 0),
            tensor(rng),
            map(rng)
        ),
        "dataset" => dataset(rng),
        "part" => format!(
            "{}.{}",
            dataset(rng),
            pick(rng, &["train", "validation", "test"])
        ),
        "batch" => format!("{}.train.batch({})", dataset(rng), int(rng)),
        _ => any(rng),
    }
}

fn any(rng: &mut Rng) -> String {
    let of = pick(
        rng,
        &[
            "int", "float", "bool", "string", "array", "map", "function", "tensor", "energy",
        ],
    );
    argument(rng, of)
}

fn int(rng: &mut Rng) -> String {
    match rng.u8(..20) {
        0 => "-1".into(),
        1 => pick(
            rng,
            &[
                "9223372036854775807",
                "(-9223372036854775807 - 1)",
                "4294967296",
                "2147483648",
                "-2147483649",
            ],
        )
        .to_owned(),
        2 => pick(rng, &["1000000", "100000000", "-100000", "65536"]).to_owned(),
        3 => "0".into(),
        _ => rng.i64(-2..9).to_string(),
    }
}

fn float(rng: &mut Rng) -> String {
    match rng.u8(..16) {
        0 => pick(rng, &["(0.0 / 0.0)", "(1.0 / 0.0)", "(-1.0 / 0.0)"]).to_owned(),
        1 => pick(rng, &["1e300", "-1e300", "1e-320", "-0.0", "1e38"]).to_owned(),
        2 => int(rng),
        _ => format!("{:.3}", rng.f64() * 3.0 - 1.0),
    }
}

fn string(rng: &mut Rng) -> String {
    let of = [
        "\"\"",
        "\"x\"",
        "\"mean\"",
        "\"sum\"",
        "\"silu\"",
        "\"relu\"",
        "\"float64\"",
        "\"int64\"",
        "\"bool\"",
        "\"cpu\"",
        "\"cuda:7\"",
        "\"a.png\"",
        "\"../a.png\"",
        "\"/etc/passwd\"",
        "\"a.safetensors\"",
        "\"lr\"",
        "\"\\u{0}\"",
        "\"ü→\"",
        "\"rings\"",
        "\"moons\"",
        "\"uniform\"",
        "`${\"ab\" * 3}`",
        "\"log_p_x\"",
        "\"gap\"",
    ];
    pick(rng, &of).to_owned()
}

fn shape(rng: &mut Rng) -> String {
    let n = rng.usize(0..5);
    let sizes: Vec<String> = (0..n).map(|_| int(rng)).collect();
    format!("[{}]", sizes.join(", "))
}

fn array(rng: &mut Rng, depth: usize) -> String {
    let n = rng.usize(0..4);
    let kind = rng.u8(..6);
    let items: Vec<String> = (0..n)
        .map(|_| match kind {
            0 | 1 => int(rng),
            2 => float(rng),
            3 if depth < 3 => array(rng, depth + 1),
            4 => network(rng, depth + 2),
            _ => any(rng),
        })
        .collect();
    format!("[{}]", items.join(", "))
}

/// An options map: keys that exist somewhere, values of any kind.
fn map(rng: &mut Rng) -> String {
    let fields = super::compose::option_keys();
    let n = if rng.bool() { 0 } else { rng.usize(1..4) };
    let mut keys: Vec<&str> = (0..n)
        .map(|_| fields[rng.usize(..fields.len())].as_str())
        .collect();
    keys.sort_unstable();
    keys.dedup();
    let pairs: Vec<String> = keys
        .iter()
        .map(|k| {
            let value = match rng.u8(..4) {
                0 => float(rng),
                1 => int(rng),
                2 => "[-1, 1]".to_owned(),
                _ => any(rng),
            };
            format!("\"{k}\": {value}")
        })
        .collect();
    format!("#{{ {} }}", pairs.join(", "))
}

fn function(rng: &mut Rng) -> String {
    let of = [
        "|x| x",
        "|x| x.sum(1)",
        "|x| (x * x).flatten(1).sum(1)",
        "|x| x.flatten(1).pow(2).sum(1)",
        "|e, x| x + 0.1 * e.score(x)",
        "|x| throw \"no\"",
        "|x| ()",
        "|x, y| x",
        "|| 1",
        "|x| x.no_such()",
        "|x| x / 0",
        "|x| x.narrow(0, 0, 1)",
        "|b| #{ loss: b.x.mean() }",
        "|x| x * (0.0 / 0.0)",
    ];
    pick(rng, &of).to_owned()
}

fn tensor(rng: &mut Rng) -> String {
    match rng.u8(..12) {
        0 => format!("tensor::of({})", array(rng, 0)),
        1 => format!("tensor::full({}, {})", shape(rng), float(rng)),
        2 => format!("tensor::arange({})", rng.i64(0..9)),
        3 => format!(
            "tensor::zeros({}, #{{ dtype: \"int64\" }})",
            small_shape(rng)
        ),
        4 => format!("tensor::randn({}).requires_grad()", small_shape(rng)),
        5 => format!("tensor::randn({})", shape(rng)),
        6 => "tensor::zeros([0, 3])".to_owned(),
        7 => format!("(tensor::randn({}) > 0)", small_shape(rng)),
        8 => "tensor::of([0, 1, 2, 3])".to_owned(),
        _ => format!("tensor::randn({})", small_shape(rng)),
    }
}

fn small_shape(rng: &mut Rng) -> String {
    let of = [
        "[2]",
        "[4]",
        "[4, 2]",
        "[4, 64]",
        "[4, 1, 8, 8]",
        "[3, 3]",
        "[1]",
        "[]",
        "[4, 10]",
        "[2, 3, 4]",
    ];
    pick(rng, &of).to_owned()
}

fn network(rng: &mut Rng, depth: usize) -> String {
    match rng.u8(..8) {
        0 => format!("nn::linear({}, {})", int(rng), int(rng)),
        1 => format!(
            "nn::conv2d({}, {}, {}, {})",
            int(rng),
            int(rng),
            int(rng),
            map(rng)
        ),
        2 if depth < 2 => format!(
            "nn::sequential([{}, {}])",
            network(rng, depth + 1),
            network(rng, depth + 1)
        ),
        3 => format!("nn::lambda({})", function(rng)),
        4 => "nn::mlp([64, 16, 10])".to_owned(),
        5 => "nn::sequential([nn::flatten(), nn::linear(64, 10)])".to_owned(),
        6 => "nn::mlp([2, 8, 1])".to_owned(),
        _ => pick(
            rng,
            &[
                "nn::silu()",
                "nn::flatten()",
                "nn::linear(2, 3)",
                "nn::batch_norm2d(1)",
            ],
        )
        .to_owned(),
    }
}

fn energy(rng: &mut Rng, depth: usize) -> String {
    match rng.u8(..10) {
        0 => format!("energy::of({}, {})", function(rng), map(rng)),
        1 => format!("energy::joint({})", network(rng, 1)),
        2 => format!("energy::scalar({})", network(rng, 1)),
        3 => "energy::gaussian([0, 0], [[1, 0.5], [0.5, 1]])".to_owned(),
        4 => format!("energy::gaussian({}, {})", array(rng, 1), array(rng, 1)),
        5 if depth < 2 => format!("({} + {})", energy(rng, depth + 1), energy(rng, depth + 1)),
        6 if depth < 2 => format!("({} * {})", float(rng), energy(rng, depth + 1)),
        7 if depth < 2 => format!("{}.tempered({})", energy(rng, depth + 1), float(rng)),
        8 => "energy::joint(nn::mlp([2, 8, 3]))".to_owned(),
        _ => "energy::double_well()".to_owned(),
    }
}

fn sampler(rng: &mut Rng) -> String {
    match rng.u8(..5) {
        0 => format!("sampler::sgld({})", map(rng)),
        1 => format!("sampler::mala({})", map(rng)),
        2 => format!("sampler::custom({}, {})", rng.i64(-1..6), function(rng)),
        3 => "sampler::sgld(#{ alpha: 0.1, steps: 3 })".to_owned(),
        _ => {
            format!(
                "sampler::sgld(#{{ step_size: {}, noise: {}, steps: {} }})",
                float(rng),
                float(rng),
                rng.i64(-1..6)
            )
        }
    }
}

fn dataset(rng: &mut Rng) -> String {
    match rng.u8(..3) {
        0 => "data::digits()".to_owned(),
        1 => format!("data::toy({}, {}, {})", string(rng), int(rng), map(rng)),
        _ => format!("data::digits({})", map(rng)),
    }
}
