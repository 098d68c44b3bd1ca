"""Accuracy on digits: by distances to 15 prototypes that can be decoded, and by a dense layer on the same encoder."""

from typing import Any

NAME = "PrototypeClassifier"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "PrototypeClassifier", "dense layer"


def run(seed: int) -> dict[str, float]:
    import keras
    import numpy as np
    from sklearn.datasets import load_digits

    import keras_ssl
    from keras_ssl.evaluation import extract_features

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32").reshape(-1, 8, 8, 1)

    def encoder() -> Any:
        keras.utils.set_random_seed(seed)
        layers = [keras.layers.Flatten(), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10)]
        return keras.Sequential([keras.layers.Input((8, 8, 1)), *layers])

    views = [keras_ssl.views.Identity()]
    model = keras_ssl.PrototypeClassifier(encoder(), classes=10, views=views, preprocessing=None, seed=seed)
    model.compile(keras.optimizers.Adam(2e-3))
    model.fit(x[:1200], y[:1200], batch_size=64, epochs=40, verbose=0)
    plain = keras.Sequential([encoder(), keras.layers.Dense(10)])
    plain.compile(keras.optimizers.Adam(2e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    plain.fit(x[:1200], y[:1200], batch_size=64, epochs=40, verbose=0)
    accuracies = {
        name: float(np.mean(each.predict(x[1200:], verbose=0).argmax(axis=1) == y[1200:]))
        for name, each in (("PrototypeClassifier", model), ("dense layer", plain))
    }
    pictures = model.decoded_prototypes().reshape(15, -1)
    nearest = ((pictures[:, None] - x[:1200].reshape(1, 1200, 64)) ** 2).sum(axis=-1).min(axis=1).mean()
    features = extract_features(model.encoder, x[1200:])
    return {**accuracies, "prototype to nearest image": float(nearest), "feature spread": float(features.std())}
