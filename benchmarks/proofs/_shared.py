"""What proofs share: the digits, training by a recipe, features and their worth."""

from collections.abc import Callable
from typing import Any

import numpy as np


def digits() -> tuple[np.ndarray, ...]:
    from keras_ssl.data import colored_digits

    return *colored_digits("train", size=16), *colored_digits("test", size=16)


def scores(encode: Callable[[np.ndarray], np.ndarray]) -> dict[str, float]:
    """kNN and linear accuracy of features of the digits."""
    from keras_ssl import evaluation

    x, y, x_test, y_test = digits()
    arguments = (encode(x), y, encode(x_test), y_test)
    return {"kNN": evaluation.knn_accuracy(*arguments), "linear": evaluation.linear_probe(*arguments)}


def trained(recipe_name: str, *settings: str) -> Any:
    """A model trained by a recipe."""
    import keras_ssl

    recipe = keras_ssl.Recipe.read(recipe_name).override(*settings)
    batches, _ = recipe.build_data()
    model = recipe.build_model()
    model.compile(recipe.build_optimizer(len(batches), model))
    model.fit(batches, epochs=recipe.sections["training"]["epochs"], verbose=0)
    return model


def features(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    from keras_ssl import evaluation

    return lambda images: evaluation.extract_features(model, images)


def labels_first(model: Any, data: Any, epochs: int, weight: float, rate: float = 3e-3) -> Any:
    """A model trained by its labels for half of the epochs, then by unlabeled samples of a weight as well.

    A teacher that has learned nothing yet gives one answer for all samples of a foreign domain, which its student takes
    over: self-training starts from a model of the source.
    """
    import keras

    import keras_ssl

    for share in (0.0, weight):
        model.unlabeled_weight = share
        steps = (epochs // 2) * len(data)
        model.compile(keras.optimizers.Adam(keras_ssl.schedules.WarmupCosine(rate, steps, steps // 20)))
        model.fit(data, epochs=epochs // 2, verbose=0)
    return model
