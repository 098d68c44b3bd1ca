"""How fast a small vision transformer learns by SimMIM, as it is and with masked token optimization: linear accuracy,
the mean of what stands after every ten of 40 epochs, so that earlier is higher."""

from benchmarks.proofs._shared import Timed

NAME = "MaskedTokenOptimization"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "mean linear, MaskedTokenOptimization", "mean linear, SimMIM"
EPOCHS = 40


def run(seed: int) -> dict[str, float]:
    import keras
    import numpy as np

    import keras_ssl
    from benchmarks.proofs._shared import digits
    from keras_ssl import evaluation

    x, y, x_test, y_test = digits()
    found = Timed()
    for name, recipe_name in (
        ("SimMIM", "sim_mim_digits"),
        ("MaskedTokenOptimization", "masked_token_optimization_digits"),
    ):
        keras.utils.set_random_seed(seed)
        recipe = keras_ssl.Recipe.read(recipe_name).override(f"training.epochs={EPOCHS}", f"training.seed={seed}")
        batches, _ = recipe.build_data()
        model = recipe.build_model()
        model.compile(recipe.build_optimizer(len(batches)))
        curve = []
        for epoch in range(0, EPOCHS, 10):
            model.fit(batches, initial_epoch=epoch, epochs=epoch + 10, verbose=0)
            features = [model.predict(images, verbose=0) for images in (x[:3000], x_test)]
            curve.append(evaluation.linear_probe(features[0], y[:3000], features[1], y_test))
        found |= {f"mean linear, {name}": float(np.mean(curve)), f"last linear, {name}": curve[-1]}
    return found
