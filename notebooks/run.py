"""Runs notebooks in their kernels, and checks that they show what the committed ones show.

    python3 notebooks/run.py                    all notebooks here, as they stand (minutes)
    python3 notebooks/run.py --quick            with small numbers, to see that they work
    python3 notebooks/run.py --save first_look  one of them, and keep its new outputs

A cell fails the check if it raises an error, or if it shows no picture or table where the committed notebook has one. What
`--quick` runs with stands in each notebook's metadata (`jemscript.quick`): values for its `param`s. Needs nbclient and nbformat.
"""
import argparse
import os
import pathlib
import sys
import tempfile
import time

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HERE = pathlib.Path(__file__).resolve().parent
PARAMETERS = "JEMSCRIPT_PARAMS"


def kinds(cell):
    """The pictures and tables that a cell shows."""
    shown = {kind for output in cell.get("outputs", []) for kind in output.get("data", {})}
    return shown & {"image/png", "image/gif", "text/html"}


def run(path, quick, save, known):
    """Runs one notebook; gives what is wrong with it."""
    notebook = nbformat.read(path, as_version=4)
    kernel = notebook.metadata.kernelspec.name
    if kernel not in known:
        print(f"{path.name}: skipped, since Jupyter has no kernel `{kernel}`", flush=True)
        return []
    os.environ[PARAMETERS] = notebook.metadata.get("jemscript", {}).get("quick", "") if quick else ""
    promised = [kinds(cell) for cell in notebook.cells]
    started = time.time()
    with tempfile.TemporaryDirectory() as folder:
        # Trainings leave run folders behind.
        place = folder if kernel == "jemscript" else str(path.parent)
        client = NotebookClient(
            notebook, timeout=1200, kernel_name=kernel, record_timing=False, resources={"metadata": {"path": place}}
        )
        try:
            client.execute()
        except CellExecutionError as error:
            return [f"{path.name}: {error}"]
    wrong = []
    for number, (cell, wanted) in enumerate(zip(notebook.cells, promised), 1):
        missing = wanted - kinds(cell)
        if missing and not save:
            wrong.append(f"{path.name}: cell {number} shows no {', '.join(sorted(missing))}")
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            wrong.append(f"{path.name}: cell {number} ended in an error")
    if save and not wrong:
        # Code hosts show the PNG; the page around it is for themes, and as large again.
        for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
            if "image/png" in output.get("data", {}):
                output["data"].pop("text/html", None)
        nbformat.write(notebook, path)
    size = path.stat().st_size / 1000
    print(f"{path.name}: {len(notebook.cells)} cells in {time.time() - started:.0f} s ({size:.0f} kB committed)", flush=True)
    return wrong


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("names", nargs="*", help="names of notebooks; all unless given")
    arguments.add_argument("--quick", action="store_true", help="small numbers")
    arguments.add_argument("--save", action="store_true", help="write the outputs into the notebooks")
    given = arguments.parse_args()
    paths = [HERE / f"{name.removesuffix('.ipynb')}.ipynb" for name in given.names] or sorted(HERE.glob("*.ipynb"))
    known = KernelSpecManager().find_kernel_specs()
    wrong = [problem for path in paths for problem in run(path, given.quick, given.save, known)]
    print("\n".join(wrong) if wrong else "all well")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
