import keras
import numpy as np
import pytest

from keras_ssl.callbacks.training_probe import TrainingProbe
from tests.objectives.tiny import OBJECTIVES


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dino", "sup_con"])
def test_takes_crops_of_several_sizes_and_images_without_labels(name):
    """It looks at the first embedding, DINO's bottleneck of 12 dimensions; and nothing of the model changes."""
    model = OBJECTIVES[name]()
    model.compile("sgd")
    before = [np.array(weight) for weight in model.get_weights()]
    images = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
    probe = TrainingProbe(model, {"x": images})
    evidence = probe.first
    assert (evidence.now.samples, evidence.now.width) == (24, 12) and np.isfinite(evidence.loss)
    assert (evidence.prototypes, evidence.teacher_moved) == ((10, 0.0) if name == "dino" else (None, None))
    assert evidence.updates == 0 and evidence.gradient > 0 and evidence.label_share is None
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)

    model.encoder.trainable_variables[0].assign_add(keras.ops.ones(model.encoder.trainable_variables[0].shape))
    moved = probe.take(model)
    assert moved.student_moved > 0 and moved.loss != evidence.loss and moved.start == evidence.now
