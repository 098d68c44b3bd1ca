"""Rank correlation of cosines with the similarity of digits' trees (parity, size, digit): soft labels, and SupCon."""

import numpy as np

from benchmarks.proofs._metric import fit, perceptron, retrieved, shuffled_split, small_digits
from benchmarks.proofs._shared import Timed

NAME = "TreeSupervisedContrastive"
MEASURE = "Spearman correlation with the trees"  # the higher, the better
METHOD, BASELINE = "TreeSupervisedContrastive", "SupCon"


def run(seed: int) -> dict[str, float]:
    import keras
    from scipy.stats import spearmanr

    import keras_ssl

    x, y = small_digits()
    train, test = shuffled_split(seed, 1024, len(x))
    trees = [{("even", "odd")[d % 2]: {("small", "large")[d > 4]: {str(d): {}}}} for d in range(10)]
    similarity = keras_ssl.data.tree_similarity_matrix(trees)
    found = Timed()
    for name, options in ((METHOD, {"similarity": similarity}), (BASELINE, {})):
        keras.utils.set_random_seed(seed)
        encoder = perceptron(64, 64, noise=0.1)
        model = getattr(keras_ssl, name)(
            encoder, projector=(32,), temperature=0.2, batch_norm=False, seed=seed, **options
        )
        fit(model, {"x": (x[train], x[train]), "y": y[train]}, 40)
        z, labels = model.predict(x[test], verbose=0), y[test]
        unit = z / np.linalg.norm(z, axis=1, keepdims=True)
        first = np.triu_indices(len(z), 1)
        found[name] = spearmanr((unit @ unit.T)[first], similarity[labels][:, labels][first]).statistic
        found |= retrieved(name, z, labels, (model.predict(x[train], verbose=0), y[train]))
    return found
