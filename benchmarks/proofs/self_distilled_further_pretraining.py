"""Accuracy with 100 labels on textured digits of a vision transformer pretrained on plain ones: as it is, after further
MAE, and after further MAE with its own teacher, of equally many epochs in the last round."""

from typing import Any

NAME = "SelfDistilledFurtherPretraining"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "linear, self-distilled", "linear, further MAE"
FIRST, FURTHER, LABELS = 12, 8, 100


def run(seed: int) -> dict[str, float]:
    import keras

    import keras_ssl
    from keras_ssl import evaluation
    from keras_ssl.data import colored_digits

    plain, _ = colored_digits("train", size=16, count=3000)
    x, y = colored_digits("train", size=16, count=3000, textured=True)
    x_test, y_test = colored_digits("test", size=16, textured=True)
    keras.utils.set_random_seed(seed)
    encoder = keras_ssl.encoders.ViT(
        "Ti",
        patch_size=4,
        image_size=16,
        width=64,
        depth=3,
        heads=4,
        position="sincos",
        pooling="mean",
        input_shape=(16, 16, 3),
    )
    options = {
        "mask_ratio": 0.6,
        "decoder_width": 64,
        "decoder_depth": 1,
        "decoder_heads": 4,
        "seed": seed,
        "views": [keras_ssl.views.RandomResizedCrop(scale=(0.5, 1.0))],
    }

    def train(model: Any, images: Any, epochs: int, rate: float) -> None:
        model.compile(keras.optimizers.AdamW(rate, weight_decay=0.05))
        model.fit(images, epochs=epochs, batch_size=128, verbose=0)

    def score(model: Any) -> dict[str, float]:
        few, many, test = (model.predict(images, verbose=0) for images in (x[:LABELS], x, x_test))
        return {
            "linear": evaluation.linear_probe(few, y[:LABELS], test, y_test),
            "kNN": evaluation.knn_accuracy(many, y, test, y_test),
        }

    first = keras_ssl.MAE(encoder, **options)
    train(first, plain, FIRST, 2e-3)
    found, names = {"pretrained": score(first)}, ["further MAE", "self-distilled"]

    def further(model: Any) -> None:
        train(model, x, FURTHER, 1e-3)
        found[names.pop(0)] = score(model)

    keras_ssl.SelfDistilledFurtherPretraining.in_rounds(encoder, further, rounds=1, weight=1.0, **options)
    return {f"{kind}, {name}": figures[kind] for name, figures in found.items() for kind in figures}
