"""The environments that peers are measured in, each of its own: what they need clashes with ours and one another."""

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
    "tensorflow_similarity": [
        ["tensorflow-cpu==2.15.1", "tensorflow-similarity==0.17.1", "numpy<2", "pandas<2.2", "setuptools<81"]
    ],
}


class Unavailable(Exception):
    """A peer that cannot be measured here, and why."""


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment, which is made if it is not there.

    Raises:
        Unavailable: if something cannot be installed.
    """
    folder = _FOLDER / peer
    python = folder / "bin" / "python"
    done = folder / "installed"
    if not done.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        for step in _STEPS[peer]:
            command = [str(python), "-m", "pip", "install", "--quiet", *step]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            if ended.returncode:
                raise Unavailable(f"{peer} cannot be installed: {ended.stderr.strip().splitlines()[-1]}")
        done.touch()
    return python


def own_python() -> Path:
    """The interpreter that runs this: the environment of the library itself."""
    return Path(os.path.abspath(sys.executable))
