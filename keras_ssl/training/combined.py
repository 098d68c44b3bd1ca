"""Several objectives around one encoder."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, ClassVar

import keras

from keras_ssl.training.fields import Field
from keras_ssl.training.ssl_model import SSLModel
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term, as_terms
from keras_ssl.typing import Logs, Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class Combined(SSLModel):
    """The weighted sum of several objectives that share an encoder.

    Each objective makes its own views, embeddings and state; its loss is logged as `NAME_loss`, its scalars as
    `NAME_...`. Losses of both scopes may be mixed.

    Args:
        objectives: `SSLModel`s by name, all around one encoder object.
        weights: of the losses, not negative, by name. Defaults to 1 each.
        **kwargs: `name`, `seed` as for `SSLModel`.

    Raises:
        ValueError: if there is no objective, the encoders are not one object, pixels are prepared in several ways, a
            name holds a character other than letters, digits and "_", or the weights do not fit.

    Example:

    ```python
    encoder = keras_ssl.encoders.ViT("Ti", patch_size=4, image_size=32)
    both = {"mae": keras_ssl.MAE(encoder), "simclr": keras_ssl.SimCLR(encoder)}
    model = keras_ssl.training.Combined(both, weights={"mae": 1.0, "simclr": 0.1})
    ```
    """

    scope: ClassVar[str] = "both"

    def __init__(
        self, objectives: Mapping[str, SSLModel], weights: Mapping[str, float] | None = None, **kwargs: Any
    ) -> None:
        if not objectives or not all(isinstance(member, SSLModel) for member in objectives.values()):
            raise ValueError(f"`objectives` must hold SSLModels by name. Received: objectives={objectives!r}")
        members = dict(objectives)
        encoder = next(iter(members.values())).encoder
        if any(member.encoder is not encoder for member in members.values()):
            raise ValueError(
                "All objectives must be made around one encoder object. "
                f"Received: encoders {[member.encoder.name for member in members.values()]}"
            )
        if not all(name.isidentifier() for name in members):
            raise ValueError(f"Names of objectives must be identifiers. Received: {list(members)}")
        weights = dict.fromkeys(members, 1.0) if weights is None else dict(weights)
        if set(weights) != set(members) or not all(weight >= 0 for weight in weights.values()):
            raise ValueError(
                "`weights` must hold a number of at least 0 for each objective. "
                f"Received: weights={weights}, objectives={list(members)}"
            )
        first = next(iter(members.values()))
        kwargs.setdefault("seed", first.seed)
        for name, member in members.items():
            if _scale(member) != _scale(first):
                raise ValueError(
                    "All objectives must prepare pixels in one way, for they share an encoder. Received: "
                    f"preprocessing={_scale(first)} in {next(iter(members))!r}, {_scale(member)} in {name!r}"
                )
        options = {"preprocessing": first.preprocessing, "value_range": first.value_range}
        super().__init__(encoder, views=first.views, **options, **kwargs)
        self.weights_of_losses = {name: float(weight) for name, weight in weights.items()}
        self.members = members

    @property
    def batch_fields(self) -> Mapping[str, Field]:
        return {name: field for member in self.members.values() for name, field in member.batch_fields.items()}

    @property
    def compares_samples(self) -> bool:
        return any(member.compares_samples for member in self.members.values())

    def check_batch_size(self, batch_size: int) -> None:
        for member in self.members.values():
            member.check_batch_size(batch_size)

    def check_samples(self, fields: Mapping[str, Any], whole: bool, batch_size: int | None = None) -> None:
        for member in self.members.values():
            member.check_samples(fields, whole, batch_size)

    def check_batch(self, batch: dict[str, Any]) -> None:
        for member in self.members.values():
            member.check_batch(batch)

    def before_first_step(self) -> None:
        for member in self.members.values():
            member.before_first_step()

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        return {
            f"{name}/{key}": value
            for name, member in self.members.items()
            for key, value in member.embed(batch, self._step_of(member, step)).items()
        }

    def gathered_names(self, embeddings: Mapping[str, Tensor]) -> Sequence[str]:
        return [
            f"{name}/{key}"
            for name, member in self.members.items()
            for key in member.gathered_names(_own(name, embeddings))
        ]

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        loss: Tensor = keras.ops.zeros((), "float32")
        logs: Logs = {}
        for name, member in self.members.items():
            if member.scope != "sample":
                own, scalars = member.objective(_own(name, embeddings), self._step_of(member, step))
                loss = loss + self.weights_of_losses[name] * own
                logs |= {f"{name}_loss": own, **{f"{name}_{key}": value for key, value in scalars.items()}}
        return loss, logs

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        terms: dict[str, Term] = {}
        for name, member in self.members.items():
            if member.scope != "batch":
                own = as_terms(member.sample_terms(_own(name, embeddings), self._step_of(member, step)))
                weight = self.weights_of_losses[name]
                terms |= {
                    f"{name}_{key}": Term(term.values, term.weights, weight * term.coefficient)
                    for key, term in own.items()
                }
        return terms

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs:
        logs: Logs = {}
        for name, member in self.members.items():
            own = member.after_step(_own(name, embeddings), updated, self._step_of(member, step)) or {}
            logs |= {f"{name}_{key}": value for key, value in own.items()}
        return logs

    def _step_of(self, member: SSLModel, step: Step) -> Step:
        """The step with the member's own seed, so that two members of one kind draw other views."""
        return replace(step, seed=member.seed if step.training else member.test_seed)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        members = {}
        for name, member in self.members.items():
            made = keras.saving.serialize_keras_object(member)
            made["config"] = {key: value for key, value in made["config"].items() if key != "encoder"}
            members[name] = made
        kept: dict[str, Any] = {key: config[key] for key in ("name", "dtype", "seed") if key in config}
        return {**kept, "encoder": config["encoder"], "objectives": members, "weights": self.weights_of_losses}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> "Combined":
        config = deepcopy(dict(config))
        encoder = keras.saving.deserialize_keras_object(config.pop("encoder"), custom_objects=custom_objects)
        members = {}
        for name, made in config.pop("objectives").items():
            # The encoder is one object, so it is put into each member's config as it is.
            kind = keras.saving.get_registered_object(made["registered_name"], custom_objects)
            members[name] = kind.from_config({**made["config"], "encoder": encoder})
        return cls(members, **config)


def _scale(member: SSLModel) -> str:
    """What a member does to pixels, as text."""
    layer = member.preprocessing
    if layer is None:
        return f"None, value_range={member.value_range}"
    config = layer.get_config() if isinstance(layer, keras.layers.Layer) else {"function": layer}
    settings = {name: value for name, value in config.items() if name not in ("name", "dtype", "trainable")}
    return f"{type(layer).__name__}({settings}), value_range={member.value_range}"


def _own(name: str, embeddings: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = f"{name}/"
    return {key.removeprefix(prefix): value for key, value in embeddings.items() if key.startswith(prefix)}
