"""The objective that an entry's encoder was trained by, to go on with."""

from typing import Any

import keras

from keras_ssl.hub.card import Card
from keras_ssl.hub.card_size import check_objective_size, check_view_size
from keras_ssl.hub.components import check_keys, component
from keras_ssl.hub.recipe import Recipe
from keras_ssl.hub.signatures import default_arguments
from keras_ssl.layers import ImagePreprocessing
from keras_ssl.training import SSLModel


def build_objective(card: Card, encoder: keras.Model, preprocessing: ImagePreprocessing | None) -> SSLModel:
    """The objective that a card names, around `encoder`, with heads whose weights are yet to be read.

    Its views are those of the card's recipe, where there is one, else the objective's own.

    Args:
        card: of the entry.
        encoder: as the card describes it.
        preprocessing: what prepares its input, or None.

    Raises:
        ValueError: if the entry has no heads, or the card's objective is unknown or does not take its arguments.
    """
    if card.heads_file is None:
        raise ValueError(f"The entry has no heads to go on pretraining with. Received: heads=True, entry={card.name!r}")
    with card.naming("objective"):
        table = {"name": card.objective.get("name"), **card.objective.get("arguments", {})}
        check_keys("objective", table)
        given: dict[str, Any] = {"encoder": encoder, "preprocessing": preprocessing}
        arguments = {key: value for key, value in table.items() if key != "name"}
        target: Any = component("objective", table).target
        check_objective_size({**default_arguments(target), **arguments}, card.listed_bytes([card.heads_file]))
        if "views" in card.recipe:
            check_view_size(card.recipe["views"])
            given["views"] = Recipe(card.recipe).build("views")
        return target(**arguments, **given)
