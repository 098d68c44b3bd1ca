"""kNN accuracy of the features after the first of four blocks: trained at every exit, beside training of the last."""

from benchmarks.proofs._shared import Timed, features, scores, trained

NAME = "HierarchicalSelfDistillation"
MEASURE = "kNN accuracy"  # the higher, the better
METHOD, BASELINE = "every exit", "last exit alone"


def run(seed: int) -> dict[str, float]:
    from keras_ssl.encoders import MultiExitEncoder

    run = ("training.epochs=3", f"training.seed={seed}")
    found = Timed()
    for name, settings in (("every exit", ()), ("last exit alone", ("objective.exits=[4]",))):
        model = trained("hierarchical_self_distillation_digits", *run, *settings)
        exits = MultiExitEncoder(model.encoder)
        found[name] = scores(encode(exits.truncated(1), model))["kNN"]
        found[f"{name}, after all blocks"] = scores(features(model))["kNN"]
    return found


def encode(encoder, model):
    """A function of images that gives an encoder's features, with the preprocessing of a model."""
    import keras

    images = keras.Input((16, 16, 3), dtype="uint8")
    return features(keras.Model(images, encoder(model.preprocessing(images))))
