"""The gallery: each recipe with its head comment, its source, and what a short run of it prints and draws.

A recipe that fails here ends the build. The runs are short, a few minutes in all: they show what a recipe does, not how well it does it.
"""

import html
import re
import shutil
import subprocess
from pathlib import Path

PAPERS = ["iterations=300"]

# What makes a run short. A recipe that is in neither list ends the build.
SHORT = {
    "train": ["iterations=300", "attack=5"],
    "toy_2d": ["iterations=300", "steps=300"],
    "joint_vs_factored": ["iterations=100", "seeds=[0]"],
    "semi_supervised_digits": ["iterations=100", "seeds=[0]"],
    "stability": ["iterations=50", "seeds=[0]"],
    "rollback": ["iterations=50", "seeds=[0]"],
    "baseline_rate": ["iterations=50", "seeds=[100]", "rates=[1e-3, 1e-2]"],
    "results": ["iterations=50", "seeds=[0]", "attack=3"],
    "methods": ["data=digits", "seeds=[0]", "iterations=30", "quick=true"],
    "papers/dat": ["iterations=100"],
    "papers/igebm": ["iterations=30"],
    "papers/improved_cd": ["iterations=30"],
    "papers/jempp": ["iterations=60"],
    "papers/sada_jem": ["iterations=60"],
    "evaluate": ["depth=10", "width=1", "judged=100", "attacked=50", "pgd_steps=5", "queries=50", "steps=[20]", "classwise=[20]", "fresh=50"],
}

# Recipes for data that does not ship with the program, and a picture in the documents where there is one.
NOT_RUN = {
    "jem_cifar10": None,
    "jem_cifar100": None,
    "jem_svhn": None,
    "reproduce": None,
    "jem_fashion_mnist": "docs/pictures/fashion_mnist_samples.png",
}

GALLERY = """# Gallery

What can be run as it is: `jemscript recipes` lists the recipes, and `jemscript new mine` copies one to change. The pictures and the
output on their pages come from short runs with seed 0, made with this site: they show what a recipe does, not how well it does
it. For that there is [results](../docs/results.md).

"""


class Recipe:
    def __init__(self, source: Path, scripts: Path):
        self.name = str(source.relative_to(scripts).with_suffix(""))
        self.code = source.read_text()
        head = []
        for line in self.code.splitlines():
            if not line.startswith("//"):
                break
            head.append(line[2:])
        self.commands = "\n".join(line.strip() for line in head if line.strip().startswith("jemscript "))
        self.head = "\n".join(line.strip() for line in head if not line.strip().startswith("jemscript "))
        # Up to a comma, but not one inside parentheses, as in p(x, y).
        self.title = re.split(r"[.:?] | \(|,(?![^(]*\))", self.head.replace("\n", " "))[0].strip("*. ")
        self.pictures: list[str] = []


def run(program: Path, root: Path, recipe: Recipe, short: list[str], folder: Path) -> tuple[str, list[Path]]:
    """Runs a recipe; gives what it printed, and its pictures in the order of the script."""
    command = [program, f"scripts/{recipe.name}.rhai", *short, "--seed", "0", "--quiet", "--device", "cpu", "--out", folder]
    done = subprocess.run([str(part) for part in command], cwd=root, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"the recipe {recipe.name} failed:\n{done.stdout}{done.stderr}")
    printed = done.stdout.replace(f"{folder}", f"runs/{Path(recipe.name).name}").replace(f"{folder.relative_to(root)}", f"runs/{Path(recipe.name).name}")
    if str(root) in printed:
        raise SystemExit(f"the recipe {recipe.name} prints a path of this machine:\n{printed}")
    made = [path for path in folder.iterdir() if path.suffix in (".png", ".gif")]
    order = [place(path, recipe.code) for path in made]
    return printed, [path for _, path in sorted(zip(order, made))]


def place(path: Path, code: str) -> int:
    """Where the script names a picture; at the end, where the name is put together."""
    at = code.find(f'"{path.name}"')
    return at if at >= 0 else len(code)


def page(recipe: Recipe, printed: str | None, short: list[str]) -> str:
    parts = [f"# {recipe.title}", recipe.head.replace("\n", " ")]
    if recipe.commands:
        parts.append(f"```sh\n{recipe.commands}\n```")
    if printed is None:
        parts.append("This recipe needs data that does not ship with the program, so that there is no short run of it here.")
    else:
        parts.append(f"## A short run\n\n```sh\njemscript scripts/{recipe.name}.rhai {' '.join(quoted(word) for word in short)}\n```")
    parts += [f"![{Path(name).stem} of {recipe.title}]({name})" for name in recipe.pictures]
    if printed and printed.strip():
        parts.append(f"```text\n{printed.rstrip()}\n```")
    parts.append(f"## The script\n\n```rhai\n{recipe.code.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def quoted(word: str) -> str:
    return f"'{word}'" if " " in word else word


def cards(recipes: list[Recipe], base: str) -> str:
    """Links with a picture each. Raw HTML, whose links mkdocs leaves as they are."""
    parts = ['<div class="gallery">']
    for recipe in sorted(recipes, key=lambda recipe: not recipe.pictures):
        at = recipe.name.removeprefix(base)
        folder = Path(at).parent
        picture = f'<img src="{folder / recipe.pictures[0]}" alt="" loading="lazy">' if recipe.pictures else ""
        parts.append(f'<a href="{at}.html">{picture}{html.escape(recipe.title)}<span>{recipe.name}.rhai</span></a>')
    return "\n".join([*parts, "</div>"]) + "\n"


def write(program: Path, root: Path, pages: Path, runs: Path) -> None:
    scripts = root / "scripts"
    sources = [*sorted(scripts.glob("*.rhai")), *sorted((scripts / "papers").glob("*.rhai"))]
    all_recipes = [Recipe(source, scripts) for source in sources]
    for recipe in all_recipes:
        paper = recipe.name.startswith("papers/")
        target = pages / "scripts" / f"{recipe.name}.md"
        target.parent.mkdir(parents=True, exist_ok=True)
        short = SHORT.get(recipe.name, PAPERS if paper else None)
        printed = None
        if short is not None:
            print(f"runs {recipe.name} {' '.join(short)}", flush=True)
            printed, found = run(program, root, recipe, short, runs / recipe.name)
        elif recipe.name in NOT_RUN:
            found = [root / NOT_RUN[recipe.name]] if NOT_RUN[recipe.name] else []
        else:
            raise SystemExit(f"scripts/{recipe.name}.rhai: give it a short run in scripts/site/recipes.py")
        for picture in found:
            name = f"{target.stem}-{picture.name}"
            shutil.copy(picture, target.with_name(name))
            recipe.pictures.append(name)
        target.write_text(page(recipe, printed, short or []))
    own = [recipe for recipe in all_recipes if not recipe.name.startswith("papers/")]
    papers = [recipe for recipe in all_recipes if recipe.name.startswith("papers/")]
    more = "\n[Notebooks](../notebooks/README.md) show more, step by step.\n"
    (pages / "scripts/README.md").write_text(
        f"{GALLERY}## Recipes\n\n{cards(own, '')}\n## Papers\n\n{cards(papers, '')}{more}")
    (pages / "scripts/papers/README.md").write_text(
        f"# Papers\n\nThe equations of {len(papers)} papers as scripts of a page or two.\n\n{cards(papers, 'papers/')}")
