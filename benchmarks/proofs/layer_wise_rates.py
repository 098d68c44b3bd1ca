"""kNN accuracy on textured digits, of which 500 are at hand: `barlow_digits` trained further with smaller rates for its
earlier blocks, with one rate for all, as it is, and the same network trained from nothing."""

from typing import Any

from benchmarks.proofs._shared import Timed

NAME = "LayerWiseRates"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "layer decay 0.5", "one rate"
IMAGES, EPOCHS, RATE = 500, 30, 2e-3


def run(seed: int) -> dict[str, float]:
    import keras

    import keras_ssl
    from keras_ssl import evaluation
    from keras_ssl.data import colored_digits
    from keras_ssl.optimizers import LayerWiseRates
    from keras_ssl.training import encoder_rates

    x, _ = colored_digits("train", seed=seed + 1, count=IMAGES, textured=True)
    bank, y = colored_digits("train", seed=seed + 1, count=2000, textured=True)
    x_test, y_test = colored_digits("test", seed=seed + 1, count=1000, textured=True)

    def accuracy(model: Any) -> float:
        features = (evaluation.extract_features(model, images) for images in (bank, x_test))
        bank_features, test_features = features
        return evaluation.knn_accuracy(bank_features, y, test_features, y_test)

    def trained(decay: float, new: bool = False) -> float:
        keras.utils.set_random_seed(seed)
        options: dict[str, Any] = {
            "projector": (256, 256),
            "redundancy_weight": 0.02,
            "views": keras_ssl.Recipe.read("barlow_twins_digits").build("views"),
            "seed": seed,
        }
        if new:
            model = keras_ssl.BarlowTwins(keras_ssl.encoders.ConvNet(), **options)
        else:
            model = keras_ssl.BarlowTwins.from_entry("barlow_digits", **options)
        rates = encoder_rates(model.encoder, decay)
        model.compile(LayerWiseRates(keras.optimizers.AdamW(RATE, weight_decay=1e-4), rates))
        model.fit(x, batch_size=64, epochs=EPOCHS, verbose=0)
        return accuracy(model)

    found = Timed()
    found[METHOD] = trained(0.5)
    found[BASELINE] = trained(1.0)
    found["as it is"] = accuracy(keras_ssl.load("barlow_digits"))
    found["from nothing"] = trained(1.0, new=True)
    return found
