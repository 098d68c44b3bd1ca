"""Linear accuracy on ten digits after training on five merged classes (0 and 1, 2 and 3, ...): LOOK, and SupCon."""

from benchmarks.proofs._metric import fit, perceptron, retrieved, shuffled_split, small_digits
from benchmarks.proofs._shared import Timed

NAME = "LOOK"
MEASURE = "linear accuracy on the ten digits"  # the higher, the better
METHOD, BASELINE = "LOOK", "SupCon"


def run(seed: int) -> dict[str, float]:
    import keras

    import keras_ssl

    x, y = small_digits()
    train, test = shuffled_split(seed, 1024, len(x))
    found = Timed()
    look = {"neighbors": 32, "queue_size": 1024, "momentum": 0.95, "temperature": 0.1}
    for name, options in ((METHOD, look), (BASELINE, {"temperature": 0.1})):
        keras.utils.set_random_seed(seed)
        encoder = perceptron(64, 64, noise=0.1)
        model = getattr(keras_ssl, name)(encoder, projector=(32,), batch_norm=False, seed=seed, **options)
        fit(model, {"x": (x[train], x[train]), "y": y[train] // 2}, 40)
        z, z_test = (model.predict(x[part], verbose=0) for part in (train, test))
        found[name] = keras_ssl.evaluation.linear_probe(z, y[train], z_test, y[test])
        found |= retrieved(name, z_test, y[test], (z, y[train]))
    return found
