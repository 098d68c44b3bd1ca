"""Mean accuracy on two skills, of which one is a step of the other (shift a number; shift it, then add another one),
after the same number of batches: in the proportions of Skill-It, and in equal ones."""

from typing import Any

import numpy as np

from benchmarks.proofs._shared import Timed

NAME = "SkillItSampler"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "Skill-It", "equal shares"
_SIZE = 20


def _data(random: np.random.Generator, skill: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = random.integers(0, _SIZE, (2, len(skill)))
    b = np.where(skill == 1, b, 0)
    one_hot = np.eye(_SIZE, dtype="float32")
    x = np.concatenate([one_hot[a], one_hot[b], np.eye(2, dtype="float32")[skill]], axis=1)
    return x, (shift[a] + b) % _SIZE


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.data import SkillItSampler

    random = np.random.default_rng(seed)
    shift = random.permutation(_SIZE)
    skill = np.repeat([0, 1], 2000)
    x, y = _data(random, skill, shift)
    skill_test = np.repeat([0, 1], 500)
    x_test, y_test = _data(random, skill_test, shift)

    def losses(model: Any) -> list[float]:
        logits = np.asarray(model.predict(x_test, batch_size=1000, verbose=0)).astype("float64")
        logs = (
            logits
            - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True))
            - logits.max(1)[:, None]
        )
        values = -logs[np.arange(len(y_test)), y_test]
        return [float(values[skill_test == k].mean()) for k in (0, 1)]

    found = Timed()
    for name, eta in (("Skill-It", 0.3), ("equal shares", 0.0)):
        keras.utils.set_random_seed(seed)
        model = keras.Sequential(
            [
                keras.layers.Input((2 * _SIZE + 2,)),
                keras.layers.Dense(128, activation="relu"),
                keras.layers.Dense(_SIZE),
            ]
        )
        model.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        sampler = SkillItSampler(
            x, y, skill=skill, graph=[[1.0, 0.5], [0.0, 1.0]], eta=eta, batch_size=64, batches=20, seed=seed, pairs=True
        )
        model.fit(sampler, epochs=20, shuffle=False, verbose=0, callbacks=[sampler.callback(losses)])
        right = np.asarray(model.predict(x_test, verbose=0)).argmax(axis=1) == y_test
        found[name] = float(right.mean())
        found |= {f"{name}: skill {k}": float(right[skill_test == k].mean()) for k in (0, 1)}
    return found
