"""What TransitiveInvariance computes: triplets of a pair and of samples of other groups."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step
from tests.losses.metric.test_graph_triplet_loss import GROUPS, reference
from tests.objectives.reference import draws, value
from tests.objectives.tiny import EAGERLY


@pytest.mark.parametrize("negatives", [None, 2])
def test_equals_the_reference(negatives):
    model = tiny_model("TransitiveInvariance", margin=0.8, negatives=negatives)
    z = {"z1": draws(6, 12), "z2": draws(6, 12, seed=1), "group": GROUPS}
    loss, _ = model.objective({n: keras.ops.convert_to_tensor(v) for n, v in z.items()}, Step.at(6))
    expected = reference(z["z1"].astype("float64"), z["z2"].astype("float64"), GROUPS, 0.8, negatives)
    assert value(loss) == pytest.approx(expected, rel=1e-5)


def test_pairs_of_a_graph_train_with_and_without_groups():
    graph = keras_ssl.data.transitive_pairs([[0, 1], [4, 5]], [[0, 2], [1, 3], [5, 6]], count=8)
    first, second = graph.all.T
    x = np.random.RandomState(0).randint(0, 256, (8, 16, 16, 3)).astype("uint8")
    model = keras_ssl.TransitiveInvariance(tiny_encoder(), projector=(12,))
    model.compile("sgd", run_eagerly=EAGERLY)
    data = {"x": (x[first], x[second]), "group": graph.components[first].astype("int32")}
    for batch in (data, {"x": data["x"]}):
        assert np.isfinite(model.fit(batch, batch_size=len(first), verbose=0).history["loss"][0])


@pytest.mark.parametrize(
    ("options", "message"), [({"margin": np.inf}, "margin=inf"), ({"negatives": 0}, "negatives=0")]
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.TransitiveInvariance(tiny_encoder(), **options)
