"""Loss on test images after 1200 batches: rates found by AutoLRS on the fly, and the best of five constant rates, each
tried for 120 batches before the best is trained for the other 600."""

import numpy as np

from benchmarks.proofs._digit_domains import Restart, classifier, digits

NAME = "AutoLRS"
MEASURE = "loss on test images"
METHOD, BASELINE = "AutoLRS", "grid of constant rates"
LOWER_IS_BETTER = True


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.callbacks import AutoLRS

    x, y, x_test, y_test = digits(seed)
    x, y, x_valid, y_valid = x[:1000], y[:1000], x[1000:], y[1000:]
    model = classifier(seed)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
    restart = Restart(model)
    cross_entropy = _cross_entropy

    def valid(model: keras.Model) -> float:
        return cross_entropy(model.get_weights(), x_valid, y_valid)

    def fitted(batches: int, *callbacks: keras.callbacks.Callback) -> float:
        epochs = -(-batches // 20)
        model.fit(x, y, batch_size=50, epochs=epochs, verbose=0, callbacks=list(callbacks))
        return valid(model)

    def tested() -> float:
        return cross_entropy(model.get_weights(), x_test, y_test)

    keras.utils.set_random_seed(seed)
    search = AutoLRS(1e-3, 3.0, stage_steps=200, trial_steps=20, candidates=10, validation=valid)
    fitted(1200, search)
    found = {"AutoLRS": tested()}
    tried: dict[float, float] = {}
    for rate in np.geomspace(1e-3, 3.0, 5):
        restart()
        model.optimizer.learning_rate = float(rate)
        value = fitted(120)
        tried[float(rate)] = value if np.isfinite(value) else np.inf
    restart()
    model.optimizer.learning_rate = min(tried, key=lambda rate: tried[rate])
    fitted(600)
    found["grid of constant rates"] = tested()
    restart()
    model.optimizer.learning_rate = float(np.sqrt(3e-3))
    fitted(1200)
    found["constant, middle of the range"] = tested()
    return found


def _cross_entropy(weights: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> float:
    logits = np.maximum(x @ weights[0] + weights[1], 0.0) @ weights[2] + weights[3]
    logits = logits - logits.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(y)), y]))
