"""Writes the generated pages of the documentation while it is built: a page per method, the public names, the index.

Each method's page has its docstring, its recipe and its measured rows, that of the zoo what the cards say; nothing of
it is kept in the repository.
"""

import ast
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import mkdocs_gen_files

from keras_ssl.hub.catalogue_table import catalogue_markdown

ROOT = Path(__file__).resolve().parents[1]
REGISTERED = re.compile(
    r'^@register\(\s*"objective"((?:[^()]|\([^()]*\))*)\)\s*\n(?:@[^\n]*\n)*class (\w+)', re.MULTILINE
)
GUIDES = {
    "photos": "Pretrain on your images",
    "search_engine": "From photos to a search engine",
    "methods": "Choose a method",
    "few_labels": "Few labels",
    "choose_labels": "Which images to label",
    "noisy_labels": "Wrong labels and calibration",
    "distill": "Distill",
    "evaluate": "Evaluate",
    "export": "Export and serve",
    "other_libraries": "Hugging Face Hub and keras-hub",
    "merging": "Merge models",
    "optimizers": "Which optimizer",
    "devices": "More than one device",
    "experiment_trackers": "Weights & Biases and MLflow",
    "own_objective": "Write your own objective",
}


def write(path: str, text: str) -> None:
    with mkdocs_gen_files.open(path, "w") as file:
        file.write(text)


def methods() -> dict[str, list[tuple[str, str]]]:
    """Names and modules of the objectives by family."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in sorted((ROOT / "keras_ssl" / "objectives").rglob("*.py")):
        for arguments, name in REGISTERED.findall(path.read_text(encoding="utf-8")):
            family = re.search(r'family="(\w+)"', arguments)
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found.setdefault(family[1] if family else "other", []).append((name, module))
    return found


def recipes() -> dict[str, list[Path]]:
    """The recipes of each objective."""
    found: dict[str, list[Path]] = {}
    for path in sorted((ROOT / "zoo" / "recipes").glob("*.toml")):
        name = tomllib.loads(path.read_text(encoding="utf-8")).get("objective", {}).get("name", "")
        found.setdefault(name, []).append(path)
    return found


def proofs() -> dict[str, list[dict[str, Any]]]:
    """The results of benchmarks/proofs by the name of what they show."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((ROOT / "benchmarks" / "results" / "proofs").glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        found.setdefault(result["name"], []).append(result)
    return found


def measured_row(name: str) -> str:
    """The row of METHODS.md of an objective, with its head."""
    text = (ROOT / "METHODS.md").read_text(encoding="utf-8")
    head, line, *lines = text[text.index("| recipe |") :].split("\n\n")[0].splitlines()
    rows = [row for row in lines if row.split(" | ")[1] == name]
    return "\n".join([head, line, *rows]) if rows else ""


def method_page(name: str, module: str, files: list[Path], shown: list[dict[str, Any]]) -> str:
    text = f"# {name}\n\n::: {module}.{name}\n    options:\n      show_root_heading: false\n      members: false\n"
    if row := measured_row(name):
        text += (
            f"\n## Measured\n\nOn the embedded digits, 16 pixels: see [all methods](../../methods_table.md).\n\n{row}\n"
        )
    for result in shown:
        runs = list(result["runs"].values())
        # Some seeds may be of before a figure was added.
        keys = [key for key in runs[0] if all(key in run for run in runs)]
        figures = ", ".join(f"{key}: {sum(run[key] for run in runs) / len(runs):,.3f}" for key in keys)
        text += f"\n## Shown\n\n{result['what']} ({result['measure']}, mean of {len(runs)} seeds)\n\n{figures}\n"
    for path in files:
        text += f"\n## Recipe `{path.stem}`\n\n```toml\n{path.read_text(encoding='utf-8').strip()}\n```\n"
    return text


def public_names() -> dict[str, list[str]]:
    """Modules and names of the public API, as the snapshot of the tests has them."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "tests" / "api.txt").read_text(encoding="utf-8").splitlines():
        match = re.match(r"(keras_ssl\.\w+(?:\.\w+)?)\.(\w+)(?:\(| =|$)", line)
        if match and match[1].count(".") == 1:
            found.setdefault(match[1], []).append(match[2])
    return found


def definitions() -> dict[str, str]:
    """The module in which each public class or function of the library is written, by "package.name"."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "keras_ssl").rglob("*.py")):
        relative = path.relative_to(ROOT).with_suffix("")
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                found.setdefault(f"{relative.parts[1]}.{node.name}", ".".join(relative.parts))
    return found


def build() -> None:
    pages = ["* [keras_ssl](index.md)", "* Guides"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = {
        "docs/neighbors.png": "neighbors.png",
        "docs/overview.md": "overview.md",
        "METHODS.md": "methods_table.md",
        "SUPPORT.md": "support.md",
        "CONTRIBUTING.md": "contributing.md",
        "CHANGELOG.md": "changelog.md",
        "SECURITY.md": "security.md",
        "examples": "overview.md",
        "docs/guides/photos.md": "guides/photos.md",
    }
    for old, new in links.items():
        readme = readme.replace(f"]({old})", f"]({new})")
    write("index.md", readme)
    pages += [f"    * [{title}](guides/{name}.md)" for name, title in GUIDES.items()]

    pages.append("* Methods")
    pages.append("    * [All, with figures](methods_table.md)")
    write("methods_table.md", (ROOT / "METHODS.md").read_text(encoding="utf-8"))
    files, shown = recipes(), proofs()
    for family, members in sorted(methods().items()):
        pages.append(f"    * {family.replace('_', ' ')}")
        for name, module in sorted(members):
            page = f"methods/{family}/{module.rpartition('.')[2]}_{name.lower()}.md"
            write(page, method_page(name, module, files.get(name, []), shown.get(name, [])))
            pages.append(f"        * [{name}]({page})")

    pages.append("* [Published weights](zoo.md)")
    write("zoo.md", catalogue_markdown())

    pages.append("* Reference")
    where = definitions()
    for package, names in public_names().items():
        short = package.removeprefix("keras_ssl.")
        text = f"# {package}\n"
        for name in names:
            home = where.get(f"{short}.{name}")
            if home is not None and short != "objectives":
                text += f"\n::: {home}.{name}\n"
        if "::: " in text:
            write(f"reference/{short}.md", text)
            pages.append(f"    * [{package}](reference/{short}.md)")

    pages.append("* More")
    pages.append("    * [Overview](overview.md)")
    for source, title in (
        ("SUPPORT", "What runs where"),
        ("CONTRIBUTING", "Contributing"),
        ("CHANGELOG", "Changelog"),
        ("SECURITY", "Security"),
    ):
        if (ROOT / f"{source}.md").exists():
            write(f"{source.lower()}.md", (ROOT / f"{source}.md").read_text(encoding="utf-8"))
            pages.append(f"    * [{title}]({source.lower()}.md)")
    pages.append("    * [Precision and accumulation](precision_and_accumulation.md)")
    write("SUMMARY.md", "\n".join(pages) + "\n")


build()
