"""Accuracy on test digits that stay right under three attacks of radius 0.1: trained with margins held, and plainly."""

from typing import Any

import numpy as np

from benchmarks.proofs._calibrated import accuracy, logits, network, small_digits
from benchmarks.proofs._shared import Timed

NAME = "smooth_adversarial_comp_sum_loss"
MEASURE = "accuracy under attack"  # the higher, the better
METHOD, BASELINE = "nu 0.3", "nu 0"


def run(seed: int) -> dict[str, float]:
    from keras_ssl.attacks import MarginAttack

    x, y, x_test, y_test = small_digits(seed, 1000)
    found = Timed()
    for name, nu in (("nu 0.3", 0.3), ("nu 0", 0.0)):
        model = trained(seed, x, y, nu)
        right = logits(model, x_test).argmax(axis=1) == y_test
        strong = MarginAttack(model, 0.1, steps=20, seed=1)
        for _ in range(3):
            right &= logits(model, strong(x_test, y_test)).argmax(axis=1) == y_test
        found[name] = float(right.mean())
        found[f"{name}, clean"] = accuracy(model, x_test, y_test)
    return found


def trained(seed: int, x: np.ndarray, y: np.ndarray, nu: float) -> Any:
    """A network after 15 epochs, attacked at every step."""
    import keras

    from keras_ssl.attacks import MarginAttack
    from keras_ssl.losses import smooth_adversarial_comp_sum_loss
    from keras_ssl.training.functional import value_and_gradients

    model, optimizer, random = network(seed), keras.optimizers.Adam(1e-3), np.random.RandomState(seed)
    attack = MarginAttack(model, 0.1, steps=5)

    def step(clean: np.ndarray, labels: np.ndarray) -> None:
        moved = attack(clean, labels)
        _, gradients = value_and_gradients(
            lambda: keras.ops.mean(smooth_adversarial_comp_sum_loss(model(clean), model(moved), labels, nu=nu)), model
        )
        optimizer.apply(gradients, model.trainable_variables)

    for _ in range(15):
        order = random.permutation(len(x))
        for first in range(0, len(x), 100):
            step(x[order[first : first + 100]], y[order[first : first + 100]])
    return model
