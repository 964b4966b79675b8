"""Notebooks as pages: texts, cells, and the outputs that lie in the file."""

import base64
import json
import re
from pathlib import Path

INTRODUCTION = "# Notebooks\n\nAs they lie in the repository, with the outputs that they were saved with.\n\n"


def page(source: Path, folder: Path) -> str:
    book = json.loads(source.read_text())
    language = book["metadata"].get("kernelspec", {}).get("language", "rhai").lower()
    parts = []
    for number, cell in enumerate(book["cells"]):
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(text)
        elif cell["cell_type"] == "code":
            parts.append(f"````{'rust' if language == 'rust' else 'rhai'}\n{text}\n````")
            for at, output in enumerate(cell.get("outputs", [])):
                parts.append(shown(output, folder, f"{source.stem}-{number}-{at}.png"))
    return "\n\n".join(part for part in parts if part) + "\n"


def shown(output: dict, folder: Path, picture: str) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        (folder / picture).write_bytes(base64.b64decode("".join(data["image/png"])))
        return f"![Output of the cell]({picture})"
    text = "".join(output.get("text") or data.get("text/plain") or "")
    text = re.sub(r"\x1b\[[0-9;]*m", "", text).rstrip()
    return f"````text\n{text}\n````" if text else ""


def write(sources: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for source in sorted(sources.glob("*.ipynb")):
        text = page(source, folder)
        (folder / f"{source.stem}.md").write_text(text)
        title = re.search(r"^# +(.*)", text, re.M)
        listed.append(f"- [{title[1] if title else source.stem}]({source.stem}.md)")
    (folder / "README.md").write_text(INTRODUCTION + "\n".join(listed) + "\n")
