"""Sharpness-aware training of several objectives, each with a perturbation of its own."""

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from keras_ssl.optimizers.arguments import check_interval
from keras_ssl.optimizers.sam_gradients import RULES, combine_parts, combining_rule, sam_perturbed
from keras_ssl.training import engine
from keras_ssl.training.combined import Combined
from keras_ssl.training.engine import Outcome
from keras_ssl.training.sam import as_objectives
from keras_ssl.training.ssl_model import SSLModel
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class MultiTaskSAM(Combined):
    """Several objectives that share an encoder, joined by a rule for gradients, and each with its own flat minimum.

    For each objective i, `g_i` is the gradient of its weighted loss and `s_i` that at `w + rho g_i / ||g_i||`, with the
    norm over all weights that it touches. The encoder gets `rule(g_1, ..., g_T) + rule(s_1 - g_1, ..., s_T - g_T)`,
    each objective's own weights get `s_i`. A step takes 2 T passes, T with `rho = 0`, where it is the rule alone. With
    one objective it is `SAM` (but for "ca_grad": see `ca_grad`). Gradients are those of the global batch.

    Penalties of the encoder's own (weight regularizers) count in every objective.

    Args:
        objectives: `SSLModel`s by name, all around one encoder object.
        rho: radius of the perturbations, at least 0. Defaults to 0.05.
        rule: how the gradients of the encoder are joined: "mgda" (default), "pc_grad", "ca_grad", "sum", or a function
            of `[T, P]` that gives `[P]` (a model with a function cannot be saved).
        weights: of the losses, not negative, by name. Defaults to 1 each.
        **kwargs: `name`, `seed` as for `SSLModel`.

    Raises:
        ValueError: as `Combined`; if `rho` is out of range, the rule is not known, or an objective has `gradients` of
            its own.

    Example:

    ```python
    encoder = keras_ssl.encoders.ConvNet()
    tasks = {"simclr": keras_ssl.SimCLR(encoder), "vicreg": keras_ssl.VICReg(encoder)}
    model = keras_ssl.training.MultiTaskSAM(tasks, rho=0.05, rule="pc_grad")
    ```

    Reference: Phan et al., "Improving Multi-task Learning via Seeking Task-based Flat Regions", 2022,
    https://arxiv.org/abs/2211.13723. The authors' code takes the norm of the shared weights and that of a head apart.
    """

    def __init__(
        self,
        objectives: Mapping[str, SSLModel],
        rho: float = 0.05,
        rule: str | Callable[[Tensor], Tensor] = "mgda",
        weights: Mapping[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        rho = check_interval("rho", rho, "[0, inf)")
        combining_rule(rule)
        super().__init__(as_objectives(objectives), weights, **kwargs)
        self.rho, self.rule = rho, rule

    def gradients(self, batch: dict[str, Any], step: Step) -> tuple[Outcome, list[Tensor | None]]:
        variables = self.trainable_variables
        outcomes, plain, sharp = {}, [], []
        for name in self.members:
            outcomes[name], own = self._task(name, batch, step, None)
            plain.append(own)
            if self.rho:
                own = self._task(name, batch, step, sam_perturbed(variables, own, self.rho))[1]
            sharp.append(own)
        shared = {id(variable) for variable in self.encoder.trainable_variables}
        places = [k for k, variable in enumerate(variables) if id(variable) in shared]
        values = [keras.ops.convert_to_tensor(variables[k]) for k in places]
        first, second = ([[own[k] for k in places] for own in lists] for lists in (plain, sharp))
        joined = dict(zip(places, combine_parts(first, second, values, combining_rule(self.rule)), strict=True))
        gradients = [joined[k] if k in joined else _added([own[k] for own in sharp]) for k in range(len(variables))]
        # They are those of the global batch on every replica, and the step adds them up once more.
        replicas = self.backend.replicas()
        if replicas > 1:
            gradients = [None if gradient is None else gradient / replicas for gradient in gradients]
        return self._outcome(outcomes), gradients

    def _task(
        self, name: str, batch: dict[str, Any], step: Step, at: Sequence[Tensor] | None
    ) -> tuple[Outcome, list[Tensor | None]]:
        """The loss of one objective and its gradients, of the global batch."""
        member, weight = self.members[name], self.weights_of_losses[name]

        def function() -> tuple[Tensor, Any]:
            outcome = engine.forward(member, batch, self._step_of(member, step))
            total = weight * functools.reduce(operator.add, outcome.parts.values())
            return engine._scaled(self, total), (outcome.loss, outcome.parts, outcome.logs, outcome.embeddings)

        (_, others), gradients = self.backend.value_and_gradients(self, function, self.trainable_variables, at)
        return Outcome(*others), self.backend.sum_gradients(getattr(self, "optimizer", None), gradients)

    def _outcome(self, outcomes: Mapping[str, Outcome]) -> Outcome:
        """The outcomes of the objectives as that of the whole."""
        weights = self.weights_of_losses
        loss = functools.reduce(operator.add, [weights[name] * outcome.loss for name, outcome in outcomes.items()])
        logs: Logs = {"loss": loss}
        embeddings: dict[str, Tensor] = {}
        parts: dict[str, Tensor] = {}
        for name, outcome in outcomes.items():
            logs |= {f"{name}_{key}": value for key, value in outcome.logs.items()}
            embeddings |= {f"{name}/{key}": value for key, value in outcome.embeddings.items()}
            parts |= {f"{name}_{key}": weights[name] * value for key, value in outcome.parts.items()}
        first = next(iter(outcomes.values()))
        if "embedding_std" in first.logs:
            logs["embedding_std"] = first.logs["embedding_std"]
        return Outcome(loss, parts, logs, embeddings)

    def get_config(self) -> dict[str, Any]:
        if self.rule not in RULES:
            raise ValueError(f"Only a `rule` by name can be saved. Received: rule={self.rule}")
        return {**super().get_config(), "rho": self.rho, "rule": self.rule}


def _added(gradients: Sequence[Tensor | None]) -> Tensor | None:
    present = [gradient for gradient in gradients if gradient is not None]
    return functools.reduce(operator.add, present) if present else None
