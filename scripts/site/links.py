"""Finds dead links: in the Markdown files of the repository, and in the pages of the site.

    python3 scripts/site/links.py       checks the repository; needs no package
"""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Callable
from urllib.parse import unquote

LINK = re.compile(r"(?P<label>\[(?:[^\[\]]|\[[^\]]*\])*\])\((?P<target>[^()\s]+)\)")
CODE = re.compile(r"(^ *(?P<fence>`{3,}|~{3,}).*?^ *(?P=fence) *$|(?<!`)(?P<ticks>`+)(?!`)[^\n]*?(?<!`)(?P=ticks)(?!`))", re.M | re.S)


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Text whose parts outside of code are changed. Code inside a link's label stays with its link."""
    held: list[str] = []

    def hold(match: re.Match) -> str:
        held.append(match[0])
        return f"\0{len(held) - 1}\0"

    changed = change(CODE.sub(hold, text))
    return re.sub(r"\0(\d+)\0", lambda match: held[int(match[1])], changed)


def anchors(text: str) -> set[str]:
    """The names that GitHub gives the headings of a Markdown text."""
    found: dict[str, int] = {}
    plain = re.sub(r"^ *(`{3,}).*?^ *\1 *$", "", text, flags=re.M | re.S)
    for heading in re.findall(r"^#{1,6} +(.*?) *#*$", plain, re.M):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        count = found.get(name, 0)
        found[name] = count + 1
        if count:
            found[f"{name}-{count}"] = 1
    return set(found) | set(re.findall(r'<a (?:id|name)="([^"]+)"', plain))


def dead_in_repository(root: Path) -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=root,
                            check=True, capture_output=True, text=True)
    pages = [root / name for name in listed.stdout.split("\0") if name.endswith(".md") and (root / name).is_file()]
    if not pages:
        return ["no Markdown file was found"]
    dead = []
    for page in pages:
        text = page.read_text()

        def check(part: str) -> str:
            for match in LINK.finditer(part):
                target = match["target"]
                if re.match(r"[a-z]+:", target):
                    continue
                name, _, anchor = target.partition("#")
                path = (page.parent / unquote(name)).resolve() if name else page
                if not path.is_relative_to(root) or not path.exists():
                    dead.append(f"{page.relative_to(root)}: {target}: there is no such file")
                elif anchor and path.suffix == ".md" and anchor not in anchors(path.read_text()):
                    dead.append(f"{page.relative_to(root)}: {target}: no heading has this name")
            return part

        outside_code(text, check)
    return dead


class Page(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.names: set[str] = set()
        self.targets: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        for key, value in attributes:
            if key in ("id", "name") and value:
                self.names.add(value)
            if key in ("href", "src") and value and tag != "base":
                self.targets.append(value)


def dead_in_site(site: Path) -> list[str]:
    pages = {path: Page(path.read_text()) for path in sorted(site.resolve().rglob("*.html"))}
    dead = []
    for path, page in pages.items():
        for target in page.targets:
            if re.match(r"(https?|mailto|data|javascript):", target):
                continue
            name, _, anchor = unquote(target).partition("#")
            name = name.partition("?")[0]
            # 404.html may be shown for any address, so its links start at the site's root.
            start = site.resolve() if name.startswith("/") else path.parent
            to = (start / name.lstrip("/")).resolve() if name else path
            if to.is_dir():
                to = to / "index.html"
            where = f"{path.relative_to(site.resolve())}: {target}"
            if not to.is_relative_to(site.resolve()):
                dead.append(f"{where}: leads out of the site")
            elif not to.is_file():
                dead.append(f"{where}: there is no such page")
            elif anchor and to in pages and anchor not in pages[to].names | {"__top", "__comments"}:
                dead.append(f"{where}: the page has no such place")
    return dead


if __name__ == "__main__":
    found = dead_in_repository(Path(__file__).resolve().parents[2])
    if found:
        sys.exit("\n".join(found))
