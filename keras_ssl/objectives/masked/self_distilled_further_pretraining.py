"""Further pretraining of a vision transformer, held near a teacher that is itself."""

from collections.abc import Callable
from typing import Any, ClassVar, Self

import keras

from keras_ssl.check_number import check_number
from keras_ssl.encoders.token_encoder import check_token_encoder
from keras_ssl.layers.ema_teacher import EMATeacher
from keras_ssl.losses.hidden_distance_loss import hidden_distance_loss
from keras_ssl.losses.numeric import check_integer
from keras_ssl.objectives.masked.mae import MAE
from keras_ssl.registry import register
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor

INPUTS = ("image", "visible")


@register("objective", family="masked", paper="https://arxiv.org/abs/2210.02871")
class SelfDistilledFurtherPretraining(MAE):
    r"""Continue pretraining on images of another kind, by `MAE` and by staying near a teacher that has done so.

    A pretrained encoder first goes on as a masked autoencoder on the new images: that is the teacher. Then the encoder
    starts again from the pretrained weights, and to the loss of `MAE` is added `weight` times the mean squared distance
    of its tokens after the last block to the teacher's, `hidden_distance_loss`. The teacher stands still and gets no
    gradient. The next round takes what came of it as its teacher: `in_rounds` does all of this.

    With weight 0 this is `MAE`, step by step. Without a teacher given, the teacher is the encoder as it is at the first
    step. Logged: `loss`, `reconstruction`, `distance`, `embedding_std`.

    The loss is a mean over samples: nothing of it is gathered across replicas. The teacher's weights are saved with the
    model, so that a run can be resumed without it.

    Whether the paper compares tokens of whole images or of visible patches was not to be had; both are here. Mean and
    scale of the distance are this library's choice, and so is a new decoder in each round.

    Args:
        encoder: a built `TokenEncoder` of square images with a `patch_size` and pretrained weights, such as
            `keras_ssl.load("mae_vitb16", include_preprocessing=False)`.
        teacher: an encoder of the same architecture with other weights. Defaults to None: the encoder at the first
            step.
        weight: of the distance, not negative. Defaults to 1.
        compare: "image" (default): the tokens of the whole image; "visible": those of the visible patches, as the
            masked autoencoder sees them.
        mask_ratio: share of hidden patches, in [0, 1). Defaults to 0.75.
        decoder_width: width of the decoder, a multiple of 4. Defaults to 512.
        decoder_depth: blocks of the decoder. Defaults to 8.
        decoder_heads: heads of the decoder. Defaults to 16.
        normalize_targets: whether target patches are normalized. Defaults to True.
        **kwargs: `views` (default: those of `MAE`), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the encoder is no `TokenEncoder`, the teacher has other weights, or an argument is out of range.

    Example:

    ```python
    def train(model):
        model.compile(keras.optimizers.AdamW(1e-4))
        model.fit(images, epochs=10)

    encoder = keras_ssl.encoders.ViT("S", pooling="mean")  # with pretrained weights
    keras_ssl.SelfDistilledFurtherPretraining.in_rounds(encoder, train, decoder_width=128, decoder_heads=4)
    # `encoder` now holds the weights of the last round
    ```

    Reference:
        Lee et al., "Self-Distillation for Further Pre-training of Transformers", ICLR 2023.
    """

    tiny: ClassVar[dict[str, Any] | None] = {"decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2}
    stored_as: ClassVar[dict[str, str]] = {"teacher": "given_teacher"}

    def __init__(
        self,
        encoder: keras.Model,
        teacher: keras.Model | None = None,
        weight: float = 1.0,
        compare: str = "image",
        mask_ratio: float = 0.75,
        decoder_width: int = 512,
        decoder_depth: int = 8,
        decoder_heads: int = 16,
        normalize_targets: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, mask_ratio, decoder_width, decoder_depth, decoder_heads, normalize_targets, **kwargs)
        self.weight = check_number("weight", weight, 0.0)
        if compare not in INPUTS:
            raise ValueError(f"`compare` must be one of {INPUTS}. Received: compare={compare!r}")
        self.compare = compare
        if teacher is not None:
            _check_teacher(encoder, teacher)
        self._follows_start = teacher is None
        self.teacher = EMATeacher([encoder if teacher is None else teacher], momentum=1.0, name="teacher")

    @property
    def given_teacher(self) -> keras.Model | None:
        return None if self._follows_start else self.teacher.modules[0]

    @classmethod
    def in_rounds(cls, encoder: keras.Model, train: Callable[[Self], Any], rounds: int = 1, **options: Any) -> Self:
        """Trains an encoder as a masked autoencoder, and then so often again from its start with itself as teacher.

        Args:
            encoder: with pretrained weights; afterwards it holds those of the last round.
            train: compiles and fits a model; called `rounds + 1` times, each time with a new one.
            rounds: number of rounds with a teacher, at least 0. Defaults to 1.
            **options: of the model, but for `teacher`; the first model has the weight 0.

        Returns:
            The model of the last round.

        Raises:
            ValueError: if `rounds` is no integer of at least 0.
        """
        rounds = check_integer("rounds", rounds, 0)
        start = encoder.get_weights()
        model = cls(encoder, **{**options, "weight": 0.0})
        train(model)
        for _ in range(rounds):
            teacher = type(encoder).from_config(encoder.get_config())
            teacher.set_weights(encoder.get_weights())
            encoder.set_weights(start)
            model = cls(encoder, teacher, **options)
            train(model)
        return model

    def before_first_step(self) -> None:
        if self._follows_start:
            self.teacher.begin([self.encoder])

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        images = self.make_views(batch, step)[0]
        keep, encoded = self.visible_tokens(images, step)
        made = self.autoencode(images, keep, encoded)
        if not self.weight:
            return made
        ops, teacher = keras.ops, self.teacher.modules[0]
        if self.compare == "image":
            keep, encoded = None, self.encoder.encode(self.encoder.tokens(images), training=step.training)
        taught = teacher.encode(teacher.tokens(images), keep, training=step.training)
        return {**made, "student": encoded, "teacher": ops.stop_gradient(taught)}

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        terms = super().sample_terms(embeddings, step)
        if self.weight:
            distance = hidden_distance_loss(embeddings["student"], embeddings["teacher"])
            terms["distance"] = Term(distance, None, self.weight)
        return terms


def _check_teacher(encoder: keras.Model, teacher: Any) -> None:
    check_token_encoder(teacher, "a teacher of SelfDistilledFurtherPretraining")
    shapes = [[tuple(weight.shape) for weight in model.weights] for model in (encoder, teacher)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "`teacher` must have the encoder's architecture. "
            f"Received: teacher={teacher.name!r} with weights of other shapes than those of {encoder.name!r}"
        )
