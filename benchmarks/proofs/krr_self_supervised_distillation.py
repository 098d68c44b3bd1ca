"""Linear accuracy of the outputs of a new network that learned from 20 images of digits to give the features of a
denoising autoencoder: from distilled images and targets, and from random real images with their features."""

from typing import Any

import numpy as np

from benchmarks.proofs._selection import linear, small_digits

NAME = "KRRSelfSupervisedDistillation"
MEASURE = "linear accuracy"  # the higher, the better
METHOD, BASELINE = "distilled", "random images"


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.data import KRRSelfSupervisedDistillation
    from keras_ssl.random import seeded_initializers

    x, y, x_test, y_test = small_digits(seed)
    keras.utils.set_random_seed(seed)
    code = keras.Sequential(
        [keras.layers.Input((64,)), keras.layers.Dense(128, activation="relu"), keras.layers.Dense(16)]
    )
    rest = [keras.layers.Dense(128, activation="relu"), keras.layers.Dense(64)]
    autoencoder = keras.Sequential([keras.layers.Input((64,)), keras.layers.Dropout(0.3), code, *rest])
    autoencoder.compile(keras.optimizers.Adam(2e-3), "mse")
    autoencoder.fit(x, x, batch_size=64, epochs=40, verbose=0)
    features = np.asarray(code.predict(x, verbose=0))
    features = (features - features.mean(axis=0)) / features.std(axis=0)

    def extractor() -> Any:
        return keras.Sequential([keras.layers.Input((64,)), keras.layers.Dense(128, activation="relu")])

    def worth(images: np.ndarray, targets: np.ndarray) -> float:
        with seeded_initializers(1000 + seed):
            model = keras.Sequential([extractor(), keras.layers.Dense(targets.shape[1])])
            model.build((None, 64))
        model.compile(keras.optimizers.Adam(3e-3), "mse")
        model.fit(images, targets, batch_size=len(images), epochs=200, verbose=0)
        return linear(model.predict(x, verbose=0), y, model.predict(x_test, verbose=0), y_test)

    distillation = KRRSelfSupervisedDistillation(
        extractor, pool_size=5, pool_steps=100, pool_rate=0.05, rate=5e-3, batch_size=256, seed=seed
    )
    start = distillation.distill(x, features, count=20, steps=0)
    made = distillation.distill(x, features, count=20, steps=1000)
    return {
        "distilled": worth(*made),
        "random images": worth(*start),
        "first losses": float(np.mean(distillation.history[:20])),
        "last losses": float(np.mean(distillation.history[-20:])),
    }
