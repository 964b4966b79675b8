"""Notebooks with parameters from papermill, and as pages and scripts by nbconvert, in an environment that has the wheel.

    python tests/notebooks/export.py FOLDER

Run by tests/program/wheel.rs, which then runs the script that is left in FOLDER.
"""
import pathlib
import subprocess
import sys

import nbformat
import papermill
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

FOLDER = pathlib.Path(sys.argv[1])


def notebook(*cells, tag=True):
    """A notebook that is on disk as JupyterLab leaves it: its first cell has the parameters."""
    cells = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    if tag:
        cells[0].metadata["tags"] = ["parameters"]
    kernel = {"name": "jemscript", "display_name": "jemscript", "language": "jemscript"}
    path = FOLDER / "given.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def executed(path, **parameters):
    """What the last cell shows."""
    done = papermill.execute_notebook(path, FOLDER / "done.ipynb", parameters, progress_bar=False)
    return done.cells[-1].outputs[-1]["data"]["text/plain"]


def refused(path, wanted, **parameters):
    try:
        executed(path, **parameters)
    except papermill.PapermillExecutionError as error:
        assert wanted in str(error), error
    else:
        raise AssertionError(f"{parameters} was taken")


first = 'let lr = param("lr", 0.01, "learning rate"); let steps = param("steps", 5); let name = param("name", "a");'
path = notebook(first, '[lr, steps, name, param("lr", 0.01)]')
assert executed(path) == '[0.01, 5, "a", 0.01]'
assert executed(path, lr=1e-5, steps=7, name='"\u00e9"\n') == '[1e-5, 7, "\\"\u00e9\\"\\n", 1e-5]'
refused(path, "did you mean `steps`", stesp=7)
refused(path, "must be int", steps=0.5)
found = papermill.inspect_notebook(path)
assert found["lr"]["default"] == "0.01" and found["lr"]["help"] == "learning rate", found
# Without a tagged cell they come first, and each `param` takes its own.
path = notebook('[param("lr", 0.01), param("sizes", [1, 2]), param("o", #{ a: 1 }).a]', tag=False)
assert executed(path, lr=1, sizes=[3], o={"a": 4}) == "[1.0, [3], 4]"

# Cells whose last value is shown end without a semicolon; a script needs them all.
path = notebook(first, new_markdown_cell("# A title\n\nand text"), "fn twice(x) { 2 * x }", "let m = #{ a: 1 }\n// a comment",
                "tensor::ones([2])  // shown", 'print(`twice is ${twice(21)}`)', "plot::curves(#{ a: [1, 2, 3] })", "")
executed_path = FOLDER / "done.ipynb"
papermill.execute_notebook(path, executed_path, {"lr": 0.5}, progress_bar=False)
for kind in ("html", "script"):
    subprocess.run([sys.executable, "-m", "nbconvert", "--to", kind, str(executed_path)], check=True)
page = (FOLDER / "done.html").read_text("utf-8")
assert "jemscript-chart" in page and "twice is 42" in page and '<span class="kd">let</span>' in page
script = (FOLDER / "done.rhai").read_text("utf-8")
assert "// # A title\n//\n// and text\n" in script and "In[" not in script, script
print("OK")
