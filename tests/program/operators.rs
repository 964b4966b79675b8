//! libtorch's operators as scripts call them: forms are chosen by what is given, values cross both
//! ways, and a wrong call says what would be right.

use jemscript::script::{Program, Settings};

fn shown(text: &str) -> String {
    let program = Program::new(Settings::default());
    match program.run_text("test.rhai", text) {
        Ok(value) => program.show(&value).unwrap_or_default(),
        Err(error) => error.text,
    }
}

const PROLOGUE: &str = r#"
let a = tensor::of([[1, 2], [3, 4]]);
let b = tensor::of([[0, 1], [1, 0]]);
let i = tensor::ints([1, 0, 1]);
"#;

/// What is called, and what it shows.
const CALLS: &[(&str, &str)] = &[
    (
        "torch::einsum(\"ij,jk->ik\", [a, b]).to_array()",
        "[2.0, 1.0, 4.0, 3.0]",
    ),
    (
        "torch::where(a > 2, a, 0).to_array()",
        "[0.0, 0.0, 3.0, 4.0]",
    ),
    ("torch::where(a > 2, a, 0).dtype", "float32"),
    ("torch::where(a > 2).len()", "2"),
    ("torch::cdist(a, b)[0, 0].item()", "1.4142135381698608"),
    (
        "torch::scatter(tensor::zeros([2, 2]), 1, tensor::ints([0, 1]).unsqueeze(1), 5.0).to_array()",
        "[5.0, 0.0, 0.0, 5.0]",
    ),
    ("torch::nonzero(b).to_array()", "[0.0, 1.0, 1.0, 0.0]"),
    ("torch::topk(a, 1).indices.to_array()", "[1.0, 1.0]"),
    (
        "torch::topk(a, 1, #{ dim: 0, largest: false }).values.to_array()",
        "[1.0, 2.0]",
    ),
    (
        "torch::sort(a, #{ descending: true }).values.to_array()",
        "[2.0, 1.0, 4.0, 3.0]",
    ),
    ("torch::linalg_norm(a, 1, [0, 1]).item()", "6.0"),
    ("torch::norm(a, 2, 1)[0].item()", "2.2360680103302"),
    (
        "torch::conv1d(tensor::ones([1, 1, 4]), tensor::ones([1, 1, 2]), #{ padding: \"same\" }).to_array()",
        "[2.0, 2.0, 2.0, 1.0]",
    ),
    (
        "torch::conv1d(tensor::ones([1, 1, 4]), tensor::ones([1, 1, 2]), (), 2).to_array()",
        "[2.0, 2.0]",
    ),
    (
        "torch::embedding(a, i).to_array()",
        "[3.0, 4.0, 1.0, 2.0, 3.0, 4.0]",
    ),
    (
        "torch::upsample_nearest2d(tensor::ones([1, 1, 2, 2]), [4, 4]).shape",
        "[1, 1, 4, 4]",
    ),
    (
        "torch::scaled_dot_product_attention(a, a, a).shape",
        "[2, 2]",
    ),
    (
        "let r = torch::linalg_svd(a); torch::dist(r.U.matmul(torch::diag(r.S)).matmul(r.Vh), a).item() < 1e-5",
        "true",
    ),
    (
        "torch::linalg_eigh(b).eigenvalues.to_array().map(|x| (x * 10 + 100.5).to_int())",
        "[90, 110]",
    ),
    (
        "torch::linalg_solve(b, a).to_array()",
        "[3.0, 4.0, 1.0, 2.0]",
    ),
    (
        "torch::fft_fft(tensor::of([1, 1]))",
        "tensor [2] complex64 on cpu\n[2+0i, 0+0i]",
    ),
    (
        "torch::abs(torch::fft_fft(tensor::of([1, 1]))).to_array()",
        "[2.0, 0.0]",
    ),
    (
        "torch::lgamma(tensor::of([5])).item() - 3.1780538 < 1e-6",
        "true",
    ),
    ("torch::unique(i).len()", "3"),
    ("torch::unique(i)[0].to_array()", "[0.0, 1.0]"),
    (
        "torch::sum(a, [0, 1], #{ dtype: \"float64\" }).dtype",
        "float64",
    ),
    ("torch::sum(a).item()", "10.0"),
    ("torch::sum(a, 1).to_array()", "[3.0, 7.0]"),
    (
        "torch::pad(a, [1, 0], \"constant\", 7).to_array()",
        "[7.0, 1.0, 2.0, 7.0, 3.0, 4.0]",
    ),
    ("torch::full([2], 3).dtype", "int64"),
    (
        "torch::arange(0, 3, #{ dtype: \"float64\" }).to_array()",
        "[0.0, 1.0, 2.0]",
    ),
    ("torch::clamp(a, 2).to_array()", "[2.0, 2.0, 3.0, 4.0]"),
    (
        "torch::clamp(a, #{ max: 2 }).to_array()",
        "[1.0, 2.0, 2.0, 2.0]",
    ),
    (
        "torch::add(a, b, #{ alpha: 10 }).to_array()",
        "[1.0, 12.0, 13.0, 4.0]",
    ),
    ("torch::add(2, a).dtype", "float32"),
    (
        "torch::index(a, [(), i]).to_array()",
        "[2.0, 1.0, 2.0, 4.0, 3.0, 4.0]",
    ),
    ("torch::split(a, 1).len()", "2"),
    ("torch::allclose(a, a + 1e-9)", "true"),
    (
        "torch::cross_entropy(a, tensor::ints([0, 1]), #{ reduction: \"sum\" }).item() > 1.6",
        "true",
    ),
    ("torch::var(a).item()", "1.6666666269302368"),
    (
        "torch::bucketize(a, tensor::of([1.5, 3.5])).to_array()",
        "[0.0, 1.0, 1.0, 2.0]",
    ),
    (
        "let x = a.leaf(); grad(torch::linalg_det(x), x).to_array().map(|v| (v + 0.5).floor().to_int())",
        "[4, -3, -2, 1]",
    ),
];

#[test]
fn operators_take_what_a_script_gives() {
    for (call, wanted) in CALLS {
        assert_eq!(shown(&format!("{PROLOGUE}{call}")), *wanted, "{call}");
    }
}

#[test]
fn wrong_calls_say_what_would_be_right() {
    let cases = [
        ("torch::topkk(a, 1)", "did you mean `topk`"),
        ("torch::topk(a)", "lacks `k`"),
        (
            "torch::topk(a)",
            "torch::topk(self: tensor, k: int, #{ dim: -1, largest: true, sorted: true })",
        ),
        ("torch::topk(a, \"one\")", "`k` cannot be a text \"one\""),
        (
            "torch::topk(a, 1, 2, true, true, 3)",
            "takes 5 arguments, got 6",
        ),
        ("torch::topk(a, 1, #{ dims: 0 })", "has no `dims`"),
        ("torch::topk(a, 1, #{ k: 0 })", "got `k` twice"),
        (
            "torch::sum(a, #{ dtype: \"float31\" })",
            "`dtype` cannot be a text \"float31\"",
        ),
        ("torch::matmul(a, tensor::ones([3]))", "torch::matmul"),
        ("torch::linalg_inv(a * 0 / 0)", "is not finite"),
        (
            "torch::conv1d(tensor::ones([1, 1, 4]), tensor::ones([1, 1, 2]), #{ stride: 100_000 })",
            "`stride` may be 4096 at most",
        ),
        ("torch::add_(a, 1)", "no operator `add_`"),
        (
            "torch::batch_norm(a, (), (), tensor::zeros([2]), tensor::ones([2]), true, 0.1, 1e-5, false)",
            "nn::batch_norm2d",
        ),
        ("torch::abs(nn::linear(1, 1))", "no value of type network"),
        ("torch::zeros([2], #{ device: \"cuda:0\" })", "torch::zeros"),
        (
            "torch::abs(torch::fft_fft(a)).to_array() + torch::fft_fft(a).to_array()",
            "torch::real(z)",
        ),
    ];
    for (call, wanted) in cases {
        let text = shown(&format!("{PROLOGUE}{call}"));
        assert!(text.starts_with("error: "), "{call} gave {text}");
        assert!(text.contains(wanted), "{call}\n{text}");
        assert!(!text.contains("Exception raised"), "{call}\n{text}");
    }
}

#[test]
fn random_operators_follow_the_seed() {
    let twice =
        "let draw = || { seed(3); [torch::randn([2]).to_array(), torch::rand([2]).to_array()] };
        draw.call() == draw.call()";
    assert_eq!(shown(twice), "true");
    assert_eq!(
        shown("torch::randn([8]).to_array() == torch::randn([8]).to_array()"),
        "false"
    );
}
