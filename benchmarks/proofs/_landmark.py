"""What the proofs of the landmark objectives share: accuracy against the untrained encoder, SimCLR beside it."""

from functools import cache
from typing import Any

from benchmarks.proofs._shared import features, scores, trained


def compare(name: str, recipe: str, seed: int, epochs: int) -> dict[str, float]:
    """kNN and linear accuracy of an encoder: untrained, after the recipe, and after SimCLR on the same encoder.

    Args:
        name: of the method, as it stands in the figures.
        recipe: its recipe.
        seed: of weights, views and order.
        epochs: of both runs.
    """
    import keras_ssl

    settings = (f"training.epochs={epochs}", f"training.seed={seed}")
    read = keras_ssl.Recipe.read(recipe).override(*settings)
    untrained = scores(features(read.build_model()))
    after = scores(features(trained(recipe, *settings)))
    beside = _simclr(_frozen(read.sections["encoder"]), settings)
    table = {name: after, "untrained": untrained, "SimCLR": beside}
    return {f"{kind}, {who}": figures[kind] for kind in ("kNN", "linear") for who, figures in table.items()}


def beside_untrained(name: str, recipe: str, seed: int, epochs: int, *more: str) -> dict[str, float]:
    """As `compare`, without SimCLR. `more` are settings of the recipe."""
    import keras_ssl

    settings = (f"training.epochs={epochs}", f"training.seed={seed}", *more)
    untrained = scores(features(keras_ssl.Recipe.read(recipe).override(*settings).build_model()))
    table = {name: scores(features(trained(recipe, *settings))), "untrained": untrained}
    return {f"{kind}, {who}": figures[kind] for kind in ("kNN", "linear") for who, figures in table.items()}


@cache
def _simclr(encoder: tuple[tuple[str, Any], ...], settings: tuple[str, ...]) -> dict[str, float]:
    """SimCLR's figures on an encoder, trained once for all proofs of a process."""
    values = {key: list(value) if isinstance(value, tuple) else value for key, value in encoder}
    changes = [f"encoder.{key}={_toml(value)}" for key, value in values.items()]
    if values["name"] != "ConvNet":
        changes += ["optimizer.name=AdamW", "optimizer.learning_rate=1e-3", "optimizer.weight_decay=0.05"]
    return scores(features(trained("simclr_digits", *settings, *changes)))


def _frozen(table: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((key, tuple(value) if isinstance(value, list) else value) for key, value in table.items())


def _toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
