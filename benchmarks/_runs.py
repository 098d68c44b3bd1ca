"""What the benchmarks that train share: runs in processes of their own, one to a core, kept by configuration."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def key_of(text: str, version: str) -> str:
    """What a result is kept by: it changes with the recipe and with the library's version."""
    return hashlib.sha256(f"{text}{version}".encode()).hexdigest()[:16]


def run_apart(script: str, text: str, core: int) -> dict[str, Any]:
    """What `script --worker=TEXT` prints last, as JSON, in a process of its own on one core."""
    command = [sys.executable, script, f"--worker={text}"]
    # This checkout's library, whatever is installed.
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": str(ROOT),
    }
    if hasattr(os, "sched_setaffinity"):
        # One thread per run: two runs of one thread finish before one of two, and add in the same order each time.
        command = [
            sys.executable,
            "-c",
            f"import os, sys; os.sched_setaffinity(0, {{{core}}}); os.execv(sys.argv[1], sys.argv[1:])",
            *command,
        ]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"A run failed. Received: {done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def on_all_cores(work: Callable[..., None], jobs: Iterable[tuple]) -> None:
    """Calls `work(*job, core)` for every job, as many at a time as there are cores."""
    own = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    cores: Queue[int] = Queue()
    for core in own:
        cores.put(core)

    def call(job: tuple) -> None:
        core = cores.get()
        try:
            work(*job, core)
        finally:
            cores.put(core)

    with ThreadPoolExecutor(len(own)) as pool:
        list(pool.map(call, jobs))


def rounded(value: Any) -> Any:
    """Figures with four digits after the point, in nested dicts too."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return round(value, 4 if value < 100 else 0) if isinstance(value, float) else value
