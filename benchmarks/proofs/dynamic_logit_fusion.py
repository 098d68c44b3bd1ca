"""Accuracy on turned digits: a wide network of upright ones whose logits small networks move, tuned on the turned, and
the wide network alone; beside them a fixed coefficient of 1 and the small expert alone."""

from benchmarks.proofs._merging import accuracy, copy_of, domains, network, trained
from benchmarks.proofs._shared import Timed

NAME = "DynamicLogitFusion"
MEASURE = "accuracy"
METHOD, BASELINE = "fused", "large alone"


def run(seed: int) -> dict[str, float]:
    import keras
    import numpy as np

    from keras_ssl import merging

    keras.utils.set_random_seed(seed)
    plain, _, turned, _ = domains(seed)
    # Upright ones and some turned: the large model is not blind, and better than the small one.
    x, y = (np.concatenate([plain[part], turned[part][:40]]) for part in (0, 1))
    large, small = trained(network(256), x, y, 15), trained(network(8), x, y, 15)
    expert = trained(copy_of(small), turned[0], turned[1], 15)
    logits = [model.predict(turned[2], verbose=0) for model in (large, expert, small)]
    found, labels = Timed(), turned[3]
    found["fused"] = accuracy(merging.DynamicLogitFusion()(logits[0], [logits[1]], logits[2]), labels)
    found["large alone"] = accuracy(logits[0], labels)
    found["coefficient 1"] = accuracy(logits[0] + logits[1] - logits[2], labels)
    found["expert alone"] = accuracy(logits[1], labels)
    found["large, tuned itself"] = accuracy(
        trained(copy_of(large), turned[0], turned[1], 15).predict(turned[2], verbose=0), labels
    )
    return found
