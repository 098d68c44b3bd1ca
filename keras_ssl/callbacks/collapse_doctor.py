"""Says what is wrong with a run while it runs."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_ssl.callbacks.training_probe import TrainingProbe
from keras_ssl.callbacks.training_warning import TrainingWarning
from keras_ssl.evaluation.diagnosis import Finding, PseudoLabelEvidence, diagnose
from keras_ssl.losses.numeric import check_integer
from keras_ssl.messages import say, warn
from keras_ssl.training import SSLModel
from keras_ssl.training.batch import as_batch, is_views
from keras_ssl.typing import Logs

_EARLY = (10, 25)  # steps, beside every so many: what goes wrong mostly does so at once


class CollapseDoctor(keras.callbacks.Callback):
    """Names what goes wrong in self-supervised training, with the numbers that say so and the usual remedy.

    A few images, always the same, are looked at when training begins, after 10 and 25 steps and then every `every`. It
    finds, by name: "complete collapse", "dimensional collapse", "cluster collapse", "constant teacher", "dead queue",
    "loss below its theoretical floor", "loss at its chance value", "gradient vanished", "weights stand still", "views
    all alike", "labels leaking" and "loss not finite"; and of semi-supervised classifiers, where it lasts for
    `patience` updates, "pseudo-labels in one class", "no pseudo-labels used" and "teacher worse than student" (which
    needs `y`); what each of them means is said in
    `keras_ssl.evaluation.diagnosis`. A finding is warned of once (a `TrainingWarning`) and kept in `findings`.

    A look computes what a training step would on these images, with the views of the first step, outside of the
    compiled step: loss, embeddings (by batch statistics) and gradient. Training is untouched: weights, optimizer,
    random numbers and the compiled step are as without it. Like TensorBoard's callback it makes Keras wait for each
    step's logs.

    The progress bar shows the loss to expect beside the loss (`loss_at_chance`, `loss_floor`; see
    `model.expected_loss()`), and one line before training the value at collapse too. The number of findings is logged
    for each epoch as `findings`. Put the callback before those that read the logs (TensorBoard).

    Args:
        x: images `[N, ...]` in the type that the model expects (uint8), a tuple of ready-made views, or a batch dict
            with what else the objective needs. As many as are in a batch, for losses that depend on it.
        y: labels `[N]`, integers or strings, by which leaks are found, and a teacher is compared with its student.
            Defaults to `None`: no look for these.
        every: steps from one look to the next. Defaults to 50.
        patience: updates for which a loss may stay at its chance value, and pseudo-labels may be of no use. Defaults
            to 500.
        stop: whether a finding stops training. Defaults to False.

    Attributes:
        findings: what was found so far, each a `keras_ssl.evaluation.diagnosis.Finding`.

    Raises:
        ValueError: if an argument is out of range; from `fit`, if the model is not an objective of this library, or if
            it cannot work with so few images.

    Example:

    ```python
    doctor = keras_ssl.callbacks.CollapseDoctor(images[:256], labels[:256], stop=True)
    model.fit(images, batch_size=256, epochs=10, callbacks=[doctor])
    for finding in doctor.findings:
        print(finding.name, finding.evidence, finding.remedy)
    ```
    """

    def __init__(self, x: Any, y: Any = None, every: int = 50, patience: int = 500, stop: bool = False) -> None:
        super().__init__()
        self.batch = as_batch(x)
        if y is not None:
            self.batch["y"] = np.asarray(y)
        first = self.batch["x"][0] if is_views(self.batch["x"]) else self.batch["x"]
        for name, part in self.batch.items():
            length = len(part[0] if name == "x" and is_views(part) else part)
            if length != len(first) or length < 2:
                raise ValueError(
                    "`x` must hold two images or more, and all else one entry for each. "
                    f"Received: {len(first)} images, {name} of length {length}"
                )
        self.every = check_integer("every", every, 1)
        self.patience = check_integer("patience", patience, 1)
        self.stop = stop
        self.findings: list[Finding] = []
        self._probe: Any = None
        self._past: list[tuple[int, float]] = []
        self._past_pseudo_labels: list[tuple[int, PseudoLabelEvidence]] = []
        self._steps = self._seen = 0
        self._range: Logs = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        model = self.model
        if not isinstance(model, SSLModel):
            raise ValueError(
                "`CollapseDoctor` looks at objectives of this library. "
                f"Received: a model of type {type(model).__name__}"
            )
        self.findings, self._past, self._past_pseudo_labels, self._steps = [], [], [], 0
        self._probe = TrainingProbe(model, self.batch)
        expected = model.expected_loss()
        chance = expected.collapsed if expected.initial is None else expected.initial
        named = (("loss_at_chance", chance), ("loss_floor", expected.floor))
        self._range = {name: value for name, value in named if value is not None}
        if (self.params or {}).get("verbose"):
            say(f"{type(model).__name__}, the loss to expect: {expected} (model.expected_loss).")
        self._report(self._probe.first)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._seen = 0

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        before = self._steps
        self._steps += batch + 1 - self._seen  # with several steps per execution, more than one
        self._seen = batch + 1
        if before // self.every != self._steps // self.every or any(before < step <= self._steps for step in _EARLY):
            self._look()
        if logs is not None:
            logs.update(self._range)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs.update(self._range, findings=len(self.findings))

    def _look(self) -> None:
        self._report(self._probe.take(self.model))

    def _report(self, evidence: Any) -> None:
        known = {finding.name for finding in self.findings}
        history = {"past": tuple(self._past), "past_pseudo_labels": tuple(self._past_pseudo_labels)}
        for finding in diagnose(replace(evidence, **history, patience=self.patience)):
            if finding.name in known:
                continue
            finding = replace(finding, step=self._steps)
            self.findings.append(finding)
            warn(str(finding), TrainingWarning)
            if self.stop:
                self.model.stop_training = True
        if np.isfinite(evidence.loss):
            self._past.append((evidence.updates, evidence.loss))
        if evidence.pseudo_labels is not None:
            self._past_pseudo_labels.append((evidence.updates, evidence.pseudo_labels))
