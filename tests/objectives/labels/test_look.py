"""What LOOK computes: neighbors in batch and queue, the sample itself left out."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses import leave_one_out_knn_loss
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step
from tests.objectives.reference import draws, unit, value
from tests.objectives.tiny import EAGERLY

LABELS = np.array([0, 1, 0, 2, -1, 1], "int32")


def slow(q, k, y, index, entries, entry_y, entry_index, neighbors, temperature):
    total, count = 0.0, 0
    bank, names, numbers = [*k, *entries], [*y, *entry_y], [*index, *entry_index]
    for i in range(len(q)):
        scores = {
            j: unit(q)[i].astype("float64") @ (bank[j] / np.linalg.norm(bank[j])) / temperature
            for j in range(len(bank))
            if names[j] >= 0 and j != i and (index[i] < 0 or numbers[j] != index[i])
        }
        near = sorted(scores, key=lambda j: -scores[j])[:neighbors]
        if y[i] >= 0 and any(names[j] == y[i] for j in near):
            own = np.sum([np.exp(scores[j]) for j in near if names[j] == y[i]])
            total -= np.log(own / np.sum([np.exp(scores[j]) for j in near]))
            count += 1
    return total / count


@pytest.mark.parametrize("numbered", [True, False])
def test_equals_the_reference_with_batch_and_queue(numbered):
    model = tiny_model("LOOK", queue_size=9, neighbors=9, temperature=0.5)
    q, k, old = draws(6, 12), unit(draws(6, 12, seed=1)), unit(draws(6, 12, seed=2))
    index = np.arange(6, dtype="int32") if numbered else np.full(6, -1, "int32")
    before = {"q1": q, "k2": old, "y": LABELS[::-1].copy(), "index": index + 3 if numbered else index}
    model.after_step({name: keras.ops.convert_to_tensor(v) for name, v in before.items()}, True, Step.at(6))
    loss, _ = model.objective(
        {n: keras.ops.convert_to_tensor(v) for n, v in {"q1": q, "k2": k, "y": LABELS, "index": index}.items()},
        Step.at(6),
    )
    expected = slow(q, k, LABELS, index, old, LABELS[::-1], before["index"], 9, 0.5)
    assert value(loss) == pytest.approx(expected, rel=1e-5)


def test_the_queue_takes_the_teachers_keys_with_labels_and_numbers():
    model = tiny_model("LOOK", queue_size=24, momentum=0.9)
    model.compile("sgd", run_eagerly=EAGERLY)
    x = np.random.RandomState(0).randint(0, 256, (12, 16, 16, 3)).astype("uint8")
    y = np.arange(12) % 3
    model.fit(x, y, batch_size=12, verbose=0, shuffle=False)
    rows = np.asarray(keras.ops.convert_to_numpy(model.queue.contents))
    numbers = rows[:12, -1].astype(int) - 1
    assert sorted(numbers) == list(range(12)) and not rows[12:].any()
    np.testing.assert_array_equal(rows[:12, -2] - 1, y[numbers])
    np.testing.assert_allclose(np.linalg.norm(rows[:12, :-2], axis=1), 1.0, rtol=1e-5)


def test_without_labels_there_is_no_loss():
    model = tiny_model("LOOK")
    z = {"q1": draws(4, 12), "k2": draws(4, 12), "y": np.full(4, -1, "int32"), "index": np.arange(4, dtype="int32")}
    assert value(model.objective({n: keras.ops.convert_to_tensor(v) for n, v in z.items()}, Step.at(4))[0]) == 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"neighbors": 0}, "Received: neighbors=0"),
        ({"neighbors": 99, "queue_size": 32}, "Received: neighbors=99"),
        ({"queue_size": 0}, "Received: queue_size=0"),
        ({"temperature": np.nan}, "Received: temperature=nan"),
        ({"temperature": np.inf}, "Received: temperature=inf"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        keras_ssl.LOOK(tiny_encoder(), **options)


def test_a_batch_beyond_the_queue_is_refused():
    model = tiny_model("LOOK", queue_size=8)
    model.compile("sgd")
    with pytest.raises(ValueError, match="at least one global batch"):
        model.fit(np.zeros((12, 16, 16, 3), "uint8"), np.zeros(12, "int32"), batch_size=12, verbose=0)


def test_the_loss_is_exported_for_use_alone():
    assert keras_ssl.losses.leave_one_out_knn_loss is leave_one_out_knn_loss
