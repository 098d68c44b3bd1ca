"""`make test-all`: every test on both backends; what came out goes into tests/last_full_run.json."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from pathlib import Path

from tests.selection.changes import git
from tests.selection.import_graph import ROOT

RECORD = ROOT / "tests" / "last_full_run.json"
# By backend and marker; those that are long are trained, and compiled accordingly.
PARTS = (
    ("tensorflow", "not long and not parity"),
    ("jax", "not long and not parity"),
    ("tensorflow", "long"),
    ("jax", "long"),
    ("tensorflow", "parity"),
)


def counts(report: Path) -> dict[str, int]:
    """How many tests passed, failed and were skipped, by the report that pytest writes."""
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    tests, failures, errors, skipped = (
        sum(int(suite.get(key, 0)) for suite in suites) for key in ("tests", "failures", "errors", "skipped")
    )
    return {"passed": tests - failures - errors - skipped, "failed": failures + errors, "skipped": skipped}


def run_part(backend: str, marker: str, workers: int, flags: list[str]) -> dict[str, object]:
    """Runs the tests of a marker under a backend."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "--gate=all", f"-m={marker}", f"--junit-xml={report}", *flags]
        if workers > 1 and marker != "parity":
            command += [f"-n={workers}", "--dist=worksteal"]
        start = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, env=os.environ | {"KERAS_BACKEND": backend}).returncode
        minutes = round((time.monotonic() - start) / 60, 1)
        result = counts(report) if report.exists() else {"passed": 0, "failed": 0, "skipped": 0}
    return {"backend": backend, "tests": marker, **result, "minutes": minutes, "ok": code == 0}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--record", type=Path, default=RECORD)
    arguments, flags = parser.parse_known_args()
    dirty = bool(git(ROOT, "status", "--porcelain", "--untracked-files=no"))
    parts = [run_part(backend, marker, arguments.workers, flags) for backend, marker in PARTS]
    record = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": (git(ROOT, "rev-parse", "HEAD") or "unknown").strip() + (" and changes" if dirty else ""),
        "ok": all(part["ok"] for part in parts),
        "minutes": round(sum(part["minutes"] for part in parts)),  # type: ignore[misc]
        "parts": parts,
    }
    arguments.record.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=2))
    return 0 if record["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
