"""Record what ten training steps of every recipe on the embedded digits compute, to the last bit.

    KERAS_BACKEND=jax python -m tests.regression.recorder --output=tests/regression/jax.json

A change of the base that is meant to change no number is made between two records: they must be equal on one machine.
`--compare=tests/regression/jax.json` prints for each recipe whether it is.
"""

import argparse
import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_ssl
from keras_ssl.hub import list_recipes

STEPS = 10
SUFFIX = "_digits"


def recorded_recipes() -> list[str]:
    """Names of the recipes on the embedded digits."""
    return [name for name in list_recipes() if name.endswith(SUFFIX)]


def machine() -> str:
    """What bits depend on besides the code: processor and versions."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    told = {line.split(":")[0].strip(): line.split(":", 1)[1].strip() for line in lines if ":" in line}
    versions = [keras.__version__, np.__version__, keras.backend.backend()]
    backend = __import__(keras.backend.backend())
    return " ".join(
        [told.get("model name", platform.machine()), platform.python_version(), *versions, backend.__version__]
    )


def digest(arrays: list[np.ndarray]) -> str:
    """A hash of the values of arrays, whatever their order."""
    parts = sorted(hashlib.sha256(f"{a.shape}{a.dtype}".encode() + a.tobytes()).hexdigest() for a in arrays)
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def record(recipe_name: str, steps: int = STEPS) -> dict[str, Any]:
    """Loss and gradient norm of each step, and a hash of all weights after the last."""
    recipe = keras_ssl.Recipe.read(recipe_name)
    batch_size = recipe.sections["training"]["batch_size"]
    recipe = recipe.override(f"data.count={batch_size}")
    batches, _ = recipe.build_data()
    model = recipe.build_model()
    model.compile(recipe.build_optimizer(len(batches)))
    history = model.fit(batches, epochs=steps, verbose=0).history
    weights = [np.asarray(keras.ops.convert_to_numpy(variable)) for variable in model.variables]
    return {
        "loss": [float(value) for value in history["loss"]],
        "gradient_norm": [float(value) for value in history["gradient_norm"]],
        "weights": digest(weights),
    }


def features() -> str:
    """A hash of the features that the shipped encoder gives of the first test images."""
    images, _ = keras_ssl.data.colored_digits("test", count=32)
    return digest([np.asarray(keras_ssl.load("barlow_digits").predict(images, verbose=0))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--compare", type=Path)
    arguments = parser.parse_args()
    before = json.loads(arguments.compare.read_text(encoding="utf-8")) if arguments.compare else {}
    found: dict[str, Any] = {"machine": machine(), "barlow_digits": features(), "recipes": {}}
    for name in recorded_recipes():
        if arguments.only in name:
            found["recipes"][name] = record(name)
            equal = found["recipes"][name] == before["recipes"].get(name) if before else ""
            print(name, found["recipes"][name]["loss"][-1], equal, flush=True)
            arguments.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
