"""MAE's targets and loss, pixel by pixel in float64."""

import numpy as np


def patches(images, side):
    """Pixels of each patch, row by row, by loops."""
    n, height, width, channels = images.shape
    made = []
    for image in images.astype("float64"):
        rows = []
        for top in range(0, height - side + 1, side):
            for left in range(0, width - side + 1, side):
                rows.append(image[top : top + side, left : left + side].reshape(-1))
        made.append(rows)
    return np.asarray(made)


def normalized(parts):
    made = np.empty_like(parts)
    for n, rows in enumerate(parts):
        for t, row in enumerate(rows):
            made[n, t] = (row - row.mean()) / np.sqrt(row.var(ddof=1) + 1e-6)
    return made


def loss(prediction, target, hidden):
    values = []
    for sample in range(len(prediction)):
        errors = [
            np.mean((prediction[sample, t].astype("float64") - target[sample, t]) ** 2)
            for t in range(prediction.shape[1])
            if hidden[sample, t]
        ]
        values.append(np.mean(errors) if errors else 0.0)
    return np.asarray(values)
