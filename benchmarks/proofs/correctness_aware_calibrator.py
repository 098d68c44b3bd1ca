"""Calibration error on noisy test digits, calibrated on clean ones: by copies of a sample, and by one temperature."""

import numpy as np

from benchmarks.proofs._calibrated import cross_entropy, logits, network, small_digits, train

NAME = "CorrectnessAwareCalibrator"
MEASURE = "calibration error"
METHOD, BASELINE = "calibrator", "temperature"
LOWER_IS_BETTER = True


def run(seed: int) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    from keras_ssl.evaluation import CorrectnessAwareCalibrator, TemperatureScaling, expected_calibration_error

    x, y, x_test, y_test = small_digits(seed, 1000)
    model = train(network(seed), cross_entropy(), x[:200], y[:200], 100)
    held, labels = x[200:], y[200:]
    random = np.random.RandomState(seed)
    shifted = np.clip(x_test + random.normal(scale=0.35, size=x_test.shape), 0, 1).astype("float32")

    def copies(images: np.ndarray) -> np.ndarray:
        noises = np.random.RandomState(seed + 1).normal(scale=0.2, size=(2, *images.shape))
        moved = [images**2, *(np.clip(images + noise, 0, 1) for noise in noises)]
        return np.stack([logits(model, copy.astype("float32")) for copy in moved])

    f, f_shifted = logits(model, held), logits(model, shifted)
    right = f_shifted.argmax(axis=1) == y_test
    plain = TemperatureScaling().fit(f, labels)
    ours = CorrectnessAwareCalibrator(seed=seed).fit(f, copies(held), labels)
    found = {"accuracy": float(right.mean())}
    for name, p in (("calibrator", ours(f_shifted, copies(shifted))), ("temperature", plain(f_shifted))):
        found[name] = expected_calibration_error(p, y_test)
        found[f"{name}, AUROC of right"] = float(roc_auc_score(right, p.max(axis=1)))
    return found
