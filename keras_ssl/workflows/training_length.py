"""Batch size, number of epochs and learning rate that suit a number of images."""

import math

import keras

from keras_ssl.encoders.token_encoder import TokenEncoder
from keras_ssl.schedules import WarmupCosine

_LARGEST_BATCH = {True: 128, False: 256}  # on a CPU, on an accelerator
_UPDATES = {True: 3000, False: 20000}
_MOST_EPOCHS = 200
_EPOCHS_OF_UNKNOWN = 100

RATES = {"Adam": 2e-3, "AdamW": 1e-3}
"""Peaks of the learning rate for 128 images: of convolutional networks, and of transformers."""
WEIGHT_DECAY = 0.05
"""Of AdamW, for transformers."""


def largest_batch(cpu: bool) -> int:
    """The largest batch that is chosen."""
    return _LARGEST_BATCH[cpu]


def chosen_batch_size(images: int | None, cpu: bool) -> int:
    """At most 128 images on a CPU and 256 else, and four batches in an epoch where there are images enough."""
    most = _LARGEST_BATCH[cpu]
    return most if images is None else min(most, 2 ** int(math.log2(max(images // 4, 8))))


def batches_of(images: int | None, batch_size: int) -> int | None:
    """Batches in an epoch; None where the number of images is unknown."""
    return None if images is None else max(images // batch_size, 1)


def chosen_epochs(images: int | None, batch_size: int, cpu: bool) -> int:
    """Epochs of about 3,000 updates on a CPU, 20,000 on an accelerator, at most 200 of them."""
    batches = batches_of(images, batch_size)
    return _EPOCHS_OF_UNKNOWN if batches is None else min(max(round(_UPDATES[cpu] / batches), 2), _MOST_EPOCHS)


def scaled_rate(base: float, batch_size: int) -> float:
    """The rate for a batch, of `base` for 128 images, by the square root of the batch, in two digits."""
    return float(f"{base * math.sqrt(batch_size / 128):.2g}")


def chosen_warmup(epochs: int) -> int:
    """Epochs in which the rate rises: a tenth of all, from 1 to 5."""
    return min(5, max(1, epochs // 10))


def chosen_optimizer(
    encoder: keras.Model, batch_size: int, epochs: int, batches: int | None
) -> keras.optimizers.Optimizer:
    """Adam, or AdamW around a transformer, with a warm-up and a cosine where the number of updates is known."""
    name = "AdamW" if isinstance(encoder, TokenEncoder) else "Adam"
    rate = scaled_rate(RATES[name], batch_size)
    schedule = rate
    if batches is not None and epochs > 1:
        schedule = WarmupCosine(rate, epochs * batches, chosen_warmup(epochs) * batches)
    options = {"weight_decay": WEIGHT_DECAY} if name == "AdamW" else {}
    return getattr(keras.optimizers, name)(schedule, **options)
