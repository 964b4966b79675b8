//! What numbers, strings, arrays, maps and functions have from rhai.

use rhai::Engine;

use crate::script::types::type_name;

/// A method or a property that a type has from rhai.
pub struct Standard {
    /// The type, as users know it.
    pub of: String,
    /// Its name.
    pub name: String,
    /// Whether it is a property.
    pub property: bool,
    /// `array.push(item: any)`.
    pub signature: String,
    /// The first line of its description.
    pub summary: String,
}

/// What a type has from rhai.
pub fn standard(of: &str) -> Vec<Standard> {
    let mut all = all();
    all.retain(|member| member.of == of);
    all
}

fn all() -> Vec<Standard> {
    let engine = Engine::new();
    engine.collect_fn_metadata(
        None,
        |info| {
            let m = info.metadata;
            let (_, first) = m.params_info.first()?.split_once(':')?;
            let name = m.name.strip_prefix("get$").unwrap_or(&m.name);
            let property = name.len() != m.name.len();
            let named = name.starts_with(|c: char| c.is_alphabetic()) && !name.contains('$');
            let foreign = |p: &&str| {
                let kind = p.split_once(':').map_or("", |(_, kind)| kind.trim());
                [
                    "i8", "i16", "i32", "i128", "u8", "u16", "u32", "u64", "u128", "f32",
                ]
                .contains(&kind)
            };
            if m.params_info.iter().any(|p| foreign(&p.as_str())) {
                return None;
            }
            let params: Vec<String> = m
                .params_info
                .iter()
                .skip(1)
                .map(|p| plain_parameter(p))
                .collect();
            let of = type_name(first.trim().trim_start_matches("&mut ").trim());
            let signature = if property {
                format!("{of}.{name}")
            } else {
                format!("{of}.{name}({})", params.join(", "))
            };
            named.then(|| Standard {
                of,
                name: name.to_owned(),
                property,
                signature,
                summary: first_line(&m.comments),
            })
        },
        true,
    )
}

fn plain_parameter(written: &str) -> String {
    match written.split_once(':') {
        Some((name, kind)) => format!("{}: {}", name.trim(), type_name(kind.trim())),
        None => written.to_owned(),
    }
}

fn first_line(comments: &[impl AsRef<str>]) -> String {
    let first = comments
        .first()
        .map_or("", |c| c.as_ref())
        .lines()
        .next()
        .unwrap_or_default();
    first.trim_start_matches('/').trim().to_owned()
}
