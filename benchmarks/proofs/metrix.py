"""Recall@1 of digits 5 to 9 after training on 0 to 4: three losses of metric learning, with and without mixed pairs."""

from benchmarks.proofs._metric import held_out, perceptron, recall_at_1, retrieved, train
from benchmarks.proofs._shared import Timed

NAME = "Metrix"
MEASURE = "Recall@1 of unseen classes (multi-similarity)"
METHOD, BASELINE = "Metrix, multi_similarity", "multi_similarity"


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl import losses
    from keras_ssl.losses.numeric import l2_normalize

    x, y, x_test, y_test = held_out()
    found = Timed()
    for base in ("multi_similarity", "contrastive", "proxy_anchor"):
        for weight in (0.4, 0.0):
            keras.utils.set_random_seed(seed)
            model = perceptron(64, 32)
            proxies = None
            if base == "proxy_anchor":
                proxies = model.add_weight(shape=(5, 32), initializer="random_normal", name="proxies")
            shares = keras.random.SeedGenerator(seed)

            def loss(labels, z, base=base, weight=weight, proxies=proxies, shares=shares):
                unit = l2_normalize(z)
                c = keras.random.beta((64,), 2.0, 2.0, seed=shares)
                mixed = c[:, None] * unit + (1 - c[:, None]) * unit[::-1]
                return losses.metrix_loss(z, labels, mixed, labels[::-1], c, weight, base, proxies)

            train(model, loss, x, y, 20)
            name = f"Metrix, {base}" if weight else base
            z_test = model.predict(x_test, verbose=0)
            found[name] = recall_at_1(z_test, y_test)
            found |= retrieved(name, z_test, y_test)
    return found
