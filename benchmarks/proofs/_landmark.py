"""What the proofs of the landmark objectives share: accuracy against the untrained encoder, SimCLR beside it."""

from typing import Any

from benchmarks.proofs._shared import Timed, features, scores, trained


def compare(name: str, recipe: str, seed: int, epochs: int) -> Timed:
    """kNN and linear accuracy of an encoder: untrained, after the recipe, and after SimCLR on the same encoder.

    Args:
        name: of the method, as it stands in the figures.
        recipe: its recipe.
        seed: of weights, views and order.
        epochs: of both runs.
    """
    import keras_ssl

    settings = (f"training.epochs={epochs}", f"training.seed={seed}")
    encoder = keras_ssl.Recipe.read(recipe).sections["encoder"]
    changes = [f"encoder.{key}={_toml(value)}" for key, value in encoder.items()]
    if encoder["name"] != "ConvNet":
        changes += ["optimizer.name=AdamW", "optimizer.learning_rate=1e-3", "optimizer.weight_decay=0.05"]
    found = beside_untrained(name, recipe, seed, epochs)
    found |= _named("SimCLR", scores(features(trained("simclr_digits", *settings, *changes))))
    return found


def beside_untrained(name: str, recipe: str, seed: int, epochs: int, *more: str) -> Timed:
    """As `compare`, without SimCLR. `more` are settings of the recipe."""
    import keras_ssl

    settings = (f"training.epochs={epochs}", f"training.seed={seed}", *more)
    untrained = scores(features(keras_ssl.Recipe.read(recipe).override(*settings).build_model()))
    found = Timed()
    found |= _named(name, scores(features(trained(recipe, *settings))))
    found |= _named("untrained", untrained)
    return found


def _named(who: str, figures: dict[str, float]) -> dict[str, float]:
    return {f"{kind}, {who}": value for kind, value in figures.items()}


def _toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
