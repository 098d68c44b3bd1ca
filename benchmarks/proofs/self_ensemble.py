"""Cross-entropy on test digits: the mean over five copies of each image under noise, and the image alone."""

import numpy as np

from benchmarks.proofs._calibrated import cross_entropy, logits, network, small_digits, softmax, train

NAME = "SelfEnsemble"
MEASURE = "cross-entropy"
METHOD, BASELINE = "mean", "one view"
LOWER_IS_BETTER = True


def run(seed: int) -> dict[str, float]:
    from keras_ssl.evaluation import SelfEnsemble, expected_calibration_error

    x, y, x_test, y_test = small_digits(seed, 150)
    model = train(network(seed), cross_entropy(), x, y, 100)
    random = np.random.RandomState(seed)
    noises = 0.2 * random.normal(size=(5, *x_test.shape)).astype("float32")
    views = [lambda images, noise=noise: np.clip(images + noise, 0, 1) for noise in noises]

    def predict(images: np.ndarray) -> np.ndarray:
        return softmax(logits(model, images))

    found = {}
    predictions = {"one view": predict(x_test)}
    predictions |= {rule: SelfEnsemble(predict, views, rule)(x_test) for rule in ("mean", "max", "majority")}
    for name, p in predictions.items():
        found[name] = float(-np.log(np.maximum(p[np.arange(len(y_test)), y_test], 1e-12)).mean())
        found[f"{name}, calibration error"] = expected_calibration_error(p, y_test)
        found[f"{name}, accuracy"] = float((p.argmax(axis=1) == y_test).mean())
    return found
