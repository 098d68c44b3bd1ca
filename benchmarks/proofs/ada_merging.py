"""Mean accuracy on four domains of one network made of four experts: with coefficients learned on unlabeled images,
and by task arithmetic with the best of eight coefficients (chosen on the test images, in favor of the baseline)."""

from benchmarks.proofs._merging import domains, mean_accuracy, start_and_experts
from benchmarks.proofs._shared import Timed

NAME = "AdaMerging"
MEASURE = "mean accuracy on four domains"
METHOD, BASELINE = "AdaMerging, by tensor", "task arithmetic, best coefficient"


def run(seed: int) -> dict[str, float]:
    import numpy as np

    from keras_ssl import merging
    from keras_ssl.weights import read_weights

    model, experts = start_and_experts(seed)
    found, rng = Timed(), np.random.default_rng(seed)
    found["start"] = mean_accuracy(read_weights(model), model, seed)
    grid = {c: mean_accuracy(merging.task_arithmetic(model, experts, c), model, seed) for c in np.arange(1, 9) / 10}
    found["task arithmetic, best coefficient"] = max(grid.values())
    found["task arithmetic, 0.3"] = grid[0.3]
    for by in ("model", "tensor"):
        merge = merging.AdaMerging(model, experts, by=by)  # Adam at the paper's rate
        for _ in range(200):
            merge.step([d[2][rng.integers(0, len(d[2]), 64)] for d in domains(seed)])
        found[f"AdaMerging, by {by}"] = mean_accuracy(merge.merged_weights(), model, seed)
    return found
