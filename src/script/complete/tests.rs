use super::*;

/// The candidates at `|`.
fn at(text: &str) -> Vec<String> {
    with(text, &[])
}

fn with(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let variables: Vec<Variable> = variables
        .iter()
        .map(|(n, k)| Variable {
            name: (*n).to_owned(),
            kind: (*k).to_owned(),
        })
        .collect();
    let cursor = text.find('|').unwrap();
    let text = text.replacen('|', "", 1);
    complete(&text, cursor, &variables)
        .into_iter()
        .map(|c| c.text)
        .collect()
}

fn inspected(text: &str) -> Vec<String> {
    let cursor = text.find('|').unwrap();
    inspect(&text.replacen('|', "", 1), cursor, &[])
        .into_iter()
        .map(|e| e.signature)
        .collect()
}

#[test]
fn functions_of_a_module() {
    assert_eq!(at("let x = nn::lin|"), ["linear"]);
    assert!(at("sampler::|").len() >= 4);
    assert_eq!(at("sampler::sg|"), ["sgld"]);
    assert!(at("nosuch::|").is_empty());
    assert_eq!(at("torch::linalg_sv|"), ["linalg_svd", "linalg_svdvals"]);
}

#[test]
fn members_of_what_the_text_tells() {
    let all = at("let opt = optim::adam(model); opt.|");
    assert!(
        all.contains(&"step".to_owned()) && !all.contains(&"matmul".to_owned()),
        "{all:?}"
    );
    assert!(at("let d = data::digits(#{ seed: 1 });\nd.train.|").contains(&"x".to_owned()));
    assert!(at("tensor::zeros([2]).abs().su|").contains(&"sum".to_owned()));
    assert!(at("let a = [1, 2]; a.pu|").contains(&"push".to_owned()));
    assert!(at("\"abc\".to_u|").contains(&"to_upper".to_owned()));
    // A later `let` counts, one inside another expression does not.
    assert!(!at("let x = 1; let x = tensor::zeros([2]); x.ma|").is_empty());
    assert_eq!(at("1..|"), at("|"), "a range is no member");
}

#[test]
fn members_of_the_callers_variables() {
    assert!(with("net.forw|", &[("net", "network")]).contains(&"forward".to_owned()));
    assert!(with("net.forw|", &[("net", "tensor")]).is_empty());
    assert!(
        with("net.forw|", &[("net", "")]).contains(&"forward".to_owned()),
        "an unknown type has all methods"
    );
    assert_eq!(with("my_n|", &[("my_net", "network")]), ["my_net"]);
}

#[test]
fn keys_of_options() {
    assert_eq!(
        at("sampler::sgld(#{ ste|"),
        ["steps", "step_size", "step_size_end"]
    );
    assert!(!at("sampler::sgld(#{ steps: 20, |").contains(&"steps".to_owned()));
    assert!(at("sampler::sgld(#{ steps: 20, |").contains(&"noise".to_owned()));
    assert!(at("train(digits, #{ iter|").contains(&"iterations".to_owned()));
    let run = at("let s = sampler::mala(); s.run(e, x, #{ th|");
    assert!(run.contains(&"thin".to_owned()), "{run:?}");
    // A value is no key, and a nested map none of the call's options.
    assert!(at("let lr_mine = 1; optim::adam(m, #{ lr: lr_m|").contains(&"lr_mine".to_owned()));
    assert!(!at("f(#{ a: #{ |").contains(&"lr".to_owned()));
}

#[test]
fn names_elsewhere() {
    assert!(at("let width = 3; print(wid|").contains(&"width".to_owned()));
    assert!(at("samp|").contains(&"sampler".to_owned()));
    assert!(at("par|").contains(&"param".to_owned()));
    assert!(at("con| fn convert(x) { x }").contains(&"convert".to_owned()));
    assert!(at("`${sam|").contains(&"sampler".to_owned()));
    for nothing in ["// samp|", "\"samp|", "`samp|", "12|"] {
        assert!(at(nothing).is_empty(), "{nothing}");
    }
}

#[test]
fn the_replaced_part_is_the_word() {
    let text = "let ü = nn::lin";
    let found = complete(text, text.len(), &[]);
    assert_eq!(&text[found[0].start..], "lin");
    assert!(found[0].detail.starts_with("nn::linear(") && !found[0].summary.is_empty());
    // A cursor beyond the text, or inside a character, is none to fall over.
    assert!(complete("ü", 1, &[]).len() > 10 && complete("x", 99, &[]).is_empty());
}

#[test]
fn what_stands_at_the_cursor() {
    assert!(inspected("nn::lin|ear(3, 4)")[0].starts_with("nn::linear("));
    assert!(inspected("nn::linear(3, |")[0].starts_with("nn::linear("));
    assert!(inspected("sampler::sgld(#{ steps: 3|")[0].starts_with("sampler::sgld("));
    assert!(inspected("sampler::sgld(#{ ste|ps: 3 })")[0].starts_with("sampler::sgld("));
    assert_eq!(inspected("let s = sampler::sgld(); s.sam|ple").len(), 1);
    assert!(inspected("x.sam|ple").len() > 1);
    assert!(inspected("pa|ram")[0].starts_with("param("));
    assert!(inspected("sgl|d")[0].starts_with("sampler::sgld("));
    assert!(
        inspected("f(1); |").is_empty()
            && inspected("// par|am").is_empty()
            && inspected("|").is_empty()
    );
}

#[test]
fn any_text_is_survived() {
    let text = "let é = `a${nn::mlp([1, 2]).forward(x)[0].y} b`; fn f(a) { #{ a: [1..2, |x| x.z] } } /* ü */ \"q\\\"";
    for end in 0..=text.len() {
        complete(text, end, &[]);
        inspect(text, end, &[]);
        if let Some(cut) = text.get(..end) {
            complete(cut, end, &[]);
            inspect(cut, end, &[]);
        }
        if let Some(cut) = text.get(end..) {
            complete(cut, cut.len(), &[]);
            inspect(cut, cut.len() / 2, &[]);
        }
    }
}
