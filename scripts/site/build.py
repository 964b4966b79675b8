"""Makes the site in target/site: the documents, the recipes with what they print and draw, and the notebooks.

    python3 scripts/site/build.py PROGRAM [--repository URL]

The pages lie as in the repository, so that links between documents stay as they are. Links to other files of the
repository lead to its page at URL; without one they become plain text.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

import links
import notebooks
import recipes

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "target/site-source"
SITE = ROOT / "target/site"

GUIDES = "guide language energies samplers jem operators data evaluation stability checking".split()
USING = "installing running reproducing scaling notebooks rust-cells editors performance".split()


def relinked(text: str, page: Path, repository: str) -> str:
    """Links of a page of the repository, as links of the site."""

    def one(match: re.Match) -> str:
        label, target = match["label"], match["target"]
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        name, _, anchor = target.partition("#")
        path = Path(os.path.normpath(page.parent / name))
        anchor = f"#{anchor}" if anchor else ""
        if str(path) in (".", "..") or not (ROOT / path).exists():
            return match[0]  # the check of links names it
        for made in (path, path.with_suffix(".md"), path / "README.md"):
            if (WORK / "pages" / made).is_file():
                return f"{label}({os.path.relpath(made, page.parent)}{anchor})"
        if repository:
            return f"{label}({repository}/blob/main/{path})"
        return label[1:-1]

    return links.outside_code(text, lambda part: links.LINK.sub(one, part))


def stage(program: Path, repository: str) -> None:
    """Lays all pages out, then mends their links."""
    shutil.rmtree(WORK, ignore_errors=True)
    pages = WORK / "pages"
    pages.mkdir(parents=True)
    shutil.copytree(ROOT / "docs", pages / "docs", ignore=shutil.ignore_patterns("*.rhai"))
    for name in ("README.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, pages / name)
    recipes.write(program, ROOT, pages, WORK / "runs")
    notebooks.write(ROOT / "notebooks", pages / "notebooks")
    for page in pages.rglob("*.md"):
        page.write_text(relinked(page.read_text(), page.relative_to(pages), repository))


def navigation() -> list:
    reference = sorted(p.name for p in (ROOT / "docs/reference").glob("*.md") if p.name != "README.md")
    papers = sorted(p.name for p in (WORK / "pages/scripts/papers").glob("*.md") if p.name != "README.md")
    scripts = sorted(p.name for p in (WORK / "pages/scripts").glob("*.md") if p.name != "README.md")
    books = sorted(p.name for p in (WORK / "pages/notebooks").glob("*.md") if p.name != "README.md")
    return [
        {"Home": "README.md"},
        {"Guide": ["docs/README.md", *(f"docs/{name}.md" for name in GUIDES)]},
        {"Using it": [f"docs/{name}.md" for name in USING]},
        {"Reference": ["docs/reference/README.md", *(f"docs/reference/{name}" for name in reference)]},
        {
            "Gallery": [
                "scripts/README.md",
                {"Recipes": [f"scripts/{name}" for name in scripts]},
                {"Papers": ["scripts/papers/README.md", *(f"scripts/papers/{name}" for name in papers)]},
                {"Notebooks": ["notebooks/README.md", *(f"notebooks/{name}" for name in books)]},
            ]
        },
        {"Results": ["docs/results.md", *(f"docs/results/{p.name}" for p in sorted((ROOT / "docs/results").glob("*.md")))]},
        {"Developers": [*sorted(f"docs/developer/{p.name}" for p in (ROOT / "docs/developer").glob("*.md")),
                        "CHANGELOG.md", "docs/third-party.md"]},
    ]


def build(repository: str) -> None:
    here = Path(__file__).resolve().parent
    shutil.copy(here / "site.css", WORK / "pages/site.css")
    settings = {"INHERIT": str(here / "mkdocs.yml"), "docs_dir": str(WORK / "pages"), "site_dir": str(SITE),
                "hooks": [str(here / "hooks.py")], "nav": navigation()}
    if repository:
        settings["repo_url"] = repository
    (WORK / "mkdocs.yml").write_text(yaml.safe_dump(settings, sort_keys=False))
    # strict: a document that no menu names, or a link that leads nowhere, is an error.
    subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-f", WORK / "mkdocs.yml"],
                   check=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("program", type=Path)
    options.add_argument("--repository", default="", help="the address of the repository's page")
    given = options.parse_args()
    stage(given.program.resolve(), given.repository.rstrip("/"))
    build(given.repository.rstrip("/"))
    dead = links.dead_in_site(SITE)
    if dead:
        sys.exit("\n".join(["links of the site that lead nowhere:", *dead]))
    print(f"the site is in {SITE.relative_to(ROOT)}/index.html")


if __name__ == "__main__":
    main()
