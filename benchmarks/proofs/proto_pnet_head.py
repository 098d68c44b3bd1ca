"""Consistency of prototypes of colored digits: trained with the alignment of shallow and deep maps, and without."""

from typing import Any

import numpy as np

from benchmarks.proofs._shared import Timed

NAME = "ProtoPNetHead"
MEASURE = "consistency"  # the higher, the better
METHOD, BASELINE = "shallow-deep alignment", "cross-entropy, cluster, separation"


def parts_of(images: np.ndarray) -> np.ndarray:
    """The top, bottom, left and right end of each stroke, in pixels: `[N, 4, 2]`."""
    gray = images.astype("float64").mean(axis=-1)
    border = np.median(np.concatenate([gray[:, 0], gray[:, -1], gray[:, :, 0], gray[:, :, -1]], axis=1), axis=1)
    ink = np.abs(gray - border[:, None, None])
    ink = ink > 0.5 * ink.max(axis=(1, 2), keepdims=True)
    found = []
    for each in ink:
        places = np.argwhere(each) + 0.5
        ends = (places[:, 0].argmin(), places[:, 0].argmax(), places[:, 1].argmin(), places[:, 1].argmax())
        found.append(places[list(ends)])
    return np.stack(found)


def network(weight: float) -> Any:
    """A network whose loss has the alignment with a weight."""
    import keras

    from keras_ssl.layers import ProtoPNetHead
    from keras_ssl.losses import proto_pnet_loss, shallow_deep_loss

    images = keras.Input((16, 16, 3))
    maps = []
    step = images
    for width, strides in ((16, 1), (32, 2), (32, 1), (64, 2)):
        step = keras.layers.Conv2D(width, 3, strides=strides, padding="same", use_bias=False)(step)
        step = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(step))
        maps.append(step)

    class Network(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.trunk, self.head = keras.Model(images, [maps[0], maps[-1]]), ProtoPNetHead(10, 4)

        def call(self, x: Any, training: bool = False) -> Any:
            shallow, deep = self.trunk(x, training=training)
            logits = self.head(deep)
            return {"shallow": shallow, "deep": deep, "activations": self.head.activations(deep), "logits": logits}

        def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **more: Any) -> Any:
            loss = keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, y_pred["logits"], from_logits=True))
            scores = keras.ops.max(y_pred["activations"], axis=(1, 2))
            cluster, separation = proto_pnet_loss(scores, y, 4)
            loss = loss + 0.8 * cluster + 0.08 * separation
            if weight:
                found = (y_pred["shallow"], y_pred["deep"], y_pred["activations"])
                loss = loss + weight * shallow_deep_loss(*found, y, 4)
            return loss

    return Network()


def run(seed: int) -> dict[str, float]:
    import keras

    from benchmarks.proofs._shared import digits
    from keras_ssl.evaluation import prototype_consistency, prototype_locations, prototype_stability, stability_noise

    x, y, x_test, y_test = digits()
    x, y, x_test, y_test = x / 255, y, x_test[:400] / 255, y_test[:400]
    x, x_test = x.astype("float32"), x_test.astype("float32")
    found = Timed()
    for name, weight in (("shallow-deep alignment", 0.5), ("cross-entropy, cluster, separation", 0.0)):
        keras.utils.set_random_seed(seed)
        model = network(weight)
        model.compile(keras.optimizers.Adam(2e-3))
        model.fit(x, y, batch_size=64, epochs=20, verbose=0)

        def places(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            outputs = model.predict(part, batch_size=200, verbose=0)  # noqa: B023
            return prototype_locations(outputs["activations"], 16), outputs["logits"]

        clean, logits = places(x_test)
        noisy, _ = places(stability_noise(x_test, std=0.05, limit=0.1, seed=seed))
        parts, owners = parts_of((255 * x_test).astype("uint8")), np.repeat(np.arange(10), 4)
        box = 16 * 72 / 224
        found[name] = prototype_consistency(clean, parts, y_test, owners, box=box)
        found[f"stability, {name}"] = prototype_stability(clean, noisy, parts, y_test, owners, box=box)
        found[f"accuracy, {name}"] = float(np.mean(logits.argmax(axis=1) == y_test))
    return found
