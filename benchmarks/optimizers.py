"""What optimizers cost beside AdamW: `python -m benchmarks.optimizers`, or with `--variant=Ti` on a smaller network.

Prints bytes of state for each weight, and seconds for one update of a ViT's weights from gradients that are given: the
passes through the network are the same for all and are left out. The step is compiled; the fastest of the rounds
counts, because what else a machine does only ever slows a round. Writes `benchmarks/results/optimizers.md`; about five
minutes on one core.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import app, flags

ROOT = Path(__file__).resolve().parents[1]
VARIANT = flags.DEFINE_enum("variant", "S", ["Ti", "S", "B"], "Of the ViT.")
DEPTH = flags.DEFINE_integer("depth", None, "Blocks. Default: the variant's, 12.", lower_bound=1)
ROUNDS = flags.DEFINE_integer("rounds", 5, "Steps that are timed, of each.", lower_bound=1)
ONLY = flags.DEFINE_list("only", None, "Names of the optimizers; all where not given.")
OUTPUT = flags.DEFINE_string("output", str(ROOT / "benchmarks/results/optimizers.md"), "The table.")


def optimizers() -> dict[str, Callable[[], Any]]:
    """How each is made, by name."""
    import keras

    from keras_ssl import optimizers, schedules

    rising = schedules.WarmupCosine(0.04, 1000, final=0.4)
    known = keras.optimizers
    return {
        "AdamW": lambda: known.AdamW(1e-3, weight_decay=0.04),
        "ScheduledDecayAdamW": lambda: optimizers.ScheduledDecayAdamW(1e-3, rising),
        "AdamW with averaged weights": lambda: known.AdamW(1e-3, weight_decay=0.04, use_ema=True),
        "SGD with momentum": lambda: known.SGD(1e-2, momentum=0.9),
        "LARS": lambda: optimizers.LARS(0.1),
        "Lamb": lambda: known.Lamb(1e-3),
        "Lion": lambda: known.Lion(1e-4),
        "Muon": lambda: known.Muon(1e-3),
        "Adafactor": lambda: known.Adafactor(1e-3),
        "DCTLowRankAdamW": lambda: optimizers.DCTLowRankAdamW(1e-3, rank=64),
        "FRUGAL": lambda: optimizers.FRUGAL(1e-3, density=0.25),
    }


def seconds(optimizer: Any, variables: list[Any], rounds: int) -> float:
    """The fastest of some updates, after two that compile and warm up."""
    import keras
    import numpy as np

    from keras_ssl.training.backends import backend

    rng = np.random.default_rng(0)
    shapes = [tuple(variable.shape) for variable in variables]
    gradients = [keras.ops.convert_to_tensor(rng.normal(0, 1e-3, shape).astype("float32")) for shape in shapes]
    optimizer.build(variables)

    def update(given: list[Any]) -> Any:
        backend.apply(optimizer, given, variables)
        return keras.ops.sum(variables[0])

    step, best = backend.stateful_program([*variables, *optimizer.variables], update), float("inf")
    for number in range(rounds + 2):
        start = time.perf_counter()
        np.asarray(keras.ops.convert_to_numpy(step(gradients)))
        # On TensorFlow an update is done once the program returns; on JAX once its last variable can be read.
        np.asarray(keras.ops.convert_to_numpy(keras.ops.sum(variables[-1])))
        if number >= 2:
            best = min(best, time.perf_counter() - start)
    return best


def main(_: list[str]) -> None:
    import keras

    from keras_ssl.encoders import ViT
    from keras_ssl.optimizers import state_bytes_per_weight

    network = ViT(VARIANT.value, image_size=224, depth=DEPTH.value, input_shape=(224, 224, 3))
    count = sum(math.prod(variable.shape) for variable in network.trainable_variables)
    command = f"python -m benchmarks.optimizers --variant={VARIANT.value} --rounds={ROUNDS.value}"
    command += "" if DEPTH.value is None else f" --depth={DEPTH.value}"
    head = [
        "# What optimizers cost",
        "",
        f"Written by `{command}`: ViT-{VARIANT.value}/16 of {count:,} weights, float32, Keras {keras.__version__} on "
        f"{keras.backend.backend()}, one update from given gradients, the fastest of {ROUNDS.value}.",
        "",
        "Other work on the machine makes times longer, by as much as a third: only larger differences count.",
        "",
        "| optimizer | state, bytes per weight | seconds per update | over the first |",
        "| --- | ---: | ---: | ---: |",
    ]
    rows: list[str] = []
    first = None
    for name, make in optimizers().items():
        if ONLY.value and name not in ONLY.value:
            continue
        optimizer = make()
        variables = [keras.Variable(keras.ops.copy(v), name=v.name) for v in network.trainable_variables]
        took = seconds(optimizer, variables, ROUNDS.value)
        first = took if first is None else first
        rows.append(f"| {name} | {state_bytes_per_weight(optimizer):.2f} | {took:.3f} | {took / first:.2f} |")
        print(rows[-1], flush=True)
        Path(OUTPUT.value).write_text("\n".join([*head, *rows, ""]), encoding="utf-8")


if __name__ == "__main__":
    app.run(main)
