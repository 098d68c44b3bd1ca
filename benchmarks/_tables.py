"""What the benchmarks' tables share."""

import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path


def markdown(header: str | Iterable[str], rows: Iterable[list[str]]) -> str:
    """A table; `header` names its columns, one by one or in a text with commas between them."""
    names = header.split(", ") if isinstance(header, str) else list(header)
    lines = [names, ["---"] * len(names), *rows]
    # A bar would end the cell that it is written in.
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def publish(path: str, text: str) -> None:
    """Writes a document, and prints it."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")
    print(text)


def machine() -> str:
    """What a table is of: processor and cores."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        found = re.search(r"model name\s*:\s*(.+)", info.read_text())
        model = found.group(1) if found else model
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} core{'s' if cores > 1 else ''}, no GPU used"


def last_words(error: BaseException) -> str:
    """What a failed case's row says: the last line of the error, which names it where there is a traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
