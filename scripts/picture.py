"""Draws docs/neighbors.png: the nearest neighbors of test digits, by pixels, untrained and pretrained features."""

import keras
import numpy as np
from absl import app, flags

import keras_ssl
from keras_ssl.messages import say

MODEL = flags.DEFINE_string("model", "barlow_digits", "Name or path of the encoder whose features are compared.")
OUTPUT = flags.DEFINE_string("output", "docs/neighbors.png", "PNG file to write.")
QUERIES = flags.DEFINE_integer("queries", 6, "Rows of the picture.", lower_bound=1)
SCALE = 3  # screen pixels per image pixel
NEIGHBORS = 5
GAP = 8


def unit_rows(features: np.ndarray) -> np.ndarray:
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def neighbors(features: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Indices of the nearest other samples by cosine similarity, `[queries, NEIGHBORS]`."""
    similarity = unit_rows(features[queries]) @ unit_rows(features).T
    similarity[np.arange(len(queries)), queries] = -np.inf
    return np.argsort(-similarity, axis=1)[:, :NEIGHBORS]


def framed(image: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """The image enlarged, in a frame of one color."""
    large = np.kron(image, np.ones((SCALE, SCALE, 1), "uint8"))
    return np.pad(large, ((2, 2), (2, 2), (0, 0)), constant_values=0) + frame(large.shape, color)


def frame(shape: tuple[int, ...], color: tuple[int, int, int]) -> np.ndarray:
    canvas = np.broadcast_to(np.asarray(color, "uint8"), (shape[0] + 4, shape[1] + 4, 3)).copy()
    canvas[2:-2, 2:-2] = 0
    return canvas


def main(_: list[str]) -> None:
    encoder = keras_ssl.load(MODEL.value)
    fresh = keras_ssl.load(MODEL.value)
    keras.utils.set_random_seed(0)
    for layer in fresh.layers:  # the same architecture, untrained
        if isinstance(layer, keras.Model):
            layer.set_weights(type(layer).from_config(layer.get_config()).get_weights())
    x, y = keras_ssl.data.colored_digits("test", seed=0, size=16)
    columns = [
        x.reshape(len(x), -1) / 255.0,
        keras_ssl.evaluation.extract_features(fresh, x),
        keras_ssl.evaluation.extract_features(encoder, x),
    ]
    queries = np.asarray([int(np.flatnonzero(y == digit)[0]) for digit in range(QUERIES.value)])
    found = [neighbors(features, queries) for features in columns]
    rows = []
    for row, query in enumerate(queries):
        tiles = [framed(x[query], (90, 90, 90))]
        for indices in found:
            tiles.append(np.full((tiles[0].shape[0], 3 * GAP, 3), 255, "uint8"))
            for index in indices[row]:
                right = y[index] == y[query]
                tiles.append(framed(x[index], (30, 160, 60) if right else (210, 50, 40)))
        rows += [
            np.concatenate(tiles, axis=1),
            np.full((GAP, sum(t.shape[1] for t in tiles), 3), 255, "uint8"),
        ]
    picture = np.pad(np.concatenate(rows, axis=0), ((GAP, 0), (GAP, GAP), (0, 0)), constant_values=255)
    keras.utils.save_img(OUTPUT.value, picture, scale=False)
    agree = [float(np.mean(y[indices] == y[queries][:, None])) for indices in found]
    say(
        f"same digit among the neighbors shown: pixels {agree[0]:.0%}, untrained {agree[1]:.0%}, "
        f"pretrained {agree[2]:.0%}"
    )


if __name__ == "__main__":
    app.run(main)
