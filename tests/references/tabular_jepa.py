"""T-JEPA's loss by loops over NumPy arrays."""

import numpy as np


def loss(prediction, teacher_tokens, targets):
    """Per sample, the mean square of predicted minus teacher's tokens of the targets' columns.

    `prediction [N, k, M, D]`, `teacher_tokens [N, T, D]` of all columns, `targets [N, k, M]`.
    """
    values = []
    for sample, parts in enumerate(targets):
        squares = [
            (prediction[sample, part, place] - teacher_tokens[sample, column]) ** 2
            for part, columns in enumerate(parts)
            for place, column in enumerate(columns)
        ]
        values.append(np.mean(np.concatenate(squares).astype("float64")))
    return np.array(values)
