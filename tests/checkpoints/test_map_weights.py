import numpy as np
import pytest

from keras_ssl.checkpoints import CheckpointError, MappedWeight, WeightTable, map_weights
from keras_ssl.checkpoints.weight_table import conv_kernel, dense_kernel

TABLE = WeightTable(
    {
        "conv.weight": MappedWeight("conv/kernel", conv_kernel),
        "fc.weight": MappedWeight("head/kernel", dense_kernel),
        "fc.bias": MappedWeight("head/bias"),
    },
    (r"queue|queue_ptr", r".*\.num_batches_tracked"),
)
VARIABLES = {"conv/kernel": np.zeros((4, 5, 3, 2)), "head/kernel": np.zeros((6, 7)), "head/bias": np.zeros(7)}


def arrays():
    rng = np.random.default_rng(0)
    return {
        "queue": np.zeros(9),
        "conv.weight": rng.normal(size=(2, 3, 4, 5)),
        "bn.num_batches_tracked": np.array(3),
        "fc.weight": rng.normal(size=(7, 6)),
        "fc.bias": rng.normal(size=7),
    }


def test_every_weight_goes_to_its_place():
    given = arrays()
    mapped = map_weights(given, TABLE, VARIABLES, "a.pth")
    assert set(mapped) == set(VARIABLES)
    np.testing.assert_array_equal(mapped["conv/kernel"], given["conv.weight"].transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(mapped["head/kernel"], given["fc.weight"].T)
    np.testing.assert_array_equal(mapped["head/bias"], given["fc.bias"])


def test_other_names_of_the_same_weights():
    table = WeightTable(TABLE.weights, TABLE.ignored, ((r"(\d)\.(.+)", r"head.\2"), (r"head\.(.+)", r"fc.\1")))
    given = arrays()
    expected = map_weights(given, table, VARIABLES, "a.pth")
    given["3.bias"] = given.pop("fc.bias")
    mapped = map_weights(given, table, VARIABLES, "a.pth")
    np.testing.assert_array_equal(mapped["head/bias"], expected["head/bias"])
    with pytest.raises(CheckpointError, match=r"encoder; twice: fc\.bias\. Is"):
        map_weights(given | {"fc.bias": np.zeros(7)}, table, VARIABLES, "a.pth")
    with pytest.raises(CheckpointError, match=r"extra: 3\.scale\. Is"):
        map_weights(given | {"3.scale": np.zeros(7)}, table, VARIABLES, "a.pth")


def without(key):
    return {name: array for name, array in arrays().items() if name != key}


@pytest.mark.parametrize(
    "given, message",
    [
        (without("fc.bias"), r"encoder; missing: fc\.bias\. Is"),
        (arrays() | {"layer9.weight": np.zeros(1)}, r"encoder; extra: layer9\.weight\. Is"),
        (arrays() | {"queue_ptr_2": np.zeros(1)}, "extra: queue_ptr_2"),
        (
            arrays() | {"conv.weight": np.zeros((2, 3, 7, 7))},
            r"of another shape: conv\.weight \(2, 3, 7, 7\) for conv/kernel \(4, 5, 3, 2\)\. Is",
        ),
        (arrays() | {"conv.weight": np.zeros(2)}, r"of another shape: conv\.weight \(2,\) for conv/kernel"),
        (arrays() | {"fc.weight": np.zeros((6, 7))}, r"of another shape: fc\.weight \(6, 7\) for head/kernel \(6, 7\)"),
        (arrays() | {"fc.bias": np.zeros(7, "int64")}, r"not floating-point: fc\.bias of int64"),
        (without("conv.weight") | {"conv1.weight": np.zeros(1)}, r"missing: conv\.weight; extra: conv1\.weight"),
    ],
)
def test_every_key_is_accounted_for(given, message):
    with pytest.raises(CheckpointError, match=f"{message}.*Received: source='a.pth'"):
        map_weights(given, TABLE, VARIABLES, "a.pth")


@pytest.mark.parametrize(
    "table, message",
    [
        ({"a": MappedWeight("head/bias")}, "without a key: conv/kernel, head/kernel"),
        (TABLE.weights | {"a": MappedWeight("other")}, "not of the model: other"),
        (TABLE.weights | {"a": MappedWeight("head/bias")}, "twice: head/bias"),
    ],
)
def test_a_table_that_is_not_the_models(table, message):
    with pytest.raises(ValueError, match=f"each of the model's weights once; {message}"):
        map_weights(arrays(), WeightTable(table), VARIABLES, "a.pth")
