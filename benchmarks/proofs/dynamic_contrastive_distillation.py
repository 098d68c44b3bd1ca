"""kNN accuracy of a narrow encoder taught by a wide one of digits: weights by disagreement, beside equal weights."""

from benchmarks.proofs._distilled import data, network, sizes_and_speeds, teacher
from benchmarks.proofs._shared import Timed

NAME = "DynamicContrastiveDistillation"
MEASURE = "kNN accuracy"  # the higher, the better
METHOD, BASELINE = "weights by disagreement", "equal weights"


def run(seed: int) -> dict[str, float]:
    import keras

    import keras_ssl
    from keras_ssl import evaluation, views

    x, y, x_test, y_test = data()
    whole = teacher(x, y, seed)
    wide = keras.Sequential([keras.layers.Input((8, 8, 1)), *whole.layers[:-1]])
    jitter = views.Compose([views.RandomApply(views.GaussianBlur((0.3, 0.8)), 0.8)])
    found = Timed()
    for name, strength in (("weights by disagreement", 1.0), ("equal weights", 0.0)):
        keras.utils.set_random_seed(seed)
        model = keras_ssl.DynamicContrastiveDistillation(
            network(12), wide, strength=strength, dimension=32, views=views.MultiView([jitter] * 2), seed=seed
        )
        model.compile(keras.optimizers.Adam(5e-3), jit_compile=False)
        model.fit(x, batch_size=128, epochs=30, verbose=0)
        features = [evaluation.extract_features(model, images) for images in (x, x_test)]
        found[name] = evaluation.knn_accuracy(features[0], y, features[1], y_test)
    found |= sizes_and_speeds(model.encoder, wide, x)
    return found
