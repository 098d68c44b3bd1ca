"""kNN accuracy on shifted digits: triplets of tracks (one digit, shifted) and of pairs that follow from look-alikes."""

import numpy as np

from benchmarks.proofs._metric import fit, perceptron, retrieved, shuffled_split, small_digits
from benchmarks.proofs._shared import Timed

NAME = "TransitiveInvariance"
MEASURE = "kNN accuracy on shifted digits"  # the higher, the better
METHOD, BASELINE = "transitive pairs", "tracks alone"


def run(seed: int) -> dict[str, float]:
    import keras

    import keras_ssl
    from keras_ssl.data import nearest_edges, transitive_pairs

    x, y = small_digits()
    train, test = shuffled_split(seed, 400, len(x))
    moves = ((0, 0), (1, 0), (0, 1), (-1, -1))

    def moved(part):
        images = np.pad(x[part].reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
        return np.stack([np.roll(images, move, axis=(1, 2)).reshape(len(part), -1) for move in moves], axis=1)

    tracks = moved(train)
    count, frames = tracks.shape[:2]
    flat, start = tracks.reshape(count * frames, -1), np.arange(count) * frames
    within = [(s + a, s + b) for s in start for a in range(frames) for b in range(a)]
    between = nearest_edges(tracks[:, 0], np.arange(count)) * frames  # of first frames
    graph = transitive_pairs(between, np.asarray(within), len(flat))
    rng = np.random.default_rng(seed)
    x_test, y_test = moved(test).reshape(-1, flat.shape[1]), np.repeat(y[test], frames)
    y_flat = np.repeat(y[train], frames)
    found = Timed()
    found["pixels"] = keras_ssl.evaluation.knn_accuracy(flat, y_flat, x_test, y_test)
    for name, pairs in ((METHOD, graph.all), (BASELINE, graph.intra)):
        keras.utils.set_random_seed(seed)
        first, second = pairs[rng.choice(len(pairs), 2048)].T
        group = (graph.components if name == METHOD else np.arange(len(flat)) // frames)[first].astype("int32")
        model = keras_ssl.TransitiveInvariance(
            perceptron(100, 64, noise=0.1), projector=(32,), batch_norm=False, seed=seed
        )
        fit(model, {"x": (flat[first], flat[second]), "group": group}, 20)
        z, z_test = (model.predict(part, verbose=0) for part in (flat, x_test))
        found[name] = keras_ssl.evaluation.knn_accuracy(z, y_flat, z_test, y_test)
        found |= retrieved(name, z_test, y_test, (z, y_flat))
    return found
