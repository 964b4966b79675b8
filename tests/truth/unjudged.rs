//! What cannot be judged is refused, by every function that judges: never NaN, 0 or infinity
//! without a word.

use jemscript::script::{Program, Settings};

fn run(code: &str) -> Result<String, String> {
    let program = Program::new(Settings::default());
    match program.run_text("script", code) {
        Ok(value) => Ok(program.show(&value).unwrap_or_default()),
        Err(error) => Err(error.text),
    }
}

const HEAD: &str = "let digits = data::digits(); let part = digits.test.head(12);
let bad = tensor::full([12, 4], 0.0 / 0.0); let inf = tensor::full([12, 4], 1.0 / 0.0); let fine = tensor::randn([12, 4]);
let broken = energy::joint(nn::lambda(|x| x.flatten(1).sum(1).unsqueeze(1) * (0.0 / 0.0) + tensor::zeros([1, 10])));
let strange = data::part(\"strange\", tensor::full([12, 1, 8, 8], 0.0 / 0.0), part.y);
let model = energy::joint(nn::sequential([nn::flatten(), nn::linear(64, 10)]));
let judge = evaluate::features_of(nn::flatten());
let sgld = sampler::sgld(#{ steps: 2, differentiable: true });\n";

#[test]
fn what_cannot_be_judged_is_refused_by_all() {
    let mut wrong = Vec::new();
    for (code, wanted) in [
        // Numbers of samples.
        ("evaluate::frechet(bad, fine)", "not a number"),
        ("evaluate::frechet(fine, inf)", "not a number"),
        ("evaluate::kernel_distance(bad, fine)", "not a number"),
        ("evaluate::precision_recall(bad, fine, 3)", "not a number"),
        ("evaluate::inception_score(bad)", "not a number"),
        ("evaluate::inception_score(fine)", "are these logits?"),
        ("evaluate::inception_score(fine * 100)", "are these logits?"),
        (
            "evaluate::inception_score(tensor::full([12, 4], 0.5))",
            "are these logits?",
        ),
        (
            "evaluate::samples(judge, tensor::randn([12, 1, 8, 8]), #{ a: tensor::full([12, 1, 8, 8], 0.0 / 0.0) })",
            "not finite",
        ),
        (
            "evaluate::frechet(fine.narrow(0, 0, 1), fine)",
            "two rows or more",
        ),
        // Densities of pixels.
        ("evaluate::pixel_gaussian(strange)", "not a number"),
        (
            "evaluate::pixel_gaussian(part).log_p(tensor::full([3, 1, 8, 8], 1.0 / 0.0))",
            "not a number",
        ),
        // Scores that rank.
        (
            "evaluate::auroc(bad.select(1, 0), fine.select(1, 0))",
            "not numbers",
        ),
        (
            "evaluate::fpr95(fine.select(1, 0), bad.select(1, 0))",
            "not numbers",
        ),
        ("evaluate::average_precision([], [1.0])", ""),
        // Claims about a model that has no numbers.
        ("evaluate::accuracy(broken, part)", "not finite"),
        ("evaluate::accuracy(model, strange)", "not finite"),
        ("evaluate::calibration(broken, part)", "not finite"),
        ("evaluate::scores(broken, part.x)", "finite"),
        ("evaluate::ood(broken, part, #{ a: part })", "finite"),
        ("evaluate::pgd(broken, part)", "not finite"),
        ("evaluate::fgsm(broken, part, 0.1)", "not finite"),
        ("evaluate::square(broken, part)", "not finite"),
        (
            "evaluate::jem_k(broken, part, sgld, #{ draws: 1, steps: 1 })",
            "finite",
        ),
        ("evaluate::adversarial(broken, part, 0.1)", "not finite"),
        (
            "evaluate::fresh_chains(broken, sgld, [4, 1, 8, 8], [2])",
            "not a number",
        ),
        (
            "evaluate::refinement(broken, sgld, part, #{ a: part })",
            "not a number",
        ),
    ] {
        match run(&format!("{HEAD}{code}")) {
            Ok(value) => wrong.push(format!("{code} gave {value}")),
            Err(error) if error.contains(wanted) && !error.contains("there is no function") => {}
            Err(error) => wrong.push(format!("{code}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
