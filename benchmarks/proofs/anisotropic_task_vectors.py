"""Mean accuracy on four domains with four labeled images of each class and domain: coefficients by tensor learned on
them, and the best single coefficient of task arithmetic by the same images."""

from benchmarks.proofs._merging import CLASSES, accuracy, copy_of, domains, mean_accuracy, start_and_experts, trained
from benchmarks.proofs._shared import Timed

NAME = "AnisotropicTaskVectors"
MEASURE = "mean accuracy on four domains"
METHOD, BASELINE = "learned, by tensor", "task arithmetic, chosen"


def run(seed: int) -> dict[str, float]:
    import keras
    import numpy as np

    from keras_ssl import merging
    from keras_ssl.weights import assign_weights

    model, experts = start_and_experts(seed)
    shots = []
    for x, y, *_ in domains(seed):
        chosen = np.concatenate([np.flatnonzero(y == kind)[-4:] for kind in range(CLASSES)])
        shots.append((x[chosen], y[chosen]))
    found = Timed()
    probe = copy_of(model)

    def on_shots(c: float) -> float:
        assign_weights(probe, merging.task_arithmetic(model, experts, c))
        return float(np.mean([accuracy(probe.predict(x, verbose=0), y) for x, y in shots]))

    best = max(np.arange(1, 9) / 10, key=on_shots)
    found["task arithmetic, chosen"] = mean_accuracy(merging.task_arithmetic(model, experts, best), model, seed)
    for by in ("model", "tensor"):
        merge = merging.AnisotropicTaskVectors(model, experts, by=by, initial=0.3)
        for _ in range(200):
            merge.step([x for x, _ in shots], [y for _, y in shots])
        found[f"learned, by {by}"] = mean_accuracy(merge.merged_weights(), model, seed)
    tuned = trained(copy_of(model), np.concatenate([x for x, _ in shots]), np.concatenate([y for _, y in shots]), 80)
    found["start, tuned on the labels"] = float(
        np.mean([accuracy(tuned.predict(d[2], verbose=0), d[3]) for d in domains(seed)])
    )
    keras.backend.clear_session()
    return found
