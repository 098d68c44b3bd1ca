"""Retrieval of digits 5 to 9 after DINO on 0 to 4: with clusters of alike handwritings as identities, and without."""

from benchmarks.proofs._metric import held_out, perceptron, retrieved
from benchmarks.proofs._shared import Timed

NAME = "IdentityGuidedSelfDistillation"
MEASURE = "mean average precision of unseen classes"  # the higher, the better
METHOD, BASELINE = "identities", "DINO"


def run(seed: int) -> dict[str, float]:
    import keras
    import numpy as np
    from sklearn.cluster import KMeans

    import keras_ssl

    x, y, x_test, y_test = held_out()
    # An identity is a cluster of alike handwritings, ten for each digit.
    identity = np.zeros(len(y), "int32")
    for digit in range(5):
        own = y == digit
        identity[own] = 10 * digit + KMeans(10, n_init=1, random_state=seed).fit_predict(x[own])
    found = Timed()
    found["pixels"] = keras_ssl.evaluation.retrieval(x_test, y_test, ks=[1])["map"]
    found |= retrieved("pixels", x_test, y_test)
    for name in (METHOD, BASELINE):
        keras.utils.set_random_seed(seed)
        model = keras_ssl.IdentityGuidedSelfDistillation(
            perceptron(64, 64, noise=0.2),
            projector=(64, 32),
            out_dim=128,
            freeze_steps=0,
            momentum=0.95,
            batch_norm=True,
            output_norm="plain",
            sinkhorn_iterations=3,
            student_temperature=0.2,
            teacher_temperature=0.05,
            seed=seed,
        )
        labels = identity if name == METHOD else np.full(len(y), -1, "int32")
        model.compile(keras.optimizers.Adam(1e-3), jit_compile=False)
        model.fit({"x": (x, x), "y": labels}, batch_size=128, epochs=30, verbose=0)
        z = model.predict(x_test, verbose=0)
        found[name] = keras_ssl.evaluation.retrieval(z, y_test, ks=[1])["map"]
        found |= retrieved(name, z, y_test)
    return found
