//! Chains of calls: every function of the language, with the values of earlier calls or with
//! arguments out of nowhere.

use std::sync::OnceLock;

use fastrand::Rng;
use jemscript::script::names::{Known, known};
use jemscript::script::option_tables;

use super::hostile::argument;

struct Signature {
    call: String,
    types: Vec<&'static str>,
    property: bool,
    operator: bool,
    method: bool,
}

fn signatures() -> &'static [Signature] {
    static ALL: OnceLock<Vec<Signature>> = OnceLock::new();
    ALL.get_or_init(|| {
        let of = |k: Known| Signature {
            call: if k.room.is_empty() {
                k.name.to_owned()
            } else {
                format!("{}::{}", k.room, k.name)
            },
            property: k.property,
            operator: !k.name.starts_with(|c: char| c.is_alphabetic() || c == '_'),
            method: k.room.is_empty() && !k.types.is_empty(),
            types: k.types,
        };
        known().into_iter().map(of).collect()
    })
}

/// All keys of all options maps.
pub fn option_keys() -> &'static [String] {
    static ALL: OnceLock<Vec<String>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut keys: Vec<String> = option_tables()
            .into_iter()
            .flat_map(|(_, fields)| fields)
            .map(|f| f.name.to_owned())
            .collect();
        keys.sort();
        keys.dedup();
        keys
    })
}

/// One more statement `let vN = …;`. `types` are the types of the variables so far.
pub fn statement(rng: &mut Rng, types: &[String]) -> String {
    let name = format!("v{}", types.len());
    if rng.u8(..120) == 0 {
        return special(rng, &name, types);
    }
    let all = signatures();
    // What fits a value that is there is tried more often than what starts from nothing.
    let mut signature = &all[rng.usize(..all.len())];
    for _ in 0..3 {
        let fits = signature
            .types
            .first()
            .is_some_and(|t| types.iter().any(|v| v == t));
        if fits {
            break;
        }
        signature = &all[rng.usize(..all.len())];
    }
    let mut args: Vec<String> = signature
        .types
        .iter()
        .map(|t| value(rng, t, types))
        .collect();
    if rng.u8(..30) == 0 {
        args.pop();
    }
    let call = match args.split_first() {
        Some((first, _)) if signature.property => format!("({first}).{}", signature.call),
        Some((first, rest)) if signature.operator => match (signature.call.as_str(), rest) {
            ("[]", [i]) => format!("({first})[{i}]"),
            ("[]=", [i, v]) => return format!("let {name} = {first}; {name}[{i}] = {v};"),
            (op, [other]) => format!("({first}) {op} ({other})"),
            (op, _) => format!("{}({first})", op.trim_start_matches('$')),
        },
        Some((first, rest)) if signature.method => {
            format!("({first}).{}({})", signature.call, rest.join(", "))
        }
        _ => format!("{}({})", signature.call, args.join(", ")),
    };
    format!("let {name} = {call};")
}

/// A value of a type: a variable that has it, else something out of nowhere.
fn value(rng: &mut Rng, of: &str, types: &[String]) -> String {
    let there: Vec<usize> = (0..types.len())
        .filter(|i| types[*i] == of || of == "any")
        .collect();
    if !there.is_empty() && rng.u8(..4) > 0 {
        return format!("v{}", there[rng.usize(..there.len())]);
    }
    if !types.is_empty() && rng.u8(..20) == 0 {
        return format!("v{}", rng.usize(..types.len()));
    }
    argument(rng, of)
}

/// What single calls do not reach: growth, recursion, values that use themselves.
fn special(rng: &mut Rng, name: &str, types: &[String]) -> String {
    let n = [3, 50, 5_000, 100_000][rng.usize(..4)];
    let e = value(rng, "energy", types);
    let t = value(rng, "tensor", types);
    let net = value(rng, "network", types);
    let forms = [
        format!(
            "let {name} = {e}; for i in 0..{n} {{ {name} = {name} + {name}.tempered(2.0); if i > 12 {{ break; }} }}"
        ),
        format!(
            "let {name} = {e}; let w = {e}; for i in 0..{n} {{ {name} = {name} + w; }} {name}.energy({t});"
        ),
        format!(
            "let {name} = {e}; for i in 0..{n} {{ {name} = 1.0 * {name}; }} {name}.score({t});"
        ),
        format!(
            "let {name} = {net}; for i in 0..{n} {{ {name} = nn::sequential([{name}]); }} {name}.forward({t});"
        ),
        format!(
            "let {name} = {net}; for i in 0..{n} {{ {name} = nn::residual({name}); }} print({name});"
        ),
        format!(
            "let {name} = {t}; for i in 0..{n} {{ {name} = {name} + 1; }} {name}.sum().backward();"
        ),
        format!("let {name} = []; for i in 0..{n} {{ {name} = [{name}]; }} tensor::of({name});"),
        format!(
            "let {name} = #{{}}; for i in 0..{n} {{ {name} = #{{ a: {name} }}; }} print({name});"
        ),
        format!(
            "fn deep(n) {{ if n == 0 {{ 0 }} else {{ 1 + deep(n - 1) }} }} let {name} = deep({n});"
        ),
        format!(
            "let {name} = \"ab\"; for i in 0..{n} {{ {name} += {name}; if {name}.len() > 100000 {{ break; }} }}"
        ),
        format!(
            "let {name} = []; for i in 0..{n} {{ {name}.push({name}); if i > 16 {{ break; }} }}"
        ),
        format!(
            "let box = #{{ e: () }}; box.e = energy::of(|x| box.e.energy(x)); let {name} = box.e; {name}.energy({t});"
        ),
        format!(
            "let {name} = 0; let f = (); f = |k| if k == 0 {{ 0 }} else {{ f.call(k - 1) }}; {name} = f.call({n});"
        ),
        format!(
            "let {name} = sampler::custom(3, |e, x| e.score(x).no_such()); {name}.sample({e}, {t});"
        ),
        format!(
            "let {name} = sampler::replay([2], #{{ size: 8 }}); let s = sampler::custom(2, |e, x| {{ {name}.sample(sampler::sgld(), e, 2); x }}); {name}.sample(s, {e}, 2);"
        ),
        format!("let {name} = optim::adam({net}); {name}.step({t}.sum()); {name}.step({t}.sum());"),
        format!(
            "let {name} = {net}; let o = optim::sgd({name}); train(data::digits(), #{{ iterations: {} }}, |b| {{ let l = {name}.forward(b.x).mean(); o.step(l); l }});",
            n % 7
        ),
        format!("let {name} = {t}; let g = {name}.sum().grad([{name}]); {name}.backward();"),
        format!("let {name} = (1..{n}).map(|i| tensor::randn([4])).reduce(|a, b| a + b);"),
        format!(
            "let {name} = {}1{};",
            "(".repeat(n.min(3000)),
            ")".repeat(n.min(3000))
        ),
    ];
    forms[rng.usize(..forms.len())].clone()
}
