"""A short run on the embedded data lifts kNN accuracy above the untrained encoder's."""

import keras
import pytest

import keras_ssl
from keras_ssl import evaluation

# kNN points above the untrained encoder after so few epochs. Objectives with a teacher start slowly on these views.
MARGIN = {"barlow_twins": 0.10, "simclr": 0.10, "mocov3": 0.10, "moco": 0.05, "byol": 0.02}
EPOCHS = {"barlow_twins": 20, "simclr": 5, "byol": 40, "moco": 20, "mocov3": 12}


@pytest.fixture(scope="module")
def digits():
    return {split: keras_ssl.data.coloured_digits(split, seed=0, size=16) for split in ("train", "test")}


def knn(model, digits):
    train, test = (evaluation.extract_features(model, digits[split][0]) for split in ("train", "test"))
    return evaluation.knn_accuracy(train, digits["train"][1], test, digits["test"][1])


@pytest.mark.slow
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="the conformance suite shows that both backends take the same steps; TensorFlow's are faster on a CPU",
)
@pytest.mark.parametrize("name", EPOCHS)
def test_objective_learns(name, digits):
    recipe = keras_ssl.Recipe.read(f"{name}_digits").override(f"training.epochs={EPOCHS[name]}")
    batch_size = recipe.sections["training"]["batch_size"]
    model = recipe.build_model()
    before = knn(model, digits)
    model.compile(recipe.build_optimizer(len(digits["train"][0]) // batch_size), jit_compile=False)
    model.fit(digits["train"][0], batch_size=batch_size, epochs=EPOCHS[name], verbose=0)
    after = knn(model, digits)
    print(f"{name}: kNN {before:.3f} untrained, {after:.3f} after {EPOCHS[name]} epochs")
    assert after > before + MARGIN[name]
