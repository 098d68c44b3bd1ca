"""kNN accuracy of the first eighth of an encoder's 128 features, after 30 epochs of DINO on 3,000 digits: with nested
heads on all, a half, a quarter and an eighth of them, and with one head."""

from typing import Any

from benchmarks.proofs._shared import Timed

NAME = "NestedMLPHead"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "nested heads, 16 features", "one head, 16 features"
IMAGES, EPOCHS = 3000, 30


def run(seed: int) -> dict[str, float]:
    import keras_ssl
    from keras_ssl import evaluation
    from keras_ssl.data import colored_digits

    x, y = colored_digits("train", count=IMAGES)
    x_test, y_test = colored_digits("test", count=1000)
    found = Timed()
    for name, nested in (("nested heads", [1.0, 0.5, 0.25, 0.125]), ("one head", [1.0])):
        recipe = keras_ssl.Recipe.read("dino_digits").override(
            f"training.seed={seed}", f"training.epochs={EPOCHS}", f"objective.nested={nested}"
        )
        model: Any = recipe.build_model()
        batch = recipe.sections["training"]["batch_size"]
        model.compile(recipe.build_optimizer(IMAGES // batch, model))
        model.fit(x, batch_size=batch, epochs=EPOCHS, verbose=0)
        features, of_test = (evaluation.extract_features(model, images) for images in (x, x_test))
        for width in (16, 128):
            accuracy = evaluation.knn_accuracy(features[:, :width], y, of_test[:, :width], y_test)
            found[f"{name}, {width} features"] = accuracy
    return found
