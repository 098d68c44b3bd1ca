"""Mean intersection over union of the digits' classes, and the error of a map of colors, by one small network for both
tasks: a decoder of three experts with gates and memory, and the same with one expert for all."""

from typing import Any

import numpy as np

from benchmarks.proofs._shared import Timed

NAME = "TaskExpertDecoder"
MEASURE = "mIoU"  # the higher, the better
METHOD, BASELINE = "mIoU, 3 experts", "mIoU, 1 expert"


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl import evaluation
    from keras_ssl.data import digit_scenes
    from keras_ssl.layers import TaskExpertDecoder

    (x, masks), (x_test, masks_test) = (
        digit_scenes(split, seed=seed, count=count, masks="classes")
        for split, count in (("train", 2000), ("test", 400))
    )

    def cells(images: np.ndarray) -> np.ndarray:
        """The mean color of squares of four pixels."""
        return (images.reshape(len(images), 8, 4, 8, 4, 3).mean(axis=(2, 4)) / 255).astype("float32")

    labels, truth = (evaluation.patch_labels(pixels, (8, 8)) for pixels in (masks, masks_test))
    # Colors of the image turned left to right: what the second task needs lies elsewhere than in the first.
    colors, colors_test = cells(x)[:, :, ::-1], cells(x_test)[:, :, ::-1]
    found = Timed()
    for experts, name in ((1, "1 expert"), (3, "3 experts")):
        keras.utils.set_random_seed(seed)
        layers = keras.layers
        h: Any = layers.Rescaling(1 / 255)(inputs := keras.Input((32, 32, 3)))
        maps = []
        for width, stride in ((16, 2), (32, 2), (32, 1)):
            h = layers.Conv2D(width, 3, strides=stride, padding="same", activation="relu")(h)
            if h.shape[1] == 8:
                maps.append(h)
        first, second = TaskExpertDecoder(2, experts, width=32, memory=experts > 1)(maps)
        outputs = {"classes": layers.Dense(11, name="classes")(first), "colors": layers.Dense(3, name="colors")(second)}
        model = keras.Model(inputs, outputs)
        losses = {"classes": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "colors": "mse"}
        model.compile(keras.optimizers.Adam(2e-3), losses, loss_weights={"classes": 1.0, "colors": 10.0})
        model.fit(x.astype("float32"), {"classes": labels, "colors": colors}, batch_size=64, epochs=30, verbose=0)
        made = model.predict(x_test.astype("float32"), verbose=0)
        found[f"mIoU, {name}"] = evaluation.mean_iou(made["classes"].argmax(axis=-1), truth)
        found[f"color error, {name}"] = float(np.sqrt(np.square(made["colors"] - colors_test).mean()))
    return found
