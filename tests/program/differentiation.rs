//! Derivatives of derivatives: every layer and every energy that the language has, against finite
//! differences in float64. A layer or an energy without a row here fails the test.

use jemscript::script::reference::{Form, all};
use jemscript::script::{Program, Settings};

/// The number that a script gives.
fn number(text: &str) -> f64 {
    let program = Program::new(Settings::default());
    match program.run_text("test.rhai", text) {
        Ok(value) => value
            .as_float()
            .unwrap_or_else(|kind| panic!("gave a {kind}\n{text}")),
        Err(error) => panic!("{error}\n{text}"),
    }
}

fn said(text: &str) -> String {
    let program = Program::new(Settings::default());
    match program.run_text("test.rhai", text) {
        Ok(value) => panic!("gave {value}"),
        Err(error) => error.text,
    }
}

/// The functions of a module that give a value of a type.
fn makers(room: &str, kind: &str) -> Vec<&'static str> {
    let of_room = all()
        .iter()
        .filter(|e| e.home == room && e.form == Form::Function);
    let mut names: Vec<&str> = of_room
        .filter(|e| e.returns == kind)
        .map(|e| e.name.as_str())
        .collect();
    names.dedup();
    names
}

/// A layer, and the shape of what goes in.
const LAYERS: &[(&str, &str, &str)] = &[
    ("conv2d", "nn::conv2d(2, 3, 3)", "[2, 2, 5, 5]"),
    ("conv1d", "nn::conv1d(2, 3, 3)", "[2, 2, 6]"),
    (
        "conv_transpose2d",
        "nn::conv_transpose2d(2, 3, 3, #{ stride: 2 })",
        "[2, 2, 3, 3]",
    ),
    (
        "interpolate",
        "nn::interpolate(#{ scale: 2, mode: \"bilinear\" })",
        "[2, 2, 3, 3]",
    ),
    (
        "interpolate",
        "nn::interpolate(#{ scale: 2 })",
        "[2, 2, 3, 3]",
    ),
    (
        "multihead_attention",
        "nn::multihead_attention(4, 2)",
        "[2, 3, 4]",
    ),
    ("linear", "nn::linear(6, 3)", "[4, 6]"),
    ("batch_norm2d", "nn::batch_norm2d(2)", "[3, 2, 4, 4]"),
    ("group_norm", "nn::group_norm(2, 4)", "[2, 4, 3, 3]"),
    ("layer_norm", "nn::layer_norm(6)", "[4, 6]"),
    ("instance_norm2d", "nn::instance_norm2d(2)", "[2, 2, 4, 4]"),
    ("avg_pool2d", "nn::avg_pool2d(2)", "[2, 2, 4, 4]"),
    ("max_pool2d", "nn::max_pool2d(2)", "[2, 2, 4, 4]"),
    (
        "adaptive_avg_pool2d",
        "nn::adaptive_avg_pool2d(2, 2)",
        "[2, 2, 4, 4]",
    ),
    (
        "global_avg_pool2d",
        "nn::global_avg_pool2d()",
        "[2, 2, 4, 4]",
    ),
    ("flatten", "nn::flatten()", "[2, 2, 3]"),
    ("reshape", "nn::reshape([3, 2])", "[2, 6]"),
    (
        "spectral_norm",
        "nn::spectral_norm(nn::linear(6, 3))",
        "[4, 6]",
    ),
    ("weight_norm", "nn::weight_norm(nn::linear(6, 3))", "[4, 6]"),
    ("dropout", "nn::dropout(0.3)", "[4, 6]"),
    ("relu", "nn::relu()", "[4, 6]"),
    ("leaky_relu", "nn::leaky_relu(0.2)", "[4, 6]"),
    ("silu", "nn::silu()", "[4, 6]"),
    ("gelu", "nn::gelu()", "[4, 6]"),
    ("elu", "nn::elu()", "[4, 6]"),
    ("tanh", "nn::tanh()", "[4, 6]"),
    ("sigmoid", "nn::sigmoid()", "[4, 6]"),
    ("softplus", "nn::softplus()", "[4, 6]"),
    ("identity", "nn::identity()", "[4, 6]"),
    (
        "sequential",
        "nn::sequential([nn::linear(6, 5), nn::tanh(), nn::linear(5, 2)])",
        "[4, 6]",
    ),
    ("residual", "nn::residual(nn::linear(6, 6))", "[4, 6]"),
    ("mlp", "nn::mlp([6, 5, 2])", "[4, 6]"),
    ("lambda", "nn::lambda(|x| x.sin() * x)", "[4, 6]"),
    (
        "wide_resnet",
        "nn::wide_resnet(10, 1, #{ channels: 1, activation: \"silu\" })",
        "[2, 1, 8, 8]",
    ),
    (
        "wide_resnet",
        "nn::wide_resnet(10, 1, #{ channels: 1, norm: \"batch\", activation: \"silu\" })",
        "[2, 1, 8, 8]",
    ),
];

/// What cannot have a row, and why.
const NO_LAYERS: &[&str] = &[
    "torchscript", // a file with any program in it
    "embedding",   // takes whole numbers: there is nothing to differentiate by
    "module",      // a function of the user's: `lambda` stands for it
];

const PROLOGUE: &str = r#"
let step = 1e-5;
fn error_of(found, wanted) { (found - wanted).abs().max().item() / (1.0 + wanted.abs().max().item()) }
"#;

#[test]
fn every_layer_can_be_differentiated_twice_and_forward() {
    for name in makers("nn", "network") {
        let has_row = LAYERS.iter().any(|(layer, ..)| *layer == name);
        assert!(
            has_row || NO_LAYERS.contains(&name),
            "nn::{name} has no row"
        );
    }
    for (_, layer, shape) in LAYERS {
        let second = number(&format!(
            r#"{PROLOGUE}
            let net = {layer};
            net.to("float64");
            net.eval_mode();
            let x = tensor::randn({shape}).to("float64");
            let v = x.randn_like();
            let f = |x| net.forward(x).pow(3).sum();
            let gradient = |x| {{ let l = x.leaf(); grad(f.call(l), l) }};
            let numeric = (gradient.call(x + step * v) - gradient.call(x - step * v)) / (2.0 * step);
            error_of(hvp(f, x, v), numeric.detach())"#
        ));
        assert!(
            second < 1e-6,
            "{layer}: the second derivative is off by {second}"
        );
        let forward = number(&format!(
            r#"{PROLOGUE}
            let net = {layer};
            net.to("float64");
            net.eval_mode();
            let x = tensor::randn({shape}).to("float64");
            let v = x.randn_like();
            let numeric = (net.forward(x + step * v) - net.forward(x - step * v)) / (2.0 * step);
            error_of(jvp(net, x, v).jvp.detach(), numeric.detach())"#
        ));
        assert!(
            forward < 1e-6,
            "{layer}: the forward derivative is off by {forward}"
        );
    }
}

#[test]
fn a_gradient_penalty_reaches_every_weight() {
    for (_, layer, shape) in LAYERS {
        // In training mode, as a penalty is used; the penalty's own slope along one direction of
        // the first weight against differences of the penalty.
        if layer.contains("spectral_norm") || layer.contains("dropout") {
            continue; // each pass in training mode changes the function
        }
        let error = number(&format!(
            r#"{PROLOGUE}
            let net = {layer};
            net.to("float64");
            let x = tensor::randn({shape}).to("float64");
            let penalty = || {{
                let l = x.leaf();
                let given = net.forward(l).pow(3).sum();
                grad(given, l).pow(2).sum()
            }};
            let weights = net.parameters();
            if weights.len() == 0 {{ return 0.0; }}
            let slope = grad(penalty.call(), weights[0]);
            let state = net.state_dict();
            let name = "";
            for key in state.keys() {{
                let same = state[key].shape == weights[0].shape;
                if same && (state[key] - weights[0]).abs().max().item() == 0.0 {{ name = key; }}
            }}
            let v = weights[0].detach().randn_like();
            let start = state[name] + 0.0;
            state[name] = start + step * v;
            net.load_state_dict(state);
            let above = penalty.call().item();
            state[name] = start - step * v;
            net.load_state_dict(state);
            let below = penalty.call().item();
            let numeric = (above - below) / (2.0 * step);
            let exact = (slope * v).sum().item();
            (exact - numeric).abs() / (1.0 + numeric.abs())"#
        ));
        assert!(
            error < 1e-5,
            "{layer}: the penalty's gradient is off by {error}"
        );
    }
}

/// An energy on points `[5, 3]`.
const ENERGIES: &[(&str, &str)] = &[
    ("joint", "energy::joint(net4)"),
    ("scalar", "energy::scalar(net1)"),
    (
        "of",
        "energy::of(|x| net1.forward(x).pow(2).sum(1), #{ params: [net1] })",
    ),
    (
        "of",
        "energy::of(|x, y| (x * table[y]).sum(1).sin() + x.pow(2).sum(1), #{ classes: 4 })",
    ),
    (
        "gaussian",
        "energy::gaussian([0, 1, 0], [[1, 0.5, 0], [0.5, 1, 0], [0, 0, 2]])",
    ),
    (
        "mixture",
        "energy::mixture([[-1, 0, 0], [1, 0, 1]], #{ std: 0.7 })",
    ),
    ("double_well", "energy::double_well()"),
    ("rosenbrock", "energy::rosenbrock(#{ b: 2 })"),
    ("funnel", "energy::funnel(#{ std: 1 })"),
    (
        "sum",
        "energy::sum([energy::joint(net4), energy::double_well()])",
    ),
    ("given", "energy::joint(net4).given(2)"),
    (
        "given",
        "energy::joint(net4).given(tensor::ints([0, 1, 2, 3, 0]))",
    ),
    ("tempered", "energy::joint(net4).tempered(2.5)"),
    ("*", "-0.5 * energy::scalar(net1)"),
];

#[test]
fn every_energy_can_be_differentiated_twice() {
    for name in makers("energy", "energy") {
        let operator = !name.starts_with(char::is_alphabetic);
        assert!(
            operator || ENERGIES.iter().any(|(e, _)| *e == name),
            "energy::{name} has no row"
        );
    }
    for (_, energy) in ENERGIES {
        let error = number(&format!(
            r#"{PROLOGUE}
            let net4 = nn::mlp([3, 8, 4]);
            let net1 = nn::mlp([3, 8, 1]);
            net4.to("float64");
            net1.to("float64");
            let table = tensor::randn([4, 3]).to("float64");
            let e = {energy};
            let x = tensor::randn([5, 3]).to("float64");
            let v = x.randn_like();
            let numeric = (e.score(x - step * v) - e.score(x + step * v)) / (2.0 * step);
            let found = hvp(e, x, v).detach();
            let l = x.leaf();
            let through = grad(-(e.score(l, #{{ create_graph: true }}) * v).sum(), l);
            let trace = 0.0 * x.sum(1);
            for i in 0..3 {{
                let unit = tensor::zeros([5, 3]).to("float64") + tensor::eye(3).to("float64")[i];
                trace = trace + (hvp(e, x, unit) * unit).sum(1);
            }}
            let a = error_of(found, numeric);
            let b = error_of(through.detach(), numeric);
            let c = error_of(laplacian(e, x, #{{ create_graph: false }}), trace.detach());
            a + b + c"#
        ));
        assert!(error < 1e-6, "{energy}: off by {error}");
    }
}

#[test]
fn the_laplacian_of_a_gaussian_is_its_precision_and_is_estimated_without_bias() {
    let exact = number(
        r#"
        let e = energy::gaussian([0, 0], [[2, 0], [0, 4]]);
        laplacian(e, tensor::randn([3, 2])).mean().item()"#,
    );
    assert!((exact - 0.75).abs() < 1e-6, "{exact}");
    for distribution in ["rademacher", "gaussian"] {
        let estimate = number(&format!(
            r#"
            let e = energy::gaussian([0, 0], [[2, 1], [1, 4]]);     // tr Σ⁻¹ = 6 / 7
            let x = tensor::zeros([20_000, 2]);
            laplacian(e, x, #{{ samples: 1, distribution: "{distribution}" }}).mean().item()"#
        ));
        // Standard error: at most sqrt(2 · ‖Σ⁻¹‖² / 20,000) = 0.007.
        assert!(
            (estimate - 6.0 / 7.0).abs() < 0.03,
            "{distribution}: {estimate}"
        );
    }
}

#[test]
fn rows_are_mapped_as_a_loop_would() {
    let error = number(&format!(
        r#"{PROLOGUE}
        let net = nn::mlp([3, 8, 2]);
        let x = tensor::randn([6, 3]);
        let mapped = vmap(|row| net.forward(row), x);
        let e = energy::of(|x| net.forward(x).pow(2).sum(1));
        let rows = vmap_grad(|row| net.forward(row).pow(2).sum(), x);
        error_of(mapped.detach(), net.forward(x).detach()) + error_of(rows.detach(), -e.score(x))"#
    ));
    assert!(error < 1e-5, "{error}");
    let drawn =
        number("vmap(|row| row + row.randn_like(), tensor::zeros([1_000, 2])).std().item()");
    assert!((drawn - 1.0).abs() < 0.1, "random numbers repeat: {drawn}");
}

#[test]
fn what_cannot_be_differentiated_says_so() {
    let cases = [
        (
            "grad(tensor::ones([1]).sum(), tensor::ones([1]).leaf())",
            "does not depend on anything",
        ),
        (
            "let x = tensor::ones([1]).leaf(); let y = tensor::ones([1]).leaf(); grad(x.sum(), y)",
            "the number does not depend on the tensor",
        ),
        (
            "let x = tensor::ones([1]).leaf(); let y = (x * x).sum(); grad(y, x, #{ create_graph: false }); grad(y, x)",
            "the graph of this number is gone",
        ),
        (
            "vmap(|row| grad(row.sum(), row), tensor::ones([2, 2]))",
            "vmap_grad",
        ),
        ("vmap(|row| row, tensor::ones([]))", "no rows"),
        (
            "vmap(|row| { if row.sum().item() > 0.0 { row } else { -row } }, tensor::ones([2, 2]))",
            "vmap",
        ),
        (
            "hvp(|x| x, tensor::ones([2]), tensor::ones([2]))",
            "needs a single number",
        ),
        (
            "hvp(|x| x.sum(), tensor::ones([2]), tensor::ones([3]))",
            "the direction must be like",
        ),
        (
            "jvp(|x| x, tensor::ones([2]), tensor::ones([3]))",
            "the direction must be like",
        ),
        (
            "vjp(|x| x, tensor::ones([2]), tensor::ones([3]))",
            "the weights must be like",
        ),
        (
            "vjp(3, tensor::ones([2]), tensor::ones([3]))",
            "takes a function of tensors",
        ),
        (
            "laplacian(energy::double_well(), tensor::ones([2, 2]), #{ samples: -1 })",
            "`samples`",
        ),
        ("optim::sgd(tensor::ones([2]))", "tensor::parameter(x)"),
        (
            "energy::of(|x, y| x.sum(1), #{ classes: 2 }).energy(tensor::ones([1, 2]), tensor::ints([2]))",
            "between 0 and 1",
        ),
    ];
    for (script, wanted) in cases {
        let text = said(script);
        assert!(text.contains(wanted), "{script}\n{text}");
    }
}

#[test]
fn a_weight_taken_before_the_optimiser_is_still_the_weight() {
    let moved = number(
        r#"
        let net = nn::linear(2, 1, #{ bias: false });
        let weight = net.parameters()[0];
        let opt = optim::sgd(net, #{ lr: 1 });
        let before = weight.sum().item();
        opt.step(net.forward(tensor::ones([1, 2])).sum());
        let slope = grad(net.forward(tensor::ones([1, 2])).sum(), weight).sum().item();
        before - weight.sum().item() + slope"#,
    );
    assert!((moved - 4.0).abs() < 1e-6, "{moved}");
}

#[test]
fn what_is_called_on_an_entry_leaves_the_tensor_as_it_is() {
    let slope = number(
        r#"
        let x = tensor::of([1, 2]).leaf();
        let total = 0.0;
        for i in 0..2 { total = total + x[i].exp() * x[i].pow(2); }
        let again = grad(x.sum(), x);
        grad(total, x).sum().item() - (3.0 * exp(1.0) + 8.0 * exp(2.0))"#,
    );
    assert!(slope.abs() < 1e-4, "{slope}");
}

#[test]
fn nothing_is_recorded_without_gradients() {
    let text = said("let x = tensor::ones([2]).leaf(); grad(no_grad(|| (x * x).sum()), x)");
    assert!(text.contains("does not depend on anything"), "{text}");
    let value = number("no_grad(|| 2.5)");
    assert_eq!(value, 2.5);
    let text = said("no_grad(|| nothing)");
    assert!(text.contains("nothing"), "{text}");
}
