"""Linear accuracy of an encoder of digits trained by contrast, on its features: with the fixed head, and without."""

from typing import Any

from benchmarks.proofs._shared import Timed

NAME = "FixedReweightingHead"
MEASURE = "linear accuracy"  # the higher, the better
METHOD, BASELINE = "FixedReweightingHead", "no head"


def run(seed: int) -> dict[str, float]:
    import keras
    import numpy as np
    from sklearn.datasets import load_digits

    from keras_ssl.evaluation import linear_probe, singular_value_spread
    from keras_ssl.layers import FixedReweightingHead
    from keras_ssl.losses import nt_xent_loss

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    found = Timed()
    for name, kappa in (("FixedReweightingHead", 1.1), ("no head", 1.0)):
        keras.utils.set_random_seed(seed)
        layers: list[Any] = [keras.layers.Dense(64, activation="relu"), keras.layers.Dense(32, activation="relu")]
        encoder = keras.Sequential([keras.layers.Input((64,)), *layers])
        model = keras.Sequential([keras.layers.Input((64,)), encoder, FixedReweightingHead(kappa)])

        def contrast(_: Any, z: Any) -> Any:
            first, second = keras.ops.split(z, 2, axis=0)
            return nt_xent_loss(first, second, 0.2)

        model.compile(keras.optimizers.Adam(1e-3), contrast)
        rng = np.random.default_rng(seed)
        for _ in range(600):
            chosen = x[rng.integers(0, 1200, 64)]
            views = [chosen * (rng.random(chosen.shape) > 0.4) for _ in range(2)]
            both = np.concatenate(views).astype("float32")
            model.train_on_batch(both, np.zeros(128))
        train, test = (encoder.predict(part, verbose=0) for part in (x[:1200], x[1200:]))
        found[name] = linear_probe(train, y[:1200], test, y[1200:])
        values = np.linalg.svd(test - test.mean(axis=0), compute_uv=False)
        found[f"singular values 1 to 8, {name}"] = float(values[0] / values[7])
        found[f"spread, {name}"] = min(singular_value_spread(test), 1e6)
    return found
