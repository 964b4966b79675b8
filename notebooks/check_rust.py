"""Runs rust_cells.ipynb in its real kernel, jemscript-rust, which `make notebooks` installs.

    python3 notebooks/check_rust.py           checks that each cell runs and shows what it has to
    python3 notebooks/check_rust.py --save    and writes the outputs into the notebook

Needs nbclient. A cell that may print an error of a script has the tag `shows-an-error`. What docs/rust-cells.md promises is tried
besides: what variables survive, Stop, two kernels at once, unattended runs.
"""

import os
import queue
import sys
import time
from pathlib import Path

import nbformat
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

FILE = Path(__file__).with_name("rust_cells.ipynb")
KERNEL = "jemscript-rust"
# What the first compilation takes on a slow machine, if nothing was built before.
PATIENCE = 900
# A script that ends with Stop only. It says when it has begun, since its cell is compiled first.
# It runs until Stop, which comes as soon as it is said to run: whatever is asked for afterwards is made before.
ENDLESS = 'js.run(r#"let n = 1; print("it runs"); while true { n += 1; }"#)'
# The same in Rust, where nothing asks whether Stop was pressed.
STUBBORN = 'println!("it runs"); loop { std::thread::sleep(std::time::Duration::from_millis(1)); }'


def kinds(cell):
    """The MIME types that a cell shows."""
    return {kind for output in cell.outputs for kind in output.get("data", {})}


def printed(cell, stream="stdout"):
    return "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == stream)


def check(number, cell, promised):
    errors = [o for o in cell.outputs if o.output_type == "error"]
    text, wanted = printed(cell), "shows-an-error" in cell.metadata.get("tags", [])
    assert not errors, f"cell {number}: {errors}"
    assert not printed(cell, "stderr"), f"cell {number}: {printed(cell, 'stderr')}"
    assert ("error:" in text) == wanted, f"cell {number}: {text}"
    assert promised <= kinds(cell), f"cell {number} shows {kinds(cell)}, and should show {promised}"


class Kernel:
    """A kernel to which cells are sent."""

    def __init__(self, **variables):
        self.manager = KernelManager(kernel_name=KERNEL)
        self.manager.start_kernel(cwd=str(FILE.parent), env={**os.environ, **variables})
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    def run(self, code, when=None, do=None):
        """What a cell prints and shows as text; once it has printed `when`, `do` happens."""
        message = self.client.execute(code)
        out = ""
        while True:
            reply = self.client.get_iopub_msg(timeout=PATIENCE)
            if reply["parent_header"].get("msg_id") != message:
                continue
            content = reply["content"]
            if reply["msg_type"] == "stream":
                out += content["text"]
            elif reply["msg_type"] == "execute_result":
                out += content["data"].get("text/plain", "")
            elif reply["msg_type"] == "error":
                out += "\n".join(content["traceback"])
            elif reply["msg_type"] == "status" and content["execution_state"] == "idle":
                return out
            if when and when in out:
                when = None
                do()

    def late(self):
        """What comes after the end of a cell: evcxr sends errors of `?` by a thread of their own."""
        out = ""
        try:
            while True:
                reply = self.client.get_iopub_msg(timeout=2)
                out += reply["content"].get("text", "") if reply["msg_type"] == "stream" else ""
        except queue.Empty:
            return out

    def says(self, code, wanted, **what):
        out = timed(f"    {code.splitlines()[0][:70]}", lambda: self.run(code, **what))
        if wanted not in out:
            out += self.late()
        assert wanted in out, f"{code}\nshould say {wanted!r}, and says\n{out}"
        return out

    def stop(self, *pauses):
        """Presses Stop, and after each pause again."""
        self.manager.interrupt_kernel()
        for pause in pauses:
            time.sleep(pause)
            self.manager.interrupt_kernel()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.stop_channels()
        self.manager.shutdown_kernel()


def timed(what, work):
    start = time.perf_counter()
    result = work()
    print(f"{time.perf_counter() - start:8.2f} s  {what}", flush=True)
    return result


def check_notebook(save):
    notebook = nbformat.read(FILE, 4)
    cells = [c for c in notebook.cells if c.cell_type == "code"]
    promised = [kinds(c) for c in cells]
    client = NotebookClient(notebook, kernel_name=KERNEL, timeout=PATIENCE, startup_timeout=PATIENCE, coalesce_streams=True,
                            resources={"metadata": {"path": str(FILE.parent)}})
    with client.setup_kernel():
        number = 0
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            first = cell.source.strip().splitlines()[0]
            timed(first, lambda: client.execute_cell(cell, index))
            check(number + 1, cell, set() if save else promised[number])
            number += 1
    assert any("image/png" in kinds(c) for c in cells) and any("text/html" in kinds(c) for c in cells)
    if save:
        for cell in cells:
            cell.metadata.pop("execution", None)
        notebook.metadata.pop("language_info", None)
        notebook.metadata["language_info"] = {"name": "rust", "file_extension": ".rs", "mimetype": "text/rust"}
        nbformat.write(notebook, FILE)


def check_variables(kernel):
    """They cross between Rust and scripts, and survive whatever goes wrong."""
    kernel.run("let js = Session::with_seed(3); let a = 1 + 1;")
    kernel.run("let t = Tensor::ones(&[3, 1])?;")
    kernel.says('js.set_tensor("t", &t)?; js.run("let u = t * 10; t.shape")', "[3, 1]")
    kernel.says('let u = js.get_tensor("u")?; u.to_vec()?', "[10.0, 10.0, 10.0]")
    kernel.says('js.get_tensor("v")', "did you mean")
    intact = 'println!("{a} {:?} {:?} {}", t.shape(), u.to_vec()?, js.get_tensor("u")?.len())'
    whole = "2 [3, 1] [10.0, 10.0, 10.0] 3"
    kernel.says(intact, whole)
    kernel.says("t.matmul(&t)?", "[3, 1]")
    kernel.says(intact, whole)
    kernel.says("let mine = t.clone(); let none: Vec<i32> = vec![]; none[1]", "index out of bounds")
    kernel.says(intact, whole)
    kernel.says('js.run("let b = 3;\\nt.matmul(t)")', ":2:3")
    kernel.says('println!("{}", js.get_int("b")?)', "3")
    kernel.says(intact, whole)
    kernel.says("this is no Rust", "error")
    kernel.says(intact, whole)


def check_stop(kernel):
    kernel.run("let js = Session::new(); let a = 2;")
    for pauses in [(), (0.1, 0.1)]:
        # Once, and three times in a moment: a double click is one Stop.
        kernel.says(ENDLESS, "interrupted", when="it runs", do=lambda: kernel.stop(*pauses))
        kernel.says('println!("{a} {}", js.get_int("n")? > 0);', "2 true")
    # Between cells there is nothing to stop.
    kernel.stop(0.5)
    kernel.says('js.run("1 + 2")', "3")
    # A chain of Rust, where no script runs.
    kernel.run("let wells = Energy::double_well(&Default::default())?;")
    chain = """println!("it runs");
let sgld = Sampler::sgld(&sampler::SgldOptions { alpha: Some(0.02), steps: 100_000_000, ..Default::default() })?;
sgld.run(&wells, &Tensor::randn(&[4, 2])?, &Default::default())?"""
    kernel.says(chain, "interrupted", when="it runs", do=lambda: (time.sleep(1), kernel.stop()))
    kernel.says('println!("{a} {wells}");', "2 double_well")
    # The second Stop in a cell, a second or more after the first, ends the process; the kernel goes on.
    kernel.says(STUBBORN, "terminated", when="it runs", do=lambda: kernel.stop(1.5))
    kernel.says("a", "cannot find value")
    kernel.says('let js = Session::new(); js.run("1 + 2")', "3")
    kernel.says(ENDLESS, "interrupted", when="it runs", do=kernel.stop)
    kernel.says('println!("{}", js.get_int("n")? > 0);', "true")


def check_latency_and_a_stop_without_a_session(kernel):
    timed("first cell", lambda: kernel.run("use jemscript::prelude::*;"))
    kernel.says(STUBBORN, "terminated", when="it runs", do=lambda: kernel.stop(1.5))
    kernel.run("let js = Session::new();")
    timed("a trivial cell", lambda: kernel.run("let a = 1 + 1;"))
    timed("a cell with js.run", lambda: kernel.run('js.run("1 + 1")'))


def check_two(first):
    """A kernel beside it has a build folder of its own: neither sees the other's cells."""
    with timed("a kernel starts beside it", Kernel) as second:
        second.run("let mine = 2;")
        first.run("let mine = 1;")
        second.says("mine", "2")
        first.says("mine", "1")


def check_strict():
    """Unattended, the first error of a script ends the run."""
    with timed("a strict kernel starts", lambda: Kernel(JEMSCRIPT_STRICT="1")) as kernel:
        kernel.run("use jemscript::prelude::*;")
        kernel.run("let js = Session::new();")
        out = kernel.says('js.run("nothing"); println!("it went on");', "there is no variable `nothing`")
        assert "terminated" in out and "it went on" not in out, out


if __name__ == "__main__":
    check_notebook("--save" in sys.argv)
    with timed("a kernel starts", Kernel) as kernel:
        check_latency_and_a_stop_without_a_session(kernel)
        check_variables(kernel)
        check_stop(kernel)
        check_two(kernel)
    check_strict()
    print("rust_cells.ipynb: all cells ran; variables survive, Stop stops, kernels keep apart, strict ones end")
