"""Accuracy on test digits after training on 150 of them: heated by learned masks and tuned, and plain for as long."""

from typing import Any

from benchmarks.proofs._calibrated import accuracy, small_digits

NAME = "PolicyGradientNoiseMask"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "heated, then tuned", "plain"


def run(seed: int) -> dict[str, float]:
    import keras

    import keras_ssl

    x, y, x_test, y_test = small_digits(seed, 150)
    as_it_is = keras_ssl.views.MultiView([keras_ssl.views.RandomFlip(0.0)])

    def trained(encoder: Any, amplitude: float, epochs: int, classifier: Any = None) -> Any:
        model = keras_ssl.PolicyGradientNoiseMask(
            encoder, classes=10, amplitude=amplitude, sigma=0.5, views=as_it_is, preprocessing=None, seed=seed
        )
        if classifier is not None:
            model.classifier.set_weights(classifier.get_weights())
        model.compile(keras.optimizers.Adam(2e-3))
        model.fit(x, y, batch_size=50, epochs=epochs, verbose=0)
        return model

    def encoder() -> Any:
        keras.utils.set_random_seed(seed)
        layers = [keras.layers.Input((8, 8, 1))]
        layers += [keras.layers.Conv2D(width, 3, padding="same", activation="relu") for width in (16, 32)]
        return keras.Sequential([*layers, keras.layers.MaxPooling2D(), keras.layers.Flatten()])

    heated = trained(encoder(), 1.0, 60)
    found = {"heated": accuracy(heated, x_test, y_test)}
    tuned = trained(heated.encoder, 0.0, 20, heated.classifier)
    found["heated, then tuned"] = accuracy(tuned, x_test, y_test)
    found["plain"] = accuracy(trained(encoder(), 0.0, 80), x_test, y_test)
    return found
