"""How far the loss on test digits rises on the line between two networks of two seeds, before and after the hidden
units of the second were put into the order of the first."""

from typing import Any

import numpy as np

from benchmarks.proofs._shared import Timed

NAME = "weight_matching"
MEASURE = "loss barrier"
LOWER_IS_BETTER = True
METHOD, BASELINE = "matched", "as they are"
WIDTHS, EPOCHS, POINTS = (512, 512), 10, 11


def run(seed: int) -> dict[str, float]:
    import keras
    from sklearn.datasets import load_digits

    from keras_ssl.merging import loss_barrier, permute_weights, weight_matching
    from keras_ssl.weights import assign_weights, combine_weights, read_weights

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    order = np.random.default_rng(seed).permutation(len(x))
    train, test = order[:1200], order[1200:]

    def network() -> Any:
        hidden = [keras.layers.Dense(width, "relu") for width in WIDTHS]
        return keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(10)])

    def trained(number: int) -> dict[str, np.ndarray]:
        keras.utils.set_random_seed(number)
        model = network()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(1e-3), loss)
        model.fit(x[train], y[train], batch_size=64, epochs=EPOCHS, verbose=0)
        return read_weights(model)

    first, second = trained(2 * seed), trained(2 * seed + 1)
    model = network()

    def scores(weights: dict[str, np.ndarray]) -> np.ndarray:
        assign_weights(model, weights)
        return np.asarray(keras.ops.convert_to_numpy(model(x[test])), "float64")

    def loss(weights: dict[str, np.ndarray]) -> float:
        found = scores(weights)
        found -= found.max(axis=1, keepdims=True)
        chosen = found[np.arange(len(test)), y[test]]
        return float(np.mean(np.log(np.exp(found).sum(axis=1)) - chosen))

    def accuracy(weights: dict[str, np.ndarray]) -> float:
        return float(np.mean(scores(weights).argmax(axis=1) == y[test]))

    found = Timed()
    matched = permute_weights(model, second, weight_matching(model, first, second, seed=seed))
    found[METHOD] = loss_barrier(loss, first, matched, POINTS).value
    found[BASELINE] = loss_barrier(loss, first, second, POINTS).value
    found["accuracy of the matched mean"] = accuracy(combine_weights([first, matched]))
    found["accuracy of the mean as is"] = accuracy(combine_weights([first, second]))
    found["accuracy of one network"] = accuracy(first)
    return found
