"""What proofs share: figures with what they cost, the digits, training by a recipe, features and their worth."""

import importlib
import resource
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks._tables import machine


class Timed(dict[str, float]):
    """Figures by name; what is set has cost the time since the figure before it, or since the dict was made.

    `update` and `|=` set figures that one training gives: each has cost all of it. `costs` has the seconds by name.
    """

    def __init__(self) -> None:
        super().__init__()
        self.costs: dict[str, dict[str, float]] = {}
        self._since = _seconds()

    def update(self, figures: Mapping[str, float]) -> None:  # type: ignore[override]
        spent = {kind: now - self._since[kind] for kind, now in _seconds().items()}
        for name, value in figures.items():
            super().__setitem__(name, value)
            before = self.costs.get(name, {})
            self.costs[name] = {kind: before.get(kind, 0.0) + more for kind, more in spent.items()}
        self._since = _seconds()

    def __setitem__(self, name: str, value: float) -> None:
        self.update({name: value})

    def __ior__(self, figures: Mapping[str, float]) -> "Timed":  # type: ignore[override,misc]
        self.update(figures)
        return self


def _seconds() -> dict[str, float]:
    """Wall and CPU seconds of this process, of all its threads."""
    return {"wall_s": time.perf_counter(), "cpu_s": time.process_time()}


def measured(name: str, seed: int) -> tuple[dict[str, float], dict[str, Any]]:
    """The figures of a proof, and what they cost: seconds, in all and of each setting, and the peak of the memory.

    Imports are not counted as time. Where a proof's figures are no `Timed`, its settings are not told apart; what
    took less than a tenth of a CPU second is a further figure of a setting, or was computed with another one. The
    memory is that of the process so far: run this in a new one.
    """
    import keras_ssl  # noqa: F401

    proof = importlib.import_module(f"benchmarks.proofs.{name}")
    start = _seconds()
    found = proof.run(seed)
    costs: dict[str, Any] = {kind: round(now - start[kind], 2) for kind, now in _seconds().items()}
    costs |= {"peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024), "machine": machine()}
    if isinstance(found, Timed):
        spent = {setting: seconds for setting, seconds in found.costs.items() if seconds["cpu_s"] >= 0.1}
        costs["settings"] = {
            setting: {kind: round(value, 2) for kind, value in seconds.items()} for setting, seconds in spent.items()
        }
    return {key: round(float(value), 4) for key, value in found.items()}, costs


def digits() -> tuple[np.ndarray, ...]:
    from keras_ssl.data import colored_digits

    return *colored_digits("train", size=16), *colored_digits("test", size=16)


def scores(encode: Callable[[np.ndarray], np.ndarray]) -> dict[str, float]:
    """kNN and linear accuracy of features of the digits."""
    from keras_ssl import evaluation

    x, y, x_test, y_test = digits()
    arguments = (encode(x), y, encode(x_test), y_test)
    return {"kNN": evaluation.knn_accuracy(*arguments), "linear": evaluation.linear_probe(*arguments)}


def trained(recipe_name: str, *settings: str) -> Any:
    """A model trained by a recipe."""
    import keras_ssl

    recipe = keras_ssl.Recipe.read(recipe_name).override(*settings)
    batches, _ = recipe.build_data()
    model = recipe.build_model()
    model.compile(recipe.build_optimizer(len(batches), model))
    model.fit(batches, epochs=recipe.sections["training"]["epochs"], verbose=0)
    return model


def features(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    from keras_ssl import evaluation

    return lambda images: evaluation.extract_features(model, images)


def labels_first(model: Any, data: Any, epochs: int, weight: float, rate: float = 3e-3) -> Any:
    """A model trained by its labels for half of the epochs, then by unlabeled samples of a weight as well.

    A teacher that has learned nothing yet gives one answer for all samples of a foreign domain, which its student takes
    over: self-training starts from a model of the source.
    """
    import keras

    import keras_ssl

    for share in (0.0, weight):
        model.unlabeled_weight = share
        steps = (epochs // 2) * len(data)
        model.compile(keras.optimizers.Adam(keras_ssl.schedules.WarmupCosine(rate, steps, steps // 20)))
        model.fit(data, epochs=epochs // 2, verbose=0)
    return model
