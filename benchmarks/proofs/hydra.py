"""Recall@1 of digits 5 to 9 after training on 0 to 4: Hydra, whose positives are any two classes, and SupCon."""

from benchmarks.proofs._metric import fit, held_out, perceptron, recall_at_1, retrieved
from benchmarks.proofs._shared import Timed

NAME = "Hydra"
MEASURE = "Recall@1 of unseen classes"  # the higher, the better
METHOD, BASELINE = "Hydra", "SupCon"


def run(seed: int) -> dict[str, float]:
    import keras

    import keras_ssl

    x, y, x_test, y_test = held_out()
    found = Timed()
    found["pixels"] = recall_at_1(x_test, y_test)
    found |= retrieved("pixels", x_test, y_test)
    for name, options in ((METHOD, {"classes": 5}), (BASELINE, {})):
        keras.utils.set_random_seed(seed)
        encoder = perceptron(64, 64, noise=0.1)
        model = getattr(keras_ssl, name)(
            encoder, projector=(32,), temperature=0.2, batch_norm=False, seed=seed, **options
        )
        fit(model, {"x": (x, x), "y": y}, 30, 64)
        z = model.predict(x_test, verbose=0)
        found[name] = recall_at_1(z, y_test)
        found |= retrieved(name, z, y_test)
    return found
