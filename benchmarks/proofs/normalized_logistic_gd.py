"""Steps of gradient descent until separable data are separated: normalized steps, and plain ones of the same rate."""

import numpy as np

NAME = "NormalizedLogisticGD"
MEASURE = "steps"
METHOD, BASELINE = "normalized", "plain"
LOWER_IS_BETTER = True


def run(seed: int) -> dict[str, float]:
    from keras_ssl.evaluation import NormalizedLogisticGD

    rng = np.random.default_rng(seed)
    u = rng.normal(size=10)
    u /= np.linalg.norm(u)
    x = rng.normal(size=(6000, 10))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    x = x[np.abs(x @ u) > 0.02][:1000]
    y = x @ u > 0
    options = {"learning_rate": 1.0, "max_steps": 100_000, "fit_intercept": False}
    return {
        name: float(NormalizedLogisticGD(normalized=name == METHOD, **options).fit(x, y).steps_)
        for name in (METHOD, BASELINE)
    }
