"""Accuracy on a subset of the digits by slant, trained on the nearest subset by distance, and on the mean one."""

import numpy as np

NAME = "shift_distance"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "nearest subset", "mean subset"


def run(seed: int) -> dict[str, float]:
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    from keras_ssl.evaluation import shift_distance

    x, y = load_digits(return_X_y=True)
    x = x / 16
    noise = np.random.default_rng(seed).normal(size=len(x))
    # The context is the slant of a digit, which windows that overlap by half cut into subsets.
    rows, columns = np.mgrid[:8, :8].reshape(2, -1)
    total = x.sum(axis=1)
    middle = [(x * axis).sum(axis=1) / total for axis in (rows, columns)]
    slant = (x * (rows - middle[0][:, None]) * (columns - middle[1][:, None])).sum(axis=1) / total + 0.05 * noise
    order = np.argsort(slant)
    width = len(x) // 6
    subsets = [order[start : start + width] for start in range(0, len(x) - width + 1, width // 2)]
    distance = shift_distance(subsets, dimensions=2)
    nearest, mean = [], []
    for target, test in enumerate(subsets):
        scores, far = [], []
        for source, members in enumerate(subsets):
            train = np.setdiff1d(members, test)
            if source == target or len(train) < width:
                continue  # of the same size all of them, without a sample of the target
            probe = LogisticRegression(C=1.0, max_iter=200).fit(x[train], y[train])
            scores.append(probe.score(x[test], y[test]))
            far.append(distance[target, source])
        nearest.append(scores[int(np.argmin(far))])
        mean.append(np.mean(scores))
    return {"nearest subset": float(np.mean(nearest)), "mean subset": float(np.mean(mean))}
