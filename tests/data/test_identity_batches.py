import numpy as np
import pytest

from keras_ssl.data import identity_batches

Y = np.array([0] * 5 + [1] * 8 + [2] * 3 + [3] * 4 + [-1] * 2)
X = np.arange(len(Y))[:, None] * np.ones((1, 2), "float32")


def batches(data):
    return [data[k] for k in range(len(data))]


@pytest.mark.parametrize("images", [1, 2, 4])
def test_groups_hold_different_images_of_one_identity(images):
    data = identity_batches(X, Y, batch_size=4, images=images)
    seen = []
    for batch in batches(data):
        assert batch["y"].shape == (4,) and batch["x"].shape == (4, 2)
        np.testing.assert_array_equal(batch["x"][:, 0], batch["index"])
        np.testing.assert_array_equal(batch["y"], Y[batch["index"]])
        assert (batch["y"].reshape(-1, images) == batch["y"].reshape(-1, images)[:, :1]).all()
        seen += batch["index"].tolist()
    assert len(seen) == len(set(seen)) and -1 not in Y[seen]
    groups = sum(count // images for count in (5, 8, 3, 4))
    assert len(data) == groups * images // 4


def test_epochs_differ_and_repeat():
    first, again = (identity_batches(X, Y, batch_size=4, seed=3) for _ in range(2))
    orders = []
    for _ in range(3):
        orders.append(first.order().tolist())
        np.testing.assert_array_equal(first.order(), again.order())
        first.on_epoch_end()
        again.on_epoch_end()
    assert orders[0] != orders[1] != orders[2]
    assert identity_batches(X, Y, batch_size=4, seed=3, epoch=2).order().tolist() == orders[2]
    assert identity_batches(X, Y, batch_size=4, seed=4).order().tolist() != orders[0]


def test_the_number_of_images_grows_by_epoch():
    data = identity_batches(X, Y, batch_size=4, images=(1, 2, 4))
    for size in (1, 2, 4, 4):
        groups = data.order().reshape(-1, size)
        assert (Y[groups] == Y[groups][:, :1]).all() and len(data) == 4
        data.on_epoch_end()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": 3}, "Received: batch_size=4"),
        ({"images": []}, r"Received: images=\[\]"),
        ({"images": 0}, "Received: images=0"),
        ({"y": Y[:3]}, "Received: 22 and 3"),
        ({"y": Y * 0.5}, "Received: y.dtype=float32"),
        ({"batch_size": 40, "images": 20}, "Received: batch_size=40"),
        ({"batch_size": 0}, "Received: batch_size=0"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        identity_batches(**{"x": X, "y": Y, "batch_size": 4, **options})
