"""Accuracy on striped digits of a linear probe that 100 of them trained: on the features of four networks of plain
digits side by side, and of a single one (mean of the four); and of one network of four times the width."""

from benchmarks.proofs._merging import CLASSES, domains, network, trained
from benchmarks.proofs._shared import Timed

NAME = "ConcatEncoders"
MEASURE = "accuracy under shift"
METHOD, BASELINE = "four side by side", "one"


def run(seed: int) -> dict[str, float]:
    import keras
    import numpy as np

    from keras_ssl import evaluation, merging

    plain, _, _, striped = domains(seed)

    def encoder(number: int, width: int) -> keras.Model:
        keras.utils.set_random_seed(100 * seed + number)
        model = trained(network(width), plain[0], plain[1], 15)
        return keras.Model(model.inputs, model.layers[-2].output)

    def probed(model: keras.Model) -> float:
        few = np.concatenate([np.flatnonzero(striped[1] == kind)[:10] for kind in range(CLASSES)])
        z, z_test = (model.predict(x, verbose=0) for x in (striped[0][few], striped[2]))
        return float(evaluation.linear_probe(z, striped[1][few], z_test, striped[3]))

    encoders = [encoder(number, 32) for number in range(4)]
    found = Timed()
    found["four side by side"] = probed(merging.ConcatEncoders(encoders))
    found["one"] = float(np.mean([probed(each) for each in encoders]))
    found["one, four times as wide"] = probed(encoder(9, 128))
    return found
