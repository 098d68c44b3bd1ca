"""Accuracy of one network out of six fine-tunes at as many rates: a greedy soup, and the best single one, both chosen
on 100 validation images; the digits are turned by 90 degrees after a start on upright ones and few turned."""

from benchmarks.proofs._merging import accuracy, copy_of, domains, network, trained
from benchmarks.proofs._shared import Timed

NAME = "ModelSoup"
MEASURE = "accuracy"
METHOD, BASELINE = "greedy soup", "best by validation"


def run(seed: int) -> dict[str, float]:
    import keras
    import numpy as np

    from keras_ssl import merging
    from keras_ssl.weights import assign_weights

    keras.utils.set_random_seed(seed)
    plain, _, turned, _ = domains(seed)
    few = [np.concatenate([plain[part], turned[part][800:830]]) for part in (0, 1)]
    start = trained(network(), *few, 15)
    x, y, valid_x, valid_y = turned[0][:150], turned[1][:150], turned[0][900:], turned[1][900:]
    tuned = [trained(copy_of(start), x, y, 15, rate) for rate in (3e-4, 5e-4, 7e-4, 1e-3, 1.5e-3, 2e-3)]
    probe = copy_of(start)

    def on(images: np.ndarray, labels: np.ndarray, weights: object) -> float:
        assign_weights(probe, weights)  # type: ignore[arg-type]
        return accuracy(probe.predict(images, verbose=0), labels)

    greedy = merging.ModelSoup(tuned, "greedy", lambda weights: on(valid_x, valid_y, weights))
    found = Timed()
    best = int(np.argmax(greedy.scores or []))
    tests = [accuracy(model.predict(turned[2], verbose=0), turned[3]) for model in tuned]
    found["greedy soup"] = on(turned[2], turned[3], greedy.weights)
    found["best by validation"] = tests[best]
    found["uniform soup"] = on(turned[2], turned[3], merging.ModelSoup(tuned).weights)
    found["mean of the fine-tunes"] = float(np.mean(tests))
    return found
