"""jemscript, a small language for energy-based models, as a Python package.

The package holds the program and starts it: it finds the libtorch that PyTorch's package holds, without importing torch,
and becomes the program. Nothing here is meant to be called from Python.
"""

import os
import sys
from importlib.machinery import PathFinder

__version__ = "@VERSION@"

# The program is linked to this version of libtorch and runs with no other.
TORCH = "@TORCH@"

_HERE = os.path.dirname(os.path.abspath(__file__))


def torch_folder():
    """The folder of the torch that `import torch` would find; None where there is none."""
    found = PathFinder.find_spec("torch")
    # A folder of this name without a package in it is found, too.
    for folder in (found and found.submodule_search_locations) or ():
        if os.path.isfile(os.path.join(folder, "version.py")):
            return os.path.abspath(folder)
    return None


def version_in(folder):
    """A torch's version with its build tag, read as text: importing it takes seconds."""
    with open(os.path.join(folder, "version.py"), encoding="utf-8") as file:
        for line in file:
            if line.startswith("__version__"):
                return line.partition("=")[2].strip().strip("'\"")
    return "of no known version"


def libtorch():
    """The folder of libtorch's libraries; an error in one sentence where there is none of the right version."""
    folder = torch_folder()
    version = folder and version_in(folder)
    if not folder:
        wrong = f"{sys.executable} has none"
    elif version.partition("+")[0] != TORCH:
        wrong = f"{folder} is {version}"
    elif not os.path.exists(os.path.join(folder, "lib", "libtorch_cpu.so")):
        wrong = f"{folder} is not complete"
    else:
        return os.path.join(folder, "lib")
    again = "--force-reinstall " if folder and version.partition("+")[0] == TORCH else ""
    sys.exit(f"jemscript needs torch {TORCH}, and {wrong}; run: {sys.executable} -m pip install {again}torch=={TORCH}")


def main():
    """Becomes the program, with this process's arguments."""
    program = os.path.join(_HERE, "jemscript")
    paths = [libtorch(), os.environ.get("LD_LIBRARY_PATH")]
    os.environ["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, paths))
    # What job files and kernels' entries start: a program that finds libtorch by itself, as this one does.
    command = os.path.join(os.path.dirname(sys.executable), "jemscript")
    if os.path.basename(sys.argv[0]) == "jemscript":
        command = os.path.abspath(sys.argv[0])
    if os.access(command, os.X_OK):
        os.environ["JEMSCRIPT_PROGRAM"] = command
    # The program would set this and start once more: libgomp reads it while it is loaded.
    if "GOMP_SPINCOUNT" not in os.environ:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        os.execv(program, ["jemscript", *sys.argv[1:]])
    except OSError as error:
        sys.exit(f"jemscript did not start: {program}: {error.strerror}; install its wheel again, with --force-reinstall --no-deps")
