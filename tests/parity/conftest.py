import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.parity)


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """The folder of what PyTorch wrote: for each family a checkpoint, features, and what its reader says."""
    python = os.environ.get("PARITY_PYTHON")
    if not python:
        pytest.skip("needs an environment with PyTorch, which `make test-parity` makes: PARITY_PYTHON is not set")
    folder = tmp_path_factory.mktemp("published")
    command = [str(ROOT / python), "-m", "tests.parity.make_files", str(folder)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    if result.returncode:
        raise RuntimeError(result.stderr)
    return folder
