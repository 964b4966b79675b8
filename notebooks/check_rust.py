"""Runs rust_cells.ipynb in its real kernel, jemscript-rust, which `make notebooks` installs.

    python3 notebooks/check_rust.py           checks that each cell runs and shows what it has to
    python3 notebooks/check_rust.py --save    and writes the outputs into the notebook

Needs nbclient. A cell that may print an error of a script has the tag `shows-an-error`. It also presses Stop during a script,
checks that all variables stay, and runs two kernels at once.
"""

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
# Seconds before Stop is pressed: the cell is compiled first.
PRESS = 8


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

    def __init__(self):
        self.manager = KernelManager(kernel_name=KERNEL)
        self.manager.start_kernel(cwd=str(FILE.parent))
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    def run(self, code, after=None):
        """What a cell prints and shows as text; `after` happens while it runs."""
        message = self.client.execute(code)
        if after:
            after()
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

    def stop(self):
        """The Stop button."""
        self.manager.interrupt_kernel()

    def end(self):
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


def check_stop():
    first = timed("a kernel starts", Kernel)
    timed("first cell", lambda: first.run("use jemscript::prelude::*;"))
    first.run("let js = Session::new();")
    timed("a trivial cell", lambda: first.run("let a = 1 + 1;"))
    timed("a cell with js.run", lambda: first.run('js.run("1 + 1")'))

    def press():
        time.sleep(PRESS)
        first.stop()

    text = first.run('js.run("let n = 0; while true { n += 1; }")', press)
    assert "interrupted" in text, text
    text = first.run('println!("{} {}", a, js.get_int("n")? > 0);')
    assert "2 true" in text, text
    # Between cells there is nothing to stop.
    press()
    press()
    assert "2" in first.run('js.run("a_new_variable_of_rust()"); a')

    # A kernel beside it has a build folder of its own: neither sees the other's cells.
    second = timed("a kernel starts beside it", Kernel)
    second.run("let mine = 2;")
    first.run("let mine = 1;")
    assert "2" in second.run("mine") and "1" in first.run("mine")
    text = first.run("let panics: Vec<i32> = vec![]; panics[1]")
    assert "2" in first.run("a"), text
    first.end()
    second.end()


if __name__ == "__main__":
    check_notebook("--save" in sys.argv)
    check_stop()
    print("rust_cells.ipynb: all cells ran, Stop kept the variables, two kernels kept apart")
