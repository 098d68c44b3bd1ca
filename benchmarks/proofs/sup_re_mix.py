"""Mean absolute error of a ridge on features of the diabetes table: SupReMix, and the contrast without mixtures."""

from benchmarks.proofs._metric import fit, perceptron, retrieved, shuffled_split
from benchmarks.proofs._shared import Timed

NAME = "SupReMix"
MEASURE = "mean absolute error"
METHOD, BASELINE = "SupReMix", "without mixtures and weights"
LOWER_IS_BETTER = True


def run(seed: int) -> dict[str, float]:
    import keras
    import numpy as np
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Ridge

    import keras_ssl

    x, y = load_diabetes(return_X_y=True)
    x, y = (x / x.std(axis=0)).astype("float32"), y.astype("float32")
    train, test = shuffled_split(seed, 320, len(x))
    # Labels in bins of 20, so that some samples share one.
    binned = np.round(y / 20).astype("float32")
    found = Timed()
    off = {"negative_mixes": False, "positive_mixes": False, "weighted": False}
    for name, options in ((METHOD, {}), (BASELINE, off)):
        keras.utils.set_random_seed(seed)
        encoder = perceptron(10, 32, noise=0.1)
        model = keras_ssl.SupReMix(encoder, projector=(16,), temperature=0.2, batch_norm=False, seed=seed, **options)
        fit(model, {"x": (x[train], x[train]), "y": binned[train]}, 30, 32)
        z, z_test = (model.predict(x[part], verbose=0) for part in (train, test))
        scale = z.std(axis=0) + 1e-6
        probe = Ridge(1.0).fit(z / scale, y[train])
        found[name] = float(np.abs(probe.predict(z_test / scale) - y[test]).mean())
        bins = binned.astype("int32")
        found |= retrieved(name, z_test, bins[test], (z, bins[train]))
    found["ridge on the table"] = float(np.abs(Ridge(1.0).fit(x[train], y[train]).predict(x[test]) - y[test]).mean())
    return found
