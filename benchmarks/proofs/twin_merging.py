"""Mean accuracy on four domains, the domain not told: a shared network with parts of rank 8 of four experts that a
router adds by image, and the shared network alone (task arithmetic with the best of eight coefficients)."""

from benchmarks.proofs._merging import accuracy, domains, mean_accuracy, start_and_experts
from benchmarks.proofs._shared import Timed

NAME = "TwinMerging"
MEASURE = "mean accuracy on four domains"
METHOD, BASELINE = "rank 8, routed", "shared alone"


def run(seed: int) -> dict[str, float]:
    import numpy as np

    from keras_ssl import merging

    model, experts = start_and_experts(seed)
    data, found = domains(seed), Timed()
    merges = [merging.task_arithmetic(model, experts, c) for c in np.arange(1, 9) / 10]
    scores = [mean_accuracy(weights, model, seed) for weights in merges]
    shared = merges[int(np.argmax(scores))]
    found["shared alone"] = max(scores)
    x = np.concatenate([d[0][:250] for d in data])
    for name, rank in (("rank 8, routed", 8), ("rank 1, routed", 1), ("full rank, routed", None)):
        twin = merging.TwinMerging(model, experts, shared, rank)
        twin.fit_router(x, np.repeat(range(4), 250), hard=True)
        found[name] = float(np.mean([accuracy(twin.predict(d[2]), d[3]) for d in data]))
    found["experts, each on its own domain"] = float(
        np.mean([accuracy(e.predict(d[2], verbose=0), d[3]) for e, d in zip(experts, data, strict=True)])
    )
    return found
