"""Packs the built program into a wheel for pip, with Python's standard library alone: `make wheel`.

    python3 scripts/wheel.py [--program target/release/jemscript] [--out dist] [--level 9]

The wheel holds the program without its symbols, the launcher in scripts/package, the recipes, and the entry of the Jupyter
kernel, as `jemscript kernel install` writes it. libtorch is not in it: the wheel depends on the torch of exactly the version
that the program was linked to, and any Python from 3.10 on will do.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECIPES = ROOT / "scripts"

# Where the program looks for libraries, seen from its own folder: a torch beside the package, then the stand-in below.
# The launcher's LD_LIBRARY_PATH goes before both.
RUN_PATH = b"$ORIGIN/../torch/lib:$ORIGIN/cpu"

# The command, and what papermill and nbconvert import to learn how notebooks in this language are written.
ENTRY_POINTS = b"""[console_scripts]
jemscript = jemscript:main

[papermill.engine]
jemscript = jemscript.papermill:Engine

[nbconvert.exporters.script]
jemscript = jemscript.nbconvert:JemscriptExporter
"""

# A torch for the CPU alone lacks this library, which the program names so that GPUs are found. An empty one stands in.
CUDA = "libtorch_cuda.so"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--program", type=Path, default=ROOT / "target/release/jemscript")
    arguments.add_argument("--out", type=Path, default=ROOT / "dist")
    arguments.add_argument("--level", type=int, default=9, help="of compression, from 0 to 9")
    given = arguments.parse_args()
    if not given.program.is_file():
        sys.exit(f"wheel: there is no program {given.program}; run: make build")

    version = line_of(ROOT / "Cargo.toml", r'version = "(.*)"')
    torch = line_of(RECIPES / "requirements.txt", r"torch==(.*)")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        program = prepared(given.program, folder)
        tag = f"py3-none-{platform(program)}"
        wheel = Wheel(given.out, f"jemscript-{version}", tag, given.level)
        wheel.add("jemscript/jemscript", program, executable=True)
        wheel.add(f"jemscript/cpu/{CUDA}", stand_in(folder), executable=True)
        for file in ("__init__.py", "__main__.py", "nbconvert.py", "papermill.py"):
            text = (RECIPES / "package" / file).read_text("utf-8")
            wheel.add(f"jemscript/{file}", text.replace("@VERSION@", version).replace("@TORCH@", torch).encode())
        for file in sorted(RECIPES.rglob("*.rhai")):
            wheel.add(f"jemscript/scripts/{file.relative_to(RECIPES).as_posix()}", file.read_bytes())
        for name, content in kernel(given.program, folder):
            wheel.add(f"jemscript-{version}.data/data/share/jupyter/kernels/jemscript/{name}", content)
        wheel.close(metadata(version, torch))
    print(f"{wheel.path}: {wheel.path.stat().st_size / 1e6:.0f} MB")


def line_of(path, pattern):
    """What the first line of this form says."""
    found = re.search(f"^{pattern}$", path.read_text("utf-8"), re.MULTILINE)
    return found[1] if found else sys.exit(f"wheel: {path} has no line `{pattern}`")


# The program ----------------------------------------------------------------------------------------------------------


def prepared(program, folder):
    """The program without symbols, looking for libtorch where pip puts it."""
    copy = folder / "program"
    shutil.copyfile(program, copy)
    run("strip", "--strip-all", copy)
    content = bytearray(copy.read_bytes())
    offset, old = run_path(content)
    if len(old) < len(RUN_PATH):
        sys.exit(f"wheel: the run path {old.decode()} is too short to be replaced; link to a libtorch in a longer folder")
    content[offset : offset + len(old)] = RUN_PATH.ljust(len(old), b"\0")
    return bytes(content)


def run_path(content):
    """Where an ELF program of 64 bits keeps its run path, and what it is."""
    dynamic, loads = None, []
    start, size, count = struct.unpack_from("<Q", content, 32)[0], *struct.unpack_from("<HH", content, 54)
    for at in range(start, start + size * count, size):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", content, at)
        if kind == 1:
            loads.append((address, offset, length))
        elif kind == 2:
            dynamic = dict(struct.iter_unpack("<QQ", content[offset : offset + length]))
    tags = {"strings": 5, "rpath": 15, "runpath": 29}
    names = dynamic.get(tags["runpath"], dynamic.get(tags["rpath"])) if dynamic else None
    if names is None:
        sys.exit("wheel: the program has no run path; build it with: make build")
    table = dynamic[tags["strings"]]
    offset = next(o + table - a for a, o, n in loads if a <= table < a + n) + names
    return offset, bytes(content[offset : content.index(b"\0", offset)])


def platform(program):
    """The tag of the oldest Linux that has all versions of the C library's functions that the program asks for."""
    newest = max(int(minor) for minor in re.findall(rb"\0GLIBC_2\.(\d+)(?=\0|\.\d+\0)", program))
    return f"manylinux_2_{newest}_x86_64"


def stand_in(folder):
    """A library with nothing in it."""
    path, source = folder / CUDA, folder / "empty.c"
    source.touch()
    run(os.environ.get("CC", "cc"), "-shared", "-nostdlib", "-s", f"-Wl,-soname,{CUDA}", "-o", path, source)
    return path.read_bytes()


def kernel(program, folder):
    """The files by which Jupyter knows the kernel. It puts its own Python in the place of `python`."""
    run(program, "kernel", "install", "--prefix", folder)
    place = folder / "share/jupyter/kernels/jemscript"
    for file in sorted(place.iterdir()):
        content = file.read_bytes()
        if file.name == "kernel.json":
            entry = json.loads(content)
            entry["argv"][:1] = ["python", "-m", "jemscript"]
            content = (json.dumps(entry, indent=2) + "\n").encode()
        yield file.name, content


def run(*command):
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    except OSError as error:
        sys.exit(f"wheel: {command[0]} does not run: {error.strerror}")
    if done.returncode:
        sys.exit(f"wheel: {' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")


# The wheel ------------------------------------------------------------------------------------------------------------


def metadata(version, torch):
    about = line_of(ROOT / "Cargo.toml", r'description = "(.*)"')
    home = line_of(ROOT / "Cargo.toml", r'repository = "(.*)"')
    return f"""Metadata-Version: 2.4
Name: jemscript
Version: {version}
Summary: {about}
Project-URL: Source, {home}
License-Expression: MIT OR Apache-2.0
License-File: LICENSE-APACHE
License-File: LICENSE-MIT
Requires-Python: >=3.10
Requires-Dist: torch=={torch}
Description-Content-Type: text/markdown

{(ROOT / "docs/installing.md").read_text("utf-8")}"""


class Wheel:
    """A wheel that is being written: the same files make the same wheel."""

    def __init__(self, folder, name, tag, level):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}-{tag}.whl"
        self.partial = self.path.with_suffix(".partial")
        self.info = f"{name}.dist-info"
        self.tag = tag
        self.rows = []
        self.zip = zipfile.ZipFile(self.partial, "w", zipfile.ZIP_DEFLATED, compresslevel=level)

    def add(self, name, content, executable=False):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        self.rows.append(f"{name},sha256={digest},{len(content)}")
        self.write(name, content, executable)

    def write(self, name, content, executable=False):
        entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
        entry.external_attr = (0o100755 if executable else 0o100644) << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        self.zip.writestr(entry, content)

    def close(self, metadata):
        for licence in ("LICENSE-APACHE", "LICENSE-MIT"):
            self.add(f"{self.info}/licenses/{licence}", (ROOT / licence).read_bytes())
        self.add(f"{self.info}/METADATA", metadata.encode())
        self.add(f"{self.info}/entry_points.txt", ENTRY_POINTS)
        about = f"Wheel-Version: 1.0\nGenerator: jemscript\nRoot-Is-Purelib: false\nTag: {self.tag}\n"
        self.add(f"{self.info}/WHEEL", about.encode())
        record = "\n".join([*self.rows, f"{self.info}/RECORD,,", ""])
        self.write(f"{self.info}/RECORD", record.encode())
        self.zip.close()
        self.partial.replace(self.path)


if __name__ == "__main__":
    main()
