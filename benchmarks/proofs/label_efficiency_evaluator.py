"""Accuracy of 100 labels of the digits: functions that label the other images, and training on the labels alone."""

NAME = "LabelEfficiencyEvaluator"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "labeling functions", "labels alone"


def run(seed: int) -> dict[str, float]:
    import numpy as np
    from sklearn.datasets import load_digits

    from keras_ssl.evaluation import LabelEfficiencyEvaluator

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = x[order] / 16, y[order]
    found = LabelEfficiencyEvaluator(labels=100, seed=seed)(x[:1200], y[:1200], x[1200:], y[1200:])
    return {
        "labeling functions": found.weak,
        "labels alone": found.supervised,
        "label model": found.label_model,
        "coverage": found.coverage,
    }
