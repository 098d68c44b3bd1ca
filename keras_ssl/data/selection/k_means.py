"""Centers of clusters."""

import numpy as np


def k_means(features: np.ndarray, clusters: int, seed: int, iterations: int = 50) -> np.ndarray:
    """Centers of k-means (Lloyd's algorithm), started by k-means++.

    A cluster that loses its last row moves to the row farthest from its own center.

    Args:
        features: float64 `[N, D]`.
        clusters: number of centers, from 1 to N.
        seed: of the start.
        iterations: the most rounds of Lloyd's algorithm. Defaults to 50.

    Returns:
        Float64 `[clusters, D]`.
    """
    random = np.random.default_rng(seed)
    centers = np.empty((clusters, features.shape[1]))
    centers[0] = features[random.integers(len(features))]
    nearest = np.square(features - centers[0]).sum(axis=1)
    for number in range(1, clusters):
        total = nearest.sum()
        # Rows that all equal a center leave nothing to weigh by.
        chosen = random.choice(len(features), p=nearest / total) if total > 0 else random.integers(len(features))
        centers[number] = features[chosen]
        nearest = np.minimum(nearest, np.square(features - centers[number]).sum(axis=1))
    squares = np.square(features).sum(axis=1)
    assigned = np.full(len(features), -1)
    for _ in range(iterations):
        distances = squares[:, None] - 2 * features @ centers.T + np.square(centers).sum(axis=1)
        previous, assigned = assigned, distances.argmin(axis=1)
        if np.array_equal(previous, assigned):
            break
        own = distances[np.arange(len(features)), assigned]
        for number in range(clusters):
            members = assigned == number
            if members.any():
                centers[number] = features[members].mean(axis=0)
            else:
                farthest = int(own.argmax())
                centers[number] = features[farthest]
                own[farthest] = -np.inf
    return centers
