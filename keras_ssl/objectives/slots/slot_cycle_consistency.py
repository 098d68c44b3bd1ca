"""Cycle consistency of slots."""

from typing import Any, ClassVar

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.slot_cycle_loss import feature_cycle_loss, slot_cycle_loss
from keras_ssl.objectives.slots.slot_autoencoder import SlotAutoencoder
from keras_ssl.registry import register
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor


@register("objective", family="slots", paper="https://arxiv.org/abs/2306.02204")
class SlotCycleConsistency(SlotAutoencoder):
    r"""A slot autoencoder whose slots must find themselves again in the features, and features their like by the slots.

        reconstruction + slot_weight * slot_cycle + feature_weight * feature_cycle (+ mask_weight * segmentation)

    with `slot_cycle_loss` and `feature_cycle_loss` of the queries of the final slots and the keys of the places, which
    are what slot attention compares: so each object should have one slot of its own, and each slot an object. Only the
    first cycle is asked to be the identity; features go to features that are like them. With both weights at 0 this is
    `SlotAutoencoder`.

    Logged: as `SlotAutoencoder`, and `slot_cycle` and `feature_cycle`.

    Args:
        encoder: as for `SlotAutoencoder`.
        slots: number of slots, at least 2. Defaults to 4.
        slot_weight: at least 0. Defaults to 0.1.
        feature_weight: at least 0. Defaults to 0.01.
        temperature: of the walks, above 0. Defaults to 0.1.
        threshold: the least cosine of features that are alike, -1 to 1. Defaults to 0.5.
        mask_weight: as for `SlotAutoencoder`. Defaults to 0: no masks are read.
        **kwargs: as for `SlotAutoencoder`: `slot_width`, `iterations`, `decoder_width`, `decoder_depth`, `views`,
            `preprocessing`, `seed`, `name`, `dtype`.

    What the cycles compare, the temperature and the threshold are choices made here, since the abstract leaves them
    open.

    Raises:
        ValueError: as `SlotAutoencoder`, or if a value is out of range.

    Example:

    ```python
    images, _ = keras_ssl.data.digit_scenes(digits=2)
    model = keras_ssl.SlotCycleConsistency(keras_ssl.encoders.ConvNet((16, 32, 64)), slots=3)
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(images, epochs=10)
    ```

    Reference:
        Didolkar et al., "Cycle Consistency Driven Object Discovery", ICLR 2024.
    """

    tiny: ClassVar[dict[str, Any] | None] = {
        "slots": 3,
        "slot_width": 12,
        "decoder_width": 16,
        "decoder_depth": 2,
        # With sharper walks the gradient magnifies the rounding of cosines.
        "temperature": 0.5,
        "threshold": -1.0,
    }

    def __init__(
        self,
        encoder: keras.Model,
        slots: int = 4,
        slot_weight: float = 0.1,
        feature_weight: float = 0.01,
        temperature: float = 0.1,
        threshold: float = 0.5,
        mask_weight: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, slots, mask_weight=mask_weight, **kwargs)
        self.slot_weight = check_number("slot_weight", slot_weight, 0.0)
        self.feature_weight = check_number("feature_weight", feature_weight, 0.0)
        self.temperature = check_number("temperature", temperature, 0.0, above=True)
        self.threshold = check_number("threshold", threshold, -1.0, 1.0)

    def more_embeddings(self, parts: dict[str, Tensor]) -> dict[str, Tensor]:
        keys, queries = self.slot_attention.keys_and_queries(parts["tokens"], parts["slots"])
        return {"keys": keys, "queries": queries}

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        walked = embeddings["queries"], embeddings["keys"], self.temperature
        return {
            **super().sample_terms(embeddings, step),
            "slot_cycle": Term(slot_cycle_loss(*walked), None, self.slot_weight),
            "feature_cycle": Term(feature_cycle_loss(*walked, self.threshold), None, self.feature_weight),
        }
