"""Inconsistency (OPIS) of digits 5 to 9 after training on 0 to 4: multi-similarity with and without TCM."""

from benchmarks.proofs._metric import held_out, perceptron, retrieved, train
from benchmarks.proofs._shared import Timed

NAME = "threshold_consistent_margin_loss"
MEASURE = "100 times the OPIS of unseen classes"
METHOD, BASELINE = "with TCM", "base loss"
LOWER_IS_BETTER = True


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl import evaluation, losses

    x, y, x_test, y_test = held_out()
    found = Timed()
    for name, weight in ((METHOD, 1.0), (BASELINE, 0.0)):
        keras.utils.set_random_seed(seed)

        def loss(labels, z, weight=weight):
            return losses.multi_similarity_loss(z, labels, 2.0, 50.0, 0.5) + weight * (
                losses.threshold_consistent_margin_loss(z, labels)
            )

        z = train(perceptron(64, 32), loss, x, y, 30).predict(x_test, verbose=0)
        found[name] = 100 * evaluation.opis(z, y_test)
        found |= retrieved(name, z, y_test)
    return found
