"""Accuracy of the nearest patch's kind (background, or the digit that a stroke belongs to), after DINOv2 of 6 epochs on
3,000 digits goes on for 4 epochs: with PaKA, with Gram anchoring, and without either."""

from typing import Any

import numpy as np

NAME = "PaKA, GramAnchoring"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "PaKA", "DINOv2"
IMAGES, FIRST, MORE = 3000, 6, 4
PATCH, LEAST = 4, 0.25  # side of a patch; share of stroke from which it is no background
_PARTS = ("encoder", "projector", "last_layer", "patch_projector", "patch_last_layer", "teacher", "centering")


def run(seed: int) -> dict[str, float]:
    import keras_ssl
    from keras_ssl.data import colored_digits

    x, y = colored_digits("train", count=IMAGES)
    x_test, y_test = colored_digits("test", count=400)

    def model_of(epochs: int, *regularizers: dict[str, Any]) -> tuple[Any, int]:
        settings = ("training.batch_size=128", "optimizer.learning_rate=2e-3")
        recipe = keras_ssl.Recipe.read("dinov2_digits").override(
            f"training.seed={seed}", f"training.epochs={epochs}", *settings
        )
        sections = {**recipe.sections, "objective": {**recipe.sections["objective"], "regularizers": regularizers}}
        recipe = keras_ssl.Recipe({name: table for name, table in sections.items() if name != "data"})
        model = recipe.build_model()
        batch = recipe.sections["training"]["batch_size"]
        model.compile(recipe.build_optimizer(IMAGES // batch, model))
        return model, batch

    first, batch = model_of(FIRST)
    first.fit(x, batch_size=batch, epochs=FIRST, verbose=0)
    found = {"before": _accuracy(first.encoder, first.preprocessing, x[:500], y[:500], x_test, y_test)}
    for name, regularizers in (
        (METHOD, [{"name": "PaKA"}]),
        ("GramAnchoring", [{"name": "GramAnchoring"}]),
        (BASELINE, []),
    ):
        model, batch = model_of(MORE, *regularizers)
        for part in _PARTS:
            getattr(model, part).set_weights(getattr(first, part).get_weights())
        model.mask_token.assign(first.mask_token)
        model.fit(x, batch_size=batch, epochs=MORE, verbose=0)
        found[name] = _accuracy(model.encoder, model.preprocessing, x[:500], y[:500], x_test, y_test)
    return found


def _accuracy(encoder: Any, preprocessing: Any, x: Any, y: Any, x_test: Any, y_test: Any) -> float:
    from keras_ssl import evaluation

    kinds = [_kinds(images, labels) for images, labels in ((x, y), (x_test, y_test))]
    patches = [_patches(encoder, preprocessing, images) for images in (x, x_test)]
    return evaluation.knn_accuracy(patches[0], kinds[0], patches[1], kinds[1])


def _patches(encoder: Any, preprocessing: Any, images: np.ndarray) -> np.ndarray:
    import keras

    tokens = encoder.encode(encoder.tokens(preprocessing(images)))[:, encoder.prefix :]
    return keras.ops.convert_to_numpy(keras.ops.reshape(tokens, (-1, tokens.shape[-1])))


def _kinds(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Of each patch: the digit of its image where a quarter of it is stroke, else 10. The first pixel is background."""
    stroke = np.abs(images.astype("int32") - images[:, :1, :1].astype("int32")).sum(axis=-1) > 48
    side = images.shape[1] // PATCH
    share = stroke.reshape(-1, side, PATCH, side, PATCH).mean(axis=(2, 4)).reshape(len(images), -1)
    return np.where(share >= LEAST, labels[:, None], 10).reshape(-1)
