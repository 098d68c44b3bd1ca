"""The attentive probe: a classifier that chooses among frozen tokens."""

import keras
import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.data.from_arrays import from_arrays
from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.evaluation.linear_probe import standardization
from keras_ssl.evaluation.validation import as_feature_maps, labeled_only
from keras_ssl.layers.attention_pooling import AttentionPooling
from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import seeded_initializers
from keras_ssl.schedules.warmup_cosine import WarmupCosine
from keras_ssl.typing import Tensor

__all__ = ["attentive_probe"]


def attentive_probe(
    train_tokens: Tensor,
    train_labels: Tensor,
    tokens: Tensor,
    labels: Tensor,
    heads: int = 1,
    epochs: int = 20,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-4,
    batch_size: int = 128,
    seed: int = 0,
) -> float:
    """Accuracy of a classifier on frozen patch tokens: attention pooling, then a linear layer.

    Each dimension of the tokens is brought to mean 0 and standard deviation 1 on the training set. `AttentionPooling`
    pools them, a layer normalization and a linear layer give the logits, and AdamW minimizes the cross-entropy over a
    cosine. Where the class sits in a few places, this finds it and a probe of the mean does not. The order of tokens
    makes no difference. Weights and the order of samples follow from the seed.

    Args:
        train_tokens: `[N, T, D]`, or as `patch_features` gives them, `[N, rows, columns, D]`.
        train_labels: integers or strings `[N]`. Samples of -1 (unlabeled) are left out, here and of the test part.
        tokens: `[M, T, D]` or `[M, rows, columns, D]`.
        labels: `[M]`. A class that the training set lacks counts as an error.
        heads: of the attention. Defaults to 1.
        epochs: Defaults to 20.
        learning_rate: of AdamW at its highest. Defaults to 1e-3.
        weight_decay: Defaults to 1e-4.
        batch_size: samples in a batch; all of them where there are fewer. Defaults to 128.
        seed: Defaults to 0.

    Returns:
        The top-1 accuracy, 0 to 1.

    Raises:
        ValueError: if shapes do not fit, a token is not finite, an argument is out of range, or training diverges.

    Example:

    >>> tokens = np.random.default_rng(0).normal(size=(60, 4, 6))
    >>> labels = np.arange(60) % 2
    >>> tokens[np.arange(60), np.arange(60) % 4, 0] += 8 * (2 * labels - 1)  # in one token, a different one each time
    >>> attentive_probe(tokens, labels, tokens, labels, epochs=60, learning_rate=0.02) > 0.9
    True

    Reference:
        Bardes et al., "Revisiting Feature Prediction for Learning Visual Representations from Video", 2024,
        https://arxiv.org/abs/2404.08471.
    """
    train, classes = labeled_only("train_tokens", as_tokens("train_tokens", train_tokens), "train_labels", train_labels)
    test, truth = labeled_only("tokens", as_tokens("tokens", tokens), "labels", labels)
    if train.shape[1:] != test.shape[1:]:
        raise ValueError(
            "`train_tokens` and `tokens` must have the same tokens. Received: "
            f"train_tokens.shape={train.shape}, tokens.shape={test.shape}"
        )
    epochs, seed = check_integer("epochs", epochs, 1), check_integer("seed", seed, 0)
    batch_size = min(check_integer("batch_size", batch_size, 1), len(train))
    learning_rate = check_number("learning_rate", learning_rate, 0.0, above=True)
    weight_decay = check_number("weight_decay", weight_decay, 0.0)
    mean, scale = standardization(train.reshape(-1, train.shape[-1]))
    train, test = (((x - mean) * scale).astype(np.float32) for x in (train, test))
    names, numbers = np.unique(classes, return_inverse=True)
    steps = len(train) // batch_size
    with seeded_initializers(seed):
        model = keras.Sequential(
            [
                keras.layers.Input(train.shape[1:]),
                AttentionPooling(heads, dtype="float32"),
                keras.layers.LayerNormalization(epsilon=1e-6, dtype="float32"),
                keras.layers.Dense(len(names), dtype="float32"),
            ]
        )
    model.compile(
        keras.optimizers.AdamW(WarmupCosine(learning_rate, epochs * steps), weight_decay=weight_decay),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=keras.backend.backend() == "jax",
    )
    batches = from_arrays(train, numbers, batch_size=batch_size, seed=seed)
    for _ in range(epochs):
        for number in range(steps):
            model.train_on_batch(batches[number]["x"], batches[number]["y"])
        batches.on_epoch_end()
    logits = extract_features(model, test, max(batch_size, 256))
    if not np.isfinite(logits).all():
        raise ValueError(f"Training diverged: `learning_rate` is too high. Received: learning_rate={learning_rate}")
    return float(np.mean(names[logits.argmax(axis=1)] == truth))


def as_tokens(name: str, tokens: Tensor) -> np.ndarray:
    """Tokens `[N, T, D]`, of tokens or of maps `[N, rows, columns, D]`.

    Raises:
        ValueError: if they are something else, or not finite.
    """
    array = np.asarray(tokens)
    if array.ndim not in (3, 4):
        raise ValueError(f"`{name}` must be [N, T, D] or [N, rows, columns, D]. Received: {name}.shape={array.shape}")
    maps = as_feature_maps(name, array if array.ndim == 4 else array[:, np.newaxis])
    return maps.reshape(len(maps), -1, maps.shape[-1])
