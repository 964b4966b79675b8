//! Habits from other languages: what a line was likely meant to be, and how it is written here.
//! Only hints: whether something is wrong, others decide.

use super::room_names;

/// The hint for a variable that does not exist, if its name says what was meant.
pub fn variable(name: &str) -> Option<String> {
    Some(match name {
        "None" | "null" | "nil" | "undefined" => "nothing is written `()`".to_owned(),
        "True" | "False" => format!("it is written `{}`", name.to_lowercase()),
        "def" => "a function is written `fn name(x) { … }`".to_owned(),
        "pass" => "an empty block is written `{ }`".to_owned(),
        "self" => "what a method is called on is `this`".to_owned(),
        "lambda" => "a function without a name is written `|x| …`".to_owned(),
        "not" => "it is written `!`".to_owned(),
        _ if room(name) => {
            format!("`{name}` is a module: what it has stands behind `::`, as in `{name}::…`")
        }
        _ => return None,
    })
}

/// The hint for a module that does not exist, if its name says what was meant.
pub fn module(name: &str) -> Option<&'static str> {
    Some(match name {
        "np" | "numpy" => {
            "tensors are made by `tensor::…`, most functions are methods of theirs, and all of libtorch's are in `torch::…`: jemscript doc tensor"
        }
        "F" | "functional" => {
            "most functions are methods of tensors, layers are in `nn`: jemscript doc --search WORDS"
        }
        "random" | "rand" => {
            "random tensors: tensor::randn([2, 3]), tensor::rand([2, 3]), x.randn_like()"
        }
        "math" | "Math" => {
            "functions of numbers need no module: sqrt(2.0), exp(1.0); or methods: 2.0.sqrt()"
        }
        _ => return None,
    })
}

/// The hint for a function that does not exist, if its name says what was meant.
pub fn function(name: &str, arguments: usize) -> Option<String> {
    Some(match name {
        "print" | "debug" => {
            format!(
                "it takes one value, got {arguments}; several stand in one text: `a ${{a}}, b ${{b}}`"
            )
        }
        "range" => "a range is written `0..n`; of other steps `range(0, n, 2)`".to_owned(),
        "enumerate" => "a loop counts with `for (x, i) in xs { … }`".to_owned(),
        "len" => "it is a method: x.len()".to_owned(),
        "str" => "it is a method: x.to_string()".to_owned(),
        "int" => "it is a method: x.to_int(); of a tensor x.to(\"int64\")".to_owned(),
        "float" => "it is a method: x.to_float(); of a tensor x.to(\"float32\")".to_owned(),
        _ if room(name) => {
            format!("`{name}` is a module: its functions are called as `{name}::…(…)`")
        }
        _ => return method(name),
    })
}

/// The hint for a method that does not exist, if its name says what was meant.
pub fn method(name: &str) -> Option<String> {
    of_torch(name).map(str::to_owned).or_else(|| in_place(name))
}

/// What stands here for a function or method of PyTorch or of Python that is not called so.
fn of_torch(name: &str) -> Option<&'static str> {
    Some(match name {
        "backward" | "zero_grad" | "clip_grad_norm_" => {
            "an optimiser does it all: opt.step(loss), with its option `clip_norm`; a gradient alone: grad(y, x)"
        }
        "requires_grad_" => "a tensor to differentiate by: x.leaf()",
        "no_grad" => {
            "nothing to do: gradients are followed only where something needs them; x.detach() cuts"
        }
        "numpy" | "tolist" => "values as an array: x.to_array(); one value: x.item()",
        "cuda" => "it is written x.to(\"cuda\")",
        "cpu" => "it is written x.to(\"cpu\")",
        "view" => "it is written x.reshape([…])",
        "dim" => "it is a property: x.ndim",
        "long" => "it is written x.to(\"int64\")",
        "half" => "it is written x.to(\"float16\")",
        "double" => "it is written x.to(\"float64\")",
        "eq" => "it is written `x == y`, of tensors element by element",
        "median" => "it is written x.quantile(0.5)",
        "cat" | "concat" => "it is written tensor::cat([a, b], dim)",
        "clone" | "copy" | "contiguous" => "nothing to do: no operation changes a tensor in place",
        "floordiv" | "floor_divide" | "div_floor" => "it is written a.floor_div(b)",
        "append" => "it is written `push`; a whole array is added by `+=`",
        "extend" => "it is written `+=`",
        "format" => "a text with values stands in backticks: `x is ${x}`",
        _ => return None,
    })
}

/// The hint for an operation of PyTorch that works in place.
fn in_place(name: &str) -> Option<String> {
    let plain = name
        .strip_suffix('_')
        .filter(|n| !n.is_empty() && !n.contains("::"))?;
    Some(format!(
        "no operation changes a tensor in place: write `x = …`, as in x = x.{plain}(…), if there is `{plain}`"
    ))
}

/// The hint for an operator between values that it does not take.
pub fn operator(name: &str) -> Option<&'static str> {
    match name {
        "^" => Some("a power is written `**`; `^` is the exclusive or of whole numbers"),
        ".." | "..=" => Some(
            "a range has whole numbers as its ends: a.floor_div(b) of whole numbers, or x.to_int(); others: tensor::linspace",
        ),
        _ => None,
    }
}

/// The hint where a value of one type stands in the place of another.
pub fn expected(wanted: &str, got: &str) -> Option<&'static str> {
    match (wanted, got) {
        ("bool", "tensor") => Some(
            "a condition is one truth value: (t > 0).all(), (t > 0).any(), or t.item() > 0 of a single number",
        ),
        ("int", "float") => Some(QUOTIENT),
        _ => None,
    }
}

/// The hint for a float in the place of a whole number.
pub const QUOTIENT: &str = "`/` gives a float: a.floor_div(b) is whole, and x.to_int() cuts off";

fn room(name: &str) -> bool {
    room_names().contains(&name)
}

/// The hint for a line at which the parser stopped, in a column from 1; `None` where nothing is
/// known of it.
pub fn line(line: &str, column: usize) -> Option<String> {
    if let Some(hint) = of_notebooks(line) {
        return Some(hint);
    }
    let at: String = line.chars().skip(column.saturating_sub(1)).collect();
    let before: String = line.chars().take(column.saturating_sub(1)).collect();
    let word = |text: &str| {
        text.split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .unwrap_or("")
            .to_owned()
    };
    let start = line.trim_start();
    let hint = match word(&at).as_str() {
        "and" => "`and` is written `&&`",
        "or" => "`or` is written `||`",
        "not" => "`not` is written `!`",
        _ if behind_not(&before) => "`not` is written `!`",
        _ if start.starts_with('#') && !start.starts_with("#{") => "a comment starts with `//`",
        _ if start.starts_with("def ") => "a function is written `fn name(x) { … }`",
        _ if start.starts_with("from ") || start.starts_with("import ") && !start.contains('"') => {
            "a script is imported by its path: import \"lib/x\" as x;"
        }
        _ if has_word(line, "elif") => "`elif` is written `else if`",
        _ if has_word(line, "lambda") => "a function without a name is written `|x| …`",
        _ if at.starts_with("++") || at.starts_with("--") => "it is written `+= 1` or `-= 1`",
        _ if at.starts_with('?') => {
            "a choice is written `if a { b } else { c }`, which has a value"
        }
        _ if at.starts_with('@') => "matrices are multiplied by `a.matmul(b)`",
        _ if at.starts_with('\'') => "texts stand in double quotes: \"silu\"",
        _ if at.starts_with('"') && before.ends_with(['f', 'r', 'b']) => {
            "a text with values stands in backticks: `x is ${x}`"
        }
        _ if at.starts_with(['"', '`']) => "the text that starts here has no end",
        _ if before.trim_end().ends_with(['f', 'r']) && before.contains("f\"") => {
            "a text with values stands in backticks: `x is ${x}`"
        }
        _ if at.starts_with('"') || at.starts_with("f\"") => {
            "a text with values stands in backticks: `x is ${x}`"
        }
        _ if at.starts_with(',')
            && before.trim_start().starts_with("let ")
            && !before.contains('=') =>
        {
            "several names stand in brackets: `let [a, b] = f();`"
        }
        _ if start.starts_with("const [") || start.starts_with("const (") => {
            "only `let` takes an array apart: `let [a, b] = f();`"
        }
        _ if at.starts_with('=') && !at.starts_with("==") && before.contains('(') => {
            "options stand in a map behind the other arguments: #{ name: value }"
        }
        _ if at.starts_with(':') && bare_brace(&before) => "a map is written `#{ key: value }`",
        _ if at.trim_end() == ":" => "a block stands in braces: `for i in 0..10 { … }`",
        _ if at.starts_with("for ") && before.contains('[') => {
            "an array is made of another by a function: [1, 2].map(|x| …); or push to it in a loop"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// The hint for what only Python's notebooks know: `%magic`, `!command`, `?name` and `name?`. The
/// line is known to be wrong.
fn of_notebooks(line: &str) -> Option<String> {
    let line = line.trim();
    let is_name = |t: &str| {
        t.starts_with(char::is_alphabetic)
            && t.chars().all(|c| c.is_alphanumeric() || "_:.".contains(c))
    };
    let asked = line.trim_matches('?');
    if asked.len() < line.len() && is_name(asked) {
        return Some(format!(
            "help is asked for by help(\"{asked}\"), of a variable by help({asked})"
        ));
    }
    let sign = line.chars().next().filter(|c| matches!(c, '%' | '!'))?;
    let mut words = line.trim_start_matches(['%', '!']).split_whitespace();
    let (first, second) = (words.next()?, words.next());
    if !first.starts_with(char::is_alphabetic) && sign == '!' {
        return None;
    }
    let hint = match first {
        "pip" | "pip3" | "conda" | "mamba" | "uv" => {
            "packages are for Python notebooks: here nothing is installed, and scripts are imported: import \"lib/x\" as x;"
        }
        "time" | "timeit" => {
            "time is measured by a stopwatch: let t = timestamp(); …; print(t.elapsed)"
        }
        "matplotlib" | "pylab" => {
            "pictures are shown without it: plot::curves(…) as a cell's last value"
        }
        "run" | "load" | "load_ext" | "autoreload" => {
            "a script is imported by its path: import \"lib/x\" as x;"
        }
        _ if sign == '%' => "lines with `%` are for Python notebooks: a cell holds jemscript alone",
        // `!ready` may be a slip in a condition as well.
        _ if second.is_none() && !SHELL.contains(&first) => return None,
        _ if second
            .is_some_and(|w| w == "-" || w.starts_with(|c: char| "=&|<>+*/.({".contains(c))) =>
        {
            return None;
        }
        _ => "a cell holds jemscript alone: commands of the shell are for a terminal",
    };
    Some(hint.to_owned())
}

/// Commands that are typed behind `!` with nothing behind them.
const SHELL: &[&str] = &[
    "ls",
    "pwd",
    "nvidia-smi",
    "git",
    "python",
    "bash",
    "top",
    "df",
    "free",
    "env",
    "date",
];

/// Whether the word before is Python's `not`, which the parser took for a variable.
fn behind_not(before: &str) -> bool {
    let rest = before.trim_end().strip_suffix("not");
    rest.is_some_and(|r| r.ends_with(' ') && before.ends_with(' '))
}

/// The hint for a variable that does not exist where the first key of a map without its `#` stands.
pub fn key(line: &str, column: usize) -> Option<String> {
    if let Some(hint) = of_notebooks(line) {
        return Some(hint);
    }
    let at: String = line.chars().skip(column.saturating_sub(1)).collect();
    let before: String = line.chars().take(column.saturating_sub(1)).collect();
    let behind = at
        .trim_start_matches(|c: char| c.is_alphanumeric() || c == '_')
        .trim_start();
    let is_key =
        behind.starts_with(':') && !behind.starts_with("::") && before.trim_end().ends_with('{');
    (is_key && bare_brace(&before)).then(|| "a map is written `#{ key: value }`".to_owned())
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|w| w == word)
}

/// Whether the last brace that is open is one of a block.
fn bare_brace(before: &str) -> bool {
    before
        .rfind('{')
        .is_some_and(|i| !before[..i].ends_with('#') && !before[i..].contains('}'))
}
