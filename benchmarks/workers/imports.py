"""How long Python takes for some lines: what a user waits for before anything happens."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any


def added(first: str, then: str) -> tuple[Callable[[], Any], int]:
    """A fresh process that runs `first`; the processor seconds of what it runs `then`, which others do not change."""
    code = f"{first}\nimport time\nstart = time.process_time()\n{then}\nprint(time.process_time() - start)"

    def run() -> dict[str, float]:
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        return {"processor": float(done.stdout)}

    return run, 1


def call(code: str, expression: str) -> tuple[Callable[[], Any], int]:
    """Only the expression is measured, in the process that has run `code`."""
    names: dict[str, Any] = {}
    exec(code, names)
    compiled = compile(expression, "expression", "eval")

    def run() -> None:
        eval(compiled, names)

    return run, 1
