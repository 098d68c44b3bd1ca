"""Linear accuracy on digits in eight bands, of 8 pixels: a vision transformer of channel groups, untrained, by
reconstruction at one scale, and by SatMAE++, which also reconstructs 16 pixels."""

from typing import Any

import numpy as np

from benchmarks.proofs._shared import Timed

NAME = "SatMAE++"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "linear, SatMAE++", "linear, one scale"
BANDS, SIZE, EPOCHS = 8, 16, 20


def banded_digits(split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Digits in eight bands, `[N, 16, 16, 8]` in [0, 1], and their classes.

    A pixel is a mixture of the spectrum of its class and one of three spectra of backgrounds, by how bright the glyph
    is there; the spectra of classes differ little from one another, and each band has noise.
    """
    from keras_ssl.data import colored_digits

    images, labels = colored_digits(split, size=SIZE, count=count)
    rng = np.random.default_rng(0)  # spectra are the same in both splits
    shared, backgrounds = rng.uniform(0.3, 0.7, BANDS), rng.uniform(0.1, 0.9, (3, BANDS))
    spectra = shared + rng.normal(0.0, 0.06, (10, BANDS))
    rng = np.random.default_rng(len(split) + count)
    gray = images.astype("float32").mean(axis=-1)
    low, high = gray.min(axis=(1, 2), keepdims=True), gray.max(axis=(1, 2), keepdims=True)
    share = (gray - low) / np.maximum(high - low, 1.0)
    corner = share[:, :1, :1]
    share = np.where(corner > 0.5, 1.0 - share, share)[..., None]  # the glyph, whether dark or light
    behind = backgrounds[rng.integers(0, 3, len(images))][:, None, None]
    mixed = share * spectra[labels][:, None, None] + (1.0 - share) * behind
    noisy = mixed + rng.normal(0.0, 0.08, mixed.shape)
    return np.clip(noisy, 0.0, 1.0).astype("float32"), labels


def halved(images: np.ndarray) -> np.ndarray:
    count, side, _, bands = images.shape
    return images.reshape(count, side // 2, 2, side // 2, 2, bands).mean(axis=(2, 4))


def run(seed: int) -> dict[str, float]:
    import keras

    import keras_ssl
    from keras_ssl import evaluation

    (x, y), (x_test, y_test) = banded_digits("train", 2000), banded_digits("test", 1000)

    def model(scales: int) -> Any:
        keras.utils.set_random_seed(seed)
        encoder = keras_ssl.encoders.ChannelGroupViT(
            [[0, 1, 2], [3, 4, 5], [6, 7]],
            patch_size=2,
            width=48,
            depth=2,
            heads=4,
            image_size=8,
            pooling="mean",
        )
        made = keras_ssl.SatMAEPlusPlus(
            encoder,
            scales,
            mask_ratio=0.6,
            decoder_width=32,
            decoder_depth=1,
            decoder_heads=4,
            views=[keras_ssl.views.Identity()],
            seed=seed,
        )
        made.compile(keras.optimizers.AdamW(2e-3, weight_decay=0.05))
        return made

    def score(made: Any) -> dict[str, float]:
        given = (made.predict(halved(x), verbose=0), y, made.predict(halved(x_test), verbose=0), y_test)
        return {"linear": evaluation.linear_probe(*given), "kNN": evaluation.knn_accuracy(*given)}

    found = Timed()
    for name, scales, images in (("untrained", 1, None), ("one scale", 1, halved(x)), ("SatMAE++", 2, x)):
        made = model(scales)
        if images is not None:
            made.fit(images, epochs=EPOCHS, batch_size=128, verbose=0)
        found |= {f"{kind}, {name}": value for kind, value in score(made).items()}
    return found
