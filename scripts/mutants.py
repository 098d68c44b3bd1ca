"""Change the library by one operator or number at a time, and count how many changes its own tests notice.

    make mutants MUTANTS_FLAGS="--count=60 --seed=0 --only=losses/"

Modules and places are drawn by the seed; cosmic-ray makes the change, in a copy of the source in a temporary folder.
The change is dead if the module's own tests fail or take too long. Those that survive are printed as a difference, and
all are written as JSON: whoever finds a survivor that changes nothing says so in tests/equivalent_mutants.json.
"""

import argparse
import difflib
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.selection.import_graph import ImportGraph, names_defined  # noqa: E402

PACKAGES = (
    "losses",
    "objectives",
    "layers",
    "views",
    "optimizers",
    "evaluation",
    "schedules",
    "checkpoints",
    "adaptation",
    "attacks",
    "callbacks",
    "data",
    "encoders",
    "merging",
    "weights",
)
# Of cosmic-ray's operators the kinds that change a computation.
KINDS = ("BinaryOperator", "ComparisonOperator", "UnaryOperator", "AndWithOr", "OrWithAnd", "TrueWithFalse",
         "FalseWithTrue", "NumberReplacer", "AddNot")  # fmt: skip
TRIVIAL = (
    "Bit",
    "Shift",
    "Invert",
    "Is",
    "UnaryOperator_Not",
    "Delete_Not",
)  # they stop at once, or compare singletons
SHARED = {  # tests that ask the same of everything below a folder
    "keras_ssl/": ["tests/test_documented_defaults.py"],
    "keras_ssl/attacks/": ["tests/test_ranges.py"],
    "keras_ssl/layers/": ["tests/test_ranges.py"],
    "keras_ssl/losses/": ["tests/test_ranges.py"],
    "keras_ssl/objectives/": ["tests/objectives/test_structure.py"],
}
FORKED = multiprocessing.get_context("forkserver")  # to import Keras takes longer than most tests do
FORKED.set_forkserver_preload(["keras", "pytest", "scipy.stats"])
EQUIVALENT = ROOT / "tests" / "equivalent_mutants.json"


def operators() -> dict[str, Any]:
    """The operators by name; the package comes with the extra "test"."""
    from cosmic_ray.plugins import get_operator, operator_names

    names = [name for name in operator_names() if kind(name) and not any(part in name for part in TRIVIAL)]
    return {name: get_operator(name)() for name in sorted(names)}


def kind(name: str) -> str:
    """The kind of an operator; "" for one that is not used."""
    return next((each for each in KINDS if each in name), "")


def places(source: str, chosen: dict[str, Any]) -> list[tuple[str, int]]:
    """Every change that can be made of a source: the operator's name, and which of its places."""
    from cosmic_ray.ast import Visitor, get_ast

    found: list[tuple[str, int]] = []
    counts = dict.fromkeys(chosen, 0)

    class Count(Visitor):
        def visit(self, node: Any) -> Any:
            for name, operator in chosen.items():
                for _ in operator.mutation_positions(node):
                    found.append((name, counts[name]))
                    counts[name] += 1
            return node

    Count().walk(get_ast(source))
    return found


def own_tests(graph: ImportGraph, path: str) -> list[str]:
    """The tests of a module: the file of its name, else those that name what it defines in the folder that mirrors its
    own, else the two that do so most elsewhere, else those beside that need it."""
    stem = Path(path).stem
    named = [each for each in graph.by_name.get(f"test_{stem}.py", ()) if each.startswith("tests/")]
    if named:
        return named
    mirror = "tests" + path.removeprefix("keras_ssl").rpartition("/")[0]
    tests = [each for each in graph.files if each.startswith("tests/") and "/test_" in each and each.endswith(".py")]
    beside = [each for each in tests if each.rpartition("/")[0] == mirror and path in graph.closure(each)]
    names = re.compile(rf"\b({'|'.join([stem, *sorted(names_defined(graph.tree(path)))])})\b")
    naming = [each for each in tests if names.search(graph.source(each)) and path in graph.closure(each)]
    elsewhere = sorted(naming, key=lambda each: -len(names.findall(graph.source(each))))[:2]
    return [each for each in beside if each in naming] or elsewhere or beside


def draw(graph: ImportGraph, count: int, seed: int, only: str) -> Iterator[tuple[str, str, int, list[str]]]:
    """Modules with tests of their own, drawn evenly; then a kind of change that it allows, and a place."""
    chance, chosen = random.Random(seed), operators()
    modules = [
        path
        for path in graph.files
        if path.startswith(tuple(f"keras_ssl/{name}/" for name in PACKAGES))
        and path.endswith(".py")
        and not path.endswith("__init__.py")
        and only in path
    ]
    chance.shuffle(modules)
    given = 0
    while modules and given < count:
        path = modules.pop()
        tests, found = own_tests(graph, path), places(graph.source(path), chosen)
        if tests and found:
            drawn = chance.choice(sorted({kind(name) for name, _ in found}))
            name, number = chance.choice([each for each in found if kind(each[0]) == drawn])
            given += 1
            shared = [each for folder, names in SHARED.items() if path.startswith(folder) for each in names]
            yield path, name, number, [*tests, *shared]


def _pytest_in(folder: str, arguments: list[str], environment: dict[str, str]) -> None:
    """What a process does that was forked with Keras imported, and nothing of the library."""
    import pytest

    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    for name in [each for each in sys.modules if each.partition(".")[0] in ("keras_ssl", "scripts", "tests")]:
        del sys.modules[name]
    sys.path[:] = [folder, *(each for each in sys.path if each and Path(each).resolve() != ROOT)]
    os._exit(int(pytest.main(arguments)))  # threads of the tests are not waited for


def run_tests(folder: Path, tests: list[str], seconds: float) -> str:
    """ "survived", "killed" or "too long", of the tests in a copy of the source."""
    arguments = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist"]
    arguments += ["-m", "not long and not slow and not parity", *tests]
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    process = FORKED.Process(target=_pytest_in, args=(str(folder), arguments, environment))
    process.start()
    process.join(seconds)
    if process.exitcode is None and process.pid is not None:
        os.killpg(process.pid, signal.SIGKILL)  # what the tests started too
        process.join()
        return "too long"
    if process.exitcode == 5:  # pytest's code for no test at all
        return "no tests"
    return "survived" if process.exitcode == 0 else "killed"


def try_one(folder: Path, path: str, name: str, number: int, tests: list[str], seconds: float) -> dict[str, Any]:
    """Makes a change in a copy of the source, runs the tests and takes it back."""
    from cosmic_ray.mutating import mutate_code

    target = folder / path
    before = target.read_text(encoding="utf-8")
    after = mutate_code(before, operators()[name], number)
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), path, path, lineterm="", n=0)
    target.write_text(after, encoding="utf-8")
    try:
        outcome = run_tests(folder, tests, seconds)
    finally:
        target.write_text(before, encoding="utf-8")
    return {"path": path, "operator": name, "place": number, "outcome": outcome, "change": list(lines)[3:]}


def only_stricter(change: list[str]) -> bool:
    """Whether a change is one of `strict` of a zip alone, which guards against faults and computes nothing."""
    texts = {re.sub(r"strict=(True|False)", "", line[1:]) for line in change}
    return len(texts) == 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60, help="changes to try; default 60")
    parser.add_argument("--seed", type=int, default=0, help="draws them; default 0")
    parser.add_argument("--only", default="", help="part of the path of the modules; default all")
    parser.add_argument("--seconds", type=float, default=300.0, help="after which tests count as failed; default 300")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "mutants.json")
    arguments = parser.parse_args()
    equivalent = {(each["path"], *each["change"]) for each in json.loads(EQUIVALENT.read_text(encoding="utf-8"))}
    graph, found = ImportGraph(ROOT), []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "source")
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".*", "runs", "build", "dist", "*.egg-info"))
        for path, name, number, tests in draw(graph, arguments.count, arguments.seed, arguments.only):
            start = time.monotonic()
            result = try_one(folder, path, name, number, tests, arguments.seconds)
            alike = (path, *result["change"]) in equivalent or only_stricter(result["change"])
            if result["outcome"] == "survived" and alike:
                result["outcome"] = "equivalent"
            found.append(result)
            print(f"{result['outcome']:10s} {time.monotonic() - start:5.0f} s  {path}", flush=True)
            if result["outcome"] == "survived":
                print("\n".join(f"           {line}" for line in result["change"]), flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    counted = [each for each in found if each["outcome"] not in ("equivalent", "no tests")]
    dead = sum(each["outcome"] != "survived" for each in counted)
    print(f"{dead} of {len(counted)} changes died; {len(found) - len(counted)} not counted. All: {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
