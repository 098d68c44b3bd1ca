"""Mixed Barlow Twins."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_ssl.losses.mixed_barlow_twins_loss import mixup_correlation_regularizer
from keras_ssl.losses.numeric import check_integer
from keras_ssl.objectives.decorrelation.barlow_twins import BarlowTwins
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="decorrelation", paper="https://arxiv.org/abs/2312.02151")
class MixedBarlowTwins(BarlowTwins):
    r"""Barlow Twins whose samples interact: what mixed images make must be what the mixture of embeddings is.

    To the loss of `BarlowTwins` comes `scale * mix_weight * redundancy_weight * R`. `R` measures, over the global
    batch, how far the correlations of the embeddings of `a x1 + (1 - a) x2[partner]` with both views are from the
    same mixture of the views' own: see `mixup_correlation_regularizer`. The partners are a random order of the global
    batch, and one `a` is drawn per step. The mixed images are a third pass through the encoder. Logged: `loss`,
    `invariance`, `redundancy`, `mix` (R, unweighted), `embedding_std`. With `mix_weight=0` it is `BarlowTwins` to
    the bit.

    Correlations use the biased variance, as in `BarlowTwins`; the authors' code uses the unbiased one. As there, the
    gradient also flows into the mixture.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector, redundancy_weight, scale: as for `BarlowTwins`.
        mix_weight: weight of the regularizer in units of `redundancy_weight`. Defaults to 5.
        concentration: a is drawn from Beta(concentration, concentration); a positive integer, for which it is the
            median of `2 * concentration - 1` uniform numbers. Defaults to 1, uniform.
        **kwargs: `views` (default: `keras_ssl.views.barlow_twins()`), `preprocessing`, `seed`, `name`, `dtype`, as
            for `SSLModel`.

    Raises:
        ValueError: if `mix_weight` is negative or `concentration` no positive integer, and as `BarlowTwins`.

    Example:

    ```python
    encoder = keras_ssl.encoders.ConvNet()
    model = keras_ssl.MixedBarlowTwins(encoder, projector=(256, 256), redundancy_weight=0.02)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Bandara et al., "Guarding Barlow Twins Against Overfitting with Mixed Samples", 2023.
    """

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (8192, 8192, 8192),
        redundancy_weight: float = 0.0051,
        scale: float = 1.0,
        mix_weight: float = 5.0,
        concentration: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, projector, redundancy_weight, scale, **kwargs)
        if not mix_weight >= 0:
            raise ValueError(f"`mix_weight` must not be negative. Received: mix_weight={mix_weight}")
        self.mix_weight = mix_weight
        self.concentration = check_integer("concentration", concentration, 1)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        if not self.mix_weight:
            return super().embed(batch, step)
        views = self.used_views(batch, step)
        # Mixing is affine, so that it makes no difference whether pixels are mixed before or after normalization.
        a = keras.ops.reshape(self._coefficient(step), (1,) * len(views[0].shape))
        first, partner = (keras.ops.cast(x, "float32") for x in (views[0], self.shuffled(views[1], step)))
        mixed = a * first + (1.0 - a) * partner
        z1, z2, m = self.project([*views, keras.ops.cast(mixed, views[0].dtype)], step.training)
        return {"z1": z1, "z2": z2, "m": m}

    def _coefficient(self, step: Step) -> Tensor:
        """The step's a, `[1]`."""
        draws = step.shared_stream().uniform(shape=(2 * self.concentration - 1,))
        return keras.ops.sort(draws, axis=1)[:, self.concentration - 1]

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        loss, logs = super().objective(embeddings, step)
        if not self.mix_weight:
            return loss, logs
        z1, z2 = embeddings["z1"], embeddings["z2"]
        partner = step.order(keras.ops.shape(z1)[0])  # that of `shuffled`, for the global batch
        mix = mixup_correlation_regularizer(embeddings["m"], z1, z2, partner, self._coefficient(step)[0])
        return loss + self.scale * self.mix_weight * self.redundancy_weight * mix, {**logs, "mix": mix}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """`BarlowTwins`' with the regularizer R on top, which is at least 0, and 0 when collapsed.

        At chance, with `e = E a^2 = E (1 - a)^2 = (c + 1) / (2 (2 c + 1))`, c the concentration, R is about
        `2 D^2 (1 + 2 e) / N + D e`: the mixed embeddings have nothing in common with the mixture.
        """
        plain = super().expected_range(batch_size)
        width, square = self.embedding_dim, (self.concentration + 1) / (2.0 * (2 * self.concentration + 1))
        mix = 2.0 * width**2 * (1.0 + 2.0 * square) / batch_size + width * square
        weight = self.scale * self.mix_weight * self.redundancy_weight
        return plain + ExpectedLoss(mix, 0.0, 0.0) * weight
