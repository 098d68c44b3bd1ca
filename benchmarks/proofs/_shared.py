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
