"""Writes the guides for newcomers as notebooks with outputs, and runs their code for it: a minute of processor time.

    python scripts/notebooks.py          # docs/notebooks/*.ipynb; code that has not changed keeps its outputs
    python scripts/notebooks.py --rerun  # runs all code anew
    python scripts/notebooks.py --check  # fails if a notebook has not the text and code of its guide

A notebook has a cell for each block of Python in its guide, and one for the text between two. All blocks of a guide run
in one process, in an empty folder. What they print is the output; of a progress bar, its last state.
"""

import argparse
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from contextlib import chdir, redirect_stdout
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
GUIDES = ("photos", "search_engine")
FOLDER = ROOT / "docs" / "notebooks"
_BLOCK = re.compile(r"^```python\n(.*?)^```\n?", re.MULTILINE | re.DOTALL)
_COLOR = re.compile("\x1b\\[[0-9;]*m")
_LINK = re.compile(r"\]\((?!http|#)([^)]+)\)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare alone, and write nothing")
    parser.add_argument("--rerun", action="store_true", help="run code that has not changed, too")
    parser.add_argument("--run", choices=GUIDES, help=argparse.SUPPRESS)  # the child: prints outputs as JSON
    flags = parser.parse_args()
    if flags.run:
        print("\n" + json.dumps(outputs(code_of(flags.run))))
        return
    for guide in GUIDES:
        if flags.check:
            problem = difference(guide)
            if problem:
                sys.exit(f"{problem}: python scripts/notebooks.py")
            continue
        FOLDER.mkdir(exist_ok=True)
        kept = None if flags.rerun else kept_outputs(guide)
        made = notebook(guide, run(guide) if kept is None else kept)
        text = json.dumps(made, indent=1, ensure_ascii=False)
        (FOLDER / f"{guide}.ipynb").write_text(text + "\n", encoding="utf-8")


def parts_of(guide: str) -> list[tuple[str, str]]:
    """The cells of a guide in order: ("markdown" or "code", source)."""
    text = (ROOT / "docs" / "guides" / f"{guide}.md").read_text(encoding="utf-8")
    text = _LINK.sub(lambda link: f"]({os.path.normpath(os.path.join('../guides', link[1]))})", text)
    pieces = _BLOCK.split(text)  # text and code in turn
    kinds = ("markdown", "code")
    parts = [(kinds[number % 2], piece.strip("\n")) for number, piece in enumerate(pieces)]
    return [(kind, source) for kind, source in parts if source]


def code_of(guide: str) -> list[str]:
    """The blocks of Python of a guide."""
    return [source for kind, source in parts_of(guide) if kind == "code"]


def outputs(blocks: list[str]) -> list[str]:
    """What each of some blocks of Python prints, run one after another in an empty folder."""
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = []
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for number, block in enumerate(blocks):
            stream = io.StringIO()
            with redirect_stdout(stream):
                exec(compile(block, f"block {number}", "exec"), names)
            printed.append(settled(stream.getvalue()))
    return printed


def settled(text: str) -> str:
    """What a terminal shows in the end: no colors, and of a progress bar its last state."""
    lines = _COLOR.sub("", text).split("\n")
    return "\n".join(re.split("[\b\r]", line.rstrip("\b\r "))[-1].rstrip() for line in lines)


def run(guide: str) -> list[str]:
    """The outputs of a guide's blocks, by a new process."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, __file__, f"--run={guide}"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def kept_outputs(guide: str) -> list[str] | None:
    """The outputs that the notebook has, where its code is that of the guide; else None."""
    path = FOLDER / f"{guide}.ipynb"
    if not path.is_file():
        return None
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    cells = [cell for cell in cells if cell["cell_type"] == "code"]
    if ["".join(cell["source"]) for cell in cells] != code_of(guide):
        return None
    return ["".join(line for output in cell["outputs"] for line in output["text"]) for cell in cells]


def notebook(guide: str, printed: list[str]) -> dict[str, Any]:
    """A notebook of format 4.5."""
    cells: list[dict[str, Any]] = []
    left = iter(printed)
    for number, (kind, source) in enumerate(parts_of(guide)):
        cell: dict[str, Any] = {"cell_type": kind, "id": _identifier(number, source), "metadata": {}}
        cell["source"] = source.splitlines(keepends=True)
        if kind == "code":
            text = next(left)
            shown = [{"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}]
            cell |= {"execution_count": sum(cell["cell_type"] == "code" for cell in cells) + 1}
            cell |= {"outputs": shown if text else []}
        cells.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def difference(guide: str) -> str | None:
    """What makes a notebook differ from its guide, or None."""
    path = FOLDER / f"{guide}.ipynb"
    if not path.is_file():
        return f"There is no {path.relative_to(ROOT)}"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    if [(cell["cell_type"], "".join(cell["source"])) for cell in cells] != parts_of(guide):
        return f"{path.relative_to(ROOT)} has not the text and code of docs/guides/{guide}.md"
    silent = [cell for cell in cells if "print(" in "".join(cell["source"]) and not cell.get("outputs", True)]
    return f"{path.relative_to(ROOT)} has a cell without its output" if silent else None


def _identifier(number: int, source: str) -> str:
    return f"{number:02d}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"


if __name__ == "__main__":
    main()
