import keras
import numpy as np
import pytest

from keras_ssl.merging import ModelSoup
from keras_ssl.weights import read_weights


def linear(seed):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, bias_initializer="random_normal")])


X = np.random.default_rng(0).normal(size=(50, 4)).astype("float32")


def test_the_uniform_soup_is_the_mean_and_of_linear_models_the_mean_output():
    models = [linear(seed) for seed in range(3)]
    soup = ModelSoup(models)
    for name, value in soup.weights.items():
        expected = np.mean([read_weights(model)[name].astype("float64") for model in models], axis=0)
        np.testing.assert_allclose(value, expected, rtol=1e-6)
    expected = np.mean([model.predict(X, verbose=0) for model in models], axis=0)
    target = linear(9)
    soup.assign(target)
    np.testing.assert_allclose(target.predict(X, verbose=0), expected, rtol=1e-4, atol=1e-5)
    assert soup.chosen == [0, 1, 2] and soup.score is None and soup.scores is None


@pytest.mark.parametrize("method", ["uniform", "greedy"])
def test_equal_ingredients_are_the_soup(method):
    weights = read_weights(linear(0))
    soup = ModelSoup([weights] * 3, method, score=lambda w: 1.0)
    for name, value in weights.items():
        np.testing.assert_allclose(soup.weights[name], value, rtol=1e-7)
    assert soup.score == 1.0 and soup.scores == [1.0] * 3


@pytest.mark.parametrize("seed", range(4))
def test_the_greedy_soup_equals_a_loop_and_is_no_worse_than_the_best(seed):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=5)
    ingredients = [{"w": truth + rng.normal(size=5) * spread} for spread in (1.0, 0.3, 0.5, 2.0, 0.4)]

    def score(weights):
        return -float(((weights["w"] - truth) ** 2).sum())

    order = sorted(range(5), key=lambda k: -score(ingredients[k]))
    chosen, best = [order[0]], score(ingredients[order[0]])
    for k in order[1:]:
        trial = score({"w": np.mean([ingredients[i]["w"] for i in [*chosen, k]], axis=0)})
        if trial >= best:
            chosen, best = [*chosen, k], trial
    soup = ModelSoup(ingredients, "greedy", score)
    assert soup.chosen == chosen and soup.score == pytest.approx(best)
    assert soup.score >= max(soup.scores) and score(soup.weights) == pytest.approx(soup.score)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "`ingredients` must hold a model or more"),
        (([{"a": np.ones(1)}], "mean"), "`method` must be one of uniform, greedy. Received: method='mean'"),
        (([{"a": np.ones(1)}], "greedy"), "`score` must be a function for a greedy soup. Received: score=None"),
        (([{"a": np.ones(1)}], "greedy", lambda w: np.nan), "`score` must return finite numbers. Received: nan"),
        (([{"a": np.ones(1)}, {"a": np.ones(2)}],), "of another shape: a"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        ModelSoup(*arguments)


def test_a_score_that_changes_its_arrays_changes_nothing_else():
    ingredients = [{"kernel": np.array([1.0])}, {"kernel": np.array([3.0])}]

    def score(weights):
        weights["kernel"] += 100.0
        return 0.0

    for method in ("uniform", "greedy"):
        assert ModelSoup(ingredients, method, score).weights["kernel"].tolist() == [2.0]
    assert [each["kernel"].tolist() for each in ingredients] == [[1.0], [3.0]]


@pytest.mark.parametrize("score", [3, lambda weights: None, lambda weights: np.ones(2), lambda weights: "good"])
def test_scores_that_are_none(score):
    with pytest.raises(ValueError, match="^`score` must .*Received: "):
        ModelSoup([{"kernel": np.ones(1)}] * 2, "greedy", score)


@pytest.mark.parametrize("ingredients", [None, 3, [], [{"kernel": [[1], [1, 2]]}]])
def test_ingredients_that_are_none(ingredients):
    with pytest.raises(ValueError, match="^`ingredients.*` must .*Received: "):
        ModelSoup(ingredients)
