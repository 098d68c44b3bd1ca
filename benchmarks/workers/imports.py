"""How long Python takes for some lines: what a user waits for before anything happens."""

import resource
import subprocess
import sys
from collections.abc import Callable
from typing import Any


def process(code: str) -> tuple[Callable[[], Any], int]:
    """A fresh process; its processor seconds are what it says, which other programs on the machine do not change."""

    def run() -> dict[str, float]:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {"processor": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}

    return run, 1


def call(code: str, expression: str) -> tuple[Callable[[], Any], int]:
    """Only the expression is measured, in the process that has run `code`."""
    names: dict[str, Any] = {}
    exec(code, names)
    compiled = compile(expression, "expression", "eval")

    def run() -> None:
        eval(compiled, names)

    return run, 1
