"""Sensitivity to the learning rate of a small transformer on digits: with QK norm and z-loss, and without."""

from benchmarks.proofs._shared import Timed
from benchmarks.proofs._small_digits import cross_entropy, small_digits

NAME = "QK norm and z-loss"
MEASURE = "sensitivity"
METHOD, BASELINE = "QK norm and z-loss", "plain"
LOWER_IS_BETTER = True
RATES, EPOCHS, BATCHES = (1e-3, 1e-2, 1e-1), 8, 10


def run(seed: int) -> dict[str, float]:
    import keras
    import numpy as np

    from keras_ssl.evaluation import learning_rate_sensitivity
    from keras_ssl.layers.transformer_block import TransformerBlock
    from keras_ssl.losses import ZLoss
    from keras_ssl.schedules import WarmupCosine

    x, y, *_ = small_digits(seed)
    x = x.reshape(-1, 8, 8)
    plain, found = cross_entropy(), Timed()
    for name, on in ((METHOD, True), (BASELINE, False)):
        losses = []
        for rate in RATES:
            keras.utils.set_random_seed(seed)
            tokens = keras.Input((8, 8))
            z = keras.layers.Dense(32)(keras.layers.Concatenate()([tokens, positions(tokens)]))
            for _ in range(2):
                z = TransformerBlock(2, 2.0, qk_norm=on)(z)
            z = keras.layers.LayerNormalization()(z)
            model = keras.Model(tokens, keras.layers.Dense(10)(keras.layers.GlobalAveragePooling1D()(z)))
            steps = EPOCHS * BATCHES
            schedule = WarmupCosine(rate, steps, steps // 5)  # as in the paper, with the same decay to nearly 0
            model.compile(keras.optimizers.Adam(schedule), ZLoss(weight=1e-4) if on else plain)
            model.fit(x, y, batch_size=100, epochs=EPOCHS, verbose=0)
            losses.append(float(plain(y, np.nan_to_num(model.predict(x, batch_size=1000, verbose=0), nan=1e9))))
        found[name] = learning_rate_sensitivity(losses, float(np.log(10)))
        found[f"{name}, best loss"] = min(losses)
    return found


def positions(tokens):  # type: ignore[no-untyped-def]
    """One-hot places of the rows."""
    import keras

    place = keras.layers.Lambda(lambda t: keras.ops.zeros_like(t) + keras.ops.eye(8)[None], output_shape=(8, 8))
    return place(tokens)
