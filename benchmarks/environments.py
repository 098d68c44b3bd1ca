"""The environments that peers are measured in, each of its own: what they need clashes with ours and one another."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_FOLDER = _ROOT / ".venv-peers"

# What pip is told, call by call. PyTorch stands alone, and what is built upon it comes without its requirements: they
# would bring another build of it, several gigabytes large.
_STEPS: dict[str, list[list[str]]] = {
    "lightly": [
        ["torch==2.13.0", "numpy", "pillow"],
        ["--no-deps", "lightly==1.6.0", "lightly_utils", "torchvision", "pytorch-lightning", "lightning-utilities"],
        ["--no-deps", "torchmetrics", "timm", "huggingface-hub", "safetensors"],
        ["aenum", "fsspec", "hydra-core", "packaging", "pydantic", "python-dateutil", "pyyaml", "requests", "tqdm"],
    ],
    # Without its requirements (PyTorch 1.9.1 and what stood beside it): workers/solo_learn_jobs.py says what it needs.
    "solo_learn": [["torch==2.13.0", "numpy", "pillow"], ["--no-deps", "torchvision", "solo-learn==1.0.2"]],
    "stable_pretraining": [
        ["torch==2.13.0", "numpy", "pillow", "loguru"],
        ["--no-deps", "torchvision", "stable-pretraining==0.1.8"],
    ],
    "tensorflow_similarity": [
        ["tensorflow-cpu==2.15.1", "tensorflow-similarity==0.17.1", "numpy<2", "pandas<2.2", "setuptools<81"]
    ],
}


class Unavailable(Exception):
    """A peer that cannot be measured here, and why."""


_failed: dict[str, str] = {}  # an installation that failed would fail again, for each of the peer's cases


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment, which is made if it is not there.

    Raises:
        Unavailable: if something cannot be installed; the message is pip's last word on it.
    """
    folder = _FOLDER / peer
    python = folder / "bin" / "python"
    done = folder / "installed"
    wanted = json.dumps(_STEPS[peer])
    if peer not in _failed and not (done.is_file() and done.read_text(encoding="utf-8") == wanted):
        shutil.rmtree(folder, ignore_errors=True)
        commands = [[sys.executable, "-m", "venv", str(folder)]]
        commands += [[str(python), "-m", "pip", "install", "--quiet", *step] for step in _STEPS[peer]]
        for command in commands:
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            if ended.returncode:
                _failed[peer] = f"not installable: {_last_word(ended.stderr or ended.stdout)}"
                break
        else:
            done.write_text(wanted, encoding="utf-8")
    if peer in _failed:
        raise Unavailable(_failed[peer])
    return python


def _last_word(output: str) -> str:
    """The last error in pip's output, or its last line."""
    lines = output.strip().splitlines() or ["no reason given"]
    return next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1])


def own_python() -> Path:
    """The interpreter that runs this: the environment of the library itself."""
    return Path(os.path.abspath(sys.executable))
