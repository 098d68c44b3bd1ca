"""What proofs on scenes of digits share: a small slot model, and the Rand index of its masks."""

from typing import Any

import numpy as np


def slot_model(name: str, seed: int, **options: Any) -> Any:
    """A slot objective on a small convolutional encoder, for scenes of two digits of 32 pixels."""
    import keras

    import keras_ssl

    keras.utils.set_random_seed(seed)
    encoder = keras_ssl.encoders.ConvNet((16, 32, 32), input_shape=(32, 32, 3))
    sizes = {"slots": 3, "slot_width": 32, "decoder_width": 64}
    return getattr(keras_ssl, name)(encoder, seed=seed, **sizes, **options)


def fitted(model: Any, arrays: dict[str, np.ndarray], epochs: int, rate: float = 2e-3) -> Any:
    """The model after training by Adam over a cosine with warm-up."""
    import keras

    from keras_ssl.schedules import WarmupCosine

    steps = epochs * (len(arrays["x"]) // 64)
    model.compile(keras.optimizers.Adam(WarmupCosine(rate, steps, warmup_steps=steps // 20), clipnorm=1.0))
    model.fit(arrays, batch_size=64, epochs=epochs, verbose=0)
    return model


def rand_indices(found: np.ndarray, masks: np.ndarray) -> tuple[float, float]:
    """The adjusted Rand index of all pixels, and of the digits alone."""
    from keras_ssl import evaluation

    return evaluation.adjusted_rand_index(found, masks), evaluation.adjusted_rand_index(found, masks, background=0)
