//! Functions of tensors where they are delicate (0, ±inf, not-a-number, ties, empty, one row, huge
//! and tiny numbers): the values and the gradients of the language are PyTorch's, bit for bit where
//! they are not finite. A refusal is right where PyTorch has not-a-number or an error.

use crate::common;

use common::{Tensors, python_tensors};
use jemscript::script::{Program, Settings};
use jemscript::{Result, Tensor};

/// Points, as both languages write them. `inf` and `nan` are variables in each.
const POINTS: &[(&str, &str)] = &[
    ("zeros", "[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]"),
    ("signs", "[[-1.0, -0.0, 1.0], [-2.5, 0.5, 2.0]]"),
    ("ties", "[[1.0, 1.0, 1.0], [1.0, 0.5, 0.5]]"),
    ("infinite", "[[inf, 1.0, -inf], [0.0, -inf, 2.0]]"),
    ("all -inf", "[[-inf, -inf, -inf], [-inf, -inf, -inf]]"),
    ("all inf", "[[inf, inf, inf], [inf, inf, inf]]"),
    ("nan", "[[nan, 1.0, 2.0], [3.0, 0.0, nan]]"),
    ("huge", "[[1e30, -1e30, 1e19], [100.0, -100.0, 20.5]]"),
    ("tiny", "[[1e-30, -1e-30, 1e-20], [1e-7, -1e-7, 1e-42]]"),
    ("bounds", "[[-1.0, 1.0, 0.999], [-0.999, 19.99, -20.01]]"),
    ("one row", "[[0.5, -1.5, 2.5]]"),
    ("one column", "[[0.5], [-1.5], [2.5]]"),
    ("one number", "[[0.0]]"),
    ("no rows", "tensor::zeros([0, 3])"),
    ("no columns", "tensor::zeros([2, 0])"),
];

/// Functions, in this language and in PyTorch's where it is written differently.
const FUNCTIONS: &[(&str, &str)] = &[
    ("-x", ""),
    ("x.abs()", ""),
    ("x.sign()", ""),
    ("x.exp()", ""),
    ("x.expm1()", ""),
    ("x.log()", ""),
    ("x.log1p()", ""),
    ("x.log2()", ""),
    ("x.log10()", ""),
    ("x.sqrt()", ""),
    ("x.rsqrt()", ""),
    ("x.square()", ""),
    ("x.reciprocal()", ""),
    ("x.sin()", ""),
    ("x.cos()", ""),
    ("x.tan()", ""),
    ("x.asin()", ""),
    ("x.acos()", ""),
    ("x.atan()", ""),
    ("x.sinh()", ""),
    ("x.cosh()", ""),
    ("x.tanh()", ""),
    ("x.erf()", ""),
    ("x.sigmoid()", ""),
    ("x.log_sigmoid()", "F.logsigmoid(x)"),
    ("x.relu()", ""),
    ("x.silu()", "F.silu(x)"),
    ("x.gelu()", "F.gelu(x)"),
    ("x.softplus()", "F.softplus(x)"),
    ("x.leaky_relu(0.1)", "F.leaky_relu(x, 0.1)"),
    ("x.elu(1.5)", "F.elu(x, 1.5)"),
    ("x.floor()", ""),
    ("x.ceil()", ""),
    ("x.round()", ""),
    ("x.trunc()", ""),
    ("x.pow(0.0)", ""),
    ("x.pow(0.5)", ""),
    ("x.pow(2.0)", ""),
    ("x.pow(3.0)", ""),
    ("x.pow(-1.0)", ""),
    ("x.pow(1.5)", ""),
    ("x ** 2", ""),
    ("x ** x", ""),
    ("2.0 ** x", ""),
    ("x + x", ""),
    ("x - x", ""),
    ("x * x", ""),
    ("x / x", ""),
    ("1.0 / x", ""),
    ("x / 0.0", ""),
    ("x * 0.0", ""),
    ("x.clamp(-1.0, 1.0)", ""),
    ("x.clamp_min(0.0)", ""),
    ("x.clamp_max(0.0)", ""),
    ("x.maximum(-x)", ""),
    ("x.minimum(-x)", ""),
    ("x.maximum(x * 1.0)", ""),
    ("x.masked_fill(x > 0.0, 3.0)", ""),
    (
        "tensor::choose(x > 0.0, x.sqrt(), -x)",
        "torch.where(x > 0.0, x.sqrt(), -x)",
    ),
    ("x.matmul(x.t())", ""),
    ("x.softmax(1)", ""),
    ("x.softmax(0)", ""),
    ("x.log_softmax(1)", ""),
    ("x.logsumexp(1)", ""),
    ("x.logsumexp(0)", ""),
    ("x.sum()", ""),
    ("x.sum(1)", ""),
    ("x.sum([0, 1])", ""),
    ("x.mean()", ""),
    ("x.mean(1)", ""),
    ("x.mean(0)", ""),
    ("x.std()", ""),
    ("x.std(1)", ""),
    ("x.std(0)", ""),
    ("x.variance()", "x.var()"),
    ("x.variance(1)", "x.var(1)"),
    ("x.variance([0], true)", "x.var([0], keepdim=True)"),
    ("x.max()", ""),
    ("x.max(1)", "x.amax(1)"),
    ("x.min()", ""),
    ("x.min(0)", "x.amin(0)"),
    ("x.prod()", ""),
    ("x.norm()", ""),
    ("x.norm(1)", "torch.linalg.vector_norm(x, dim=1)"),
    ("x.norm(0)", "torch.linalg.vector_norm(x, dim=0)"),
    ("x.cumsum(1)", ""),
    ("x.cumsum(0)", ""),
    ("x.cumprod(1)", ""),
    ("x.sort()", "x.sort().values"),
    ("x.topk(1)", "x.topk(1).values"),
    ("x.quantile(0.3)", ""),
    ("x.flip([1])", ""),
    ("x.roll(1, 1)", ""),
    ("x.triu(1)", ""),
    ("x.tril(0)", ""),
    ("x.repeat([2, 1])", ""),
    ("x.repeat_interleave(2, 1)", ""),
    ("x.t()", ""),
    ("x.flatten()", ""),
    ("x.unsqueeze(1)", ""),
    ("x.narrow(1, 0, 1)", ""),
    ("x[0]", ""),
    ("tensor::cat([x, -x], 0)", "torch.cat([x, -x], 0)"),
    (
        "tensor::stack([x, x.exp()], 1)",
        "torch.stack([x, x.exp()], 1)",
    ),
    ("nn::softplus().forward(x)", "F.softplus(x)"),
    ("nn::gelu().forward(x)", "F.gelu(x)"),
    ("nn::silu().forward(x)", "F.silu(x)"),
    ("nn::elu().forward(x)", "F.elu(x)"),
];

const PYTHON: &str = r"
import torch.nn.functional as F
inf, nan = float('inf'), float('nan')
for key, (point, expression) in CASES.items():
    x = torch.tensor(point) if isinstance(point, list) else point
    x.requires_grad_()
    try:
        y = eval(expression)
        made[key + '/y'] = y.detach().contiguous()
        w = torch.arange(y.numel(), dtype=torch.float32).cos().reshape(y.shape)
        # As in the language, the gradient can be differentiated again: cumprod takes another formula then.
        g = torch.autograd.grad((y * w).sum(), x, allow_unused=True, create_graph=True)[0]
        made[key + '/g'] = torch.zeros_like(x) if g is None else g.contiguous()
    except (RuntimeError, IndexError):
        made.pop(key + '/y', None)
made['end'] = torch.zeros(1)
";

/// A value and a gradient by the language, or the message of its refusal.
fn ours(
    program: &Program,
    point: &str,
    function: &str,
) -> std::result::Result<[Tensor; 2], String> {
    let code = format!(
        "let inf = 1.0 / 0.0; let nan = 0.0 / 0.0;
         let x = tensor::of({point}).leaf();
         let y = {function};
         let w = tensor::arange(y.numel()).cos().reshape(y.shape);
         [y, grad((y * w).sum(), x)]"
    );
    let found = program
        .run_text("edge", &code)
        .map_err(|error| error.text)?;
    let found = found.into_array().map_err(|kind| format!("gave {kind}"))?;
    let tensors: Vec<Tensor> = found
        .into_iter()
        .filter_map(|t| t.try_cast::<Tensor>())
        .collect();
    tensors
        .try_into()
        .map_err(|_| "gave no two tensors".to_owned())
}

/// Whether two numbers are the same: both not-a-number, the same infinity, or close.
fn same(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= 2e-6 * b.abs() + 1e-37
}

#[test]
fn functions_agree_with_pytorch_at_their_edges() -> Result<()> {
    tch::set_num_threads(1);
    let cases: Vec<_> = FUNCTIONS
        .iter()
        .flat_map(|f| POINTS.iter().map(move |p| (f, p)))
        .collect();
    let mut code = String::from("inf, nan = float('inf'), float('nan')\nCASES = {\n");
    for (i, ((ours, theirs), (_, point))) in cases.iter().enumerate() {
        let theirs = if theirs.is_empty() { ours } else { theirs };
        code += &format!(
            "  '{i}': ({}, {theirs:?}),\n",
            point.replace("tensor::zeros(", "torch.zeros(")
        );
    }
    let theirs = python_tensors(&format!("{code}}}\n{PYTHON}"), &Tensors::new())?;

    let program = Program::new(Settings::default());
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for (i, ((function, _), (name, point))) in cases.iter().enumerate() {
        let theirs = [theirs.get(&format!("{i}/y")), theirs.get(&format!("{i}/g"))];
        match (ours(&program, point, function), theirs) {
            (Ok(ours), [Some(y), Some(g)]) => {
                for (what, ours, theirs) in [("value", &ours[0], y), ("gradient", &ours[1], g)] {
                    compared += 1;
                    let (a, b) = (ours.to_vec()?, theirs.to_vec()?);
                    if ours.shape() != theirs.shape()
                        || !a.iter().zip(&b).all(|(a, b)| same(*a, *b))
                    {
                        wrong.push(format!(
                            "{what} of {function} at {name}: {a:?}, PyTorch has {b:?}"
                        ));
                    }
                }
            }
            (Ok(ours), _) => wrong.push(format!(
                "{function} at {name}: {:?}, an error in PyTorch",
                ours[0].to_vec()?
            )),
            (Err(_), [None, _]) => {}
            (Err(_), [Some(y), _]) if y.to_vec()?.iter().any(|v| v.is_nan()) => {}
            (Err(error), _) => wrong.push(format!("{function} at {name}: {error}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {compared}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(compared > 2500, "only {compared} were compared");
    Ok(())
}
