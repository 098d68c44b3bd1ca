import keras
import numpy as np
import pytest

from keras_ssl.training.batch import (
    as_arrays,
    as_batch,
    check_inputs,
    in_tuples,
    is_views,
    sample_count,
    split_arrays,
)
from keras_ssl.training.fields import Field

IMAGES = np.arange(6 * 4 * 4 * 3, dtype="float32").reshape(6, 4, 4, 3)
LABELS = np.arange(6)
TABLE = np.arange(30, dtype="float32").reshape(6, 5)


def same(have, want):
    """Equal, and made of the very arrays that were given."""
    assert set(have) == set(want)
    for key, value in want.items():
        if isinstance(value, tuple | list):
            assert len(have[key]) == len(value)
            assert all(a is b for a, b in zip(have[key], value, strict=True))
        else:
            assert have[key] is value


def test_is_views():
    assert is_views((IMAGES, IMAGES)) and is_views([IMAGES])
    assert not is_views(IMAGES) and not is_views({"x": IMAGES})


@pytest.mark.parametrize("kind", [tuple, list])
def test_a_batch_from_every_form(kind):
    view = IMAGES[:, :2, :2]
    same(as_batch(IMAGES), {"x": IMAGES})
    same(as_batch(kind([IMAGES])), {"x": IMAGES})
    same(as_batch(kind([IMAGES, None])), {"x": IMAGES})
    same(as_batch(kind([IMAGES, None, None])), {"x": IMAGES})
    same(as_batch(kind([IMAGES, LABELS])), {"x": IMAGES, "y": LABELS})
    same(as_batch(kind([TABLE, LABELS])), {"x": TABLE, "y": LABELS})
    same(as_batch(kind([IMAGES, TABLE])), {"x": IMAGES, "y": TABLE})
    same(as_batch(kind([IMAGES, view])), {"x": (IMAGES, view)})
    same(as_batch(kind([IMAGES, IMAGES, view])), {"x": (IMAGES, IMAGES, view)})
    same(as_batch(kind([TABLE, TABLE])), {"x": (TABLE, TABLE)})
    same(as_batch(kind([(IMAGES, view)])), {"x": (IMAGES, view)})
    same(as_batch(kind([(IMAGES, view), LABELS])), {"x": (IMAGES, view), "y": LABELS})
    same(as_batch(kind([{"x": IMAGES, "y": LABELS}])), {"x": IMAGES, "y": LABELS})
    same(as_batch(kind([{"x": IMAGES, "y": LABELS}, None])), {"x": IMAGES, "y": LABELS})


def test_a_batch_from_a_dict_is_a_new_dict_without_what_is_none():
    given = {"x": IMAGES, "y": None, "index": LABELS, "group": LABELS}
    batch = as_batch(given)
    same(batch, {"x": IMAGES, "index": LABELS, "group": LABELS})
    batch["step"] = 1
    assert set(given) == {"x", "y", "index", "group"}


def test_backend_tensors_serve_as_arrays_do():
    x, y = keras.ops.convert_to_tensor(IMAGES), keras.ops.convert_to_tensor(LABELS)
    same(as_batch((x, y)), {"x": x, "y": y})
    same(as_batch((x, x)), {"x": (x, x)})


def test_an_unknown_key_is_named():
    with pytest.raises(
        ValueError, match=r"x, y, index, group, stream, box and no others. Received: keys=\['label', 'x'\]"
    ):
        as_batch({"x": IMAGES, "label": LABELS})


@pytest.mark.parametrize(
    ("batch", "required", "named"),
    [
        ({"y": LABELS}, (), "key 'x'"),
        ({"x": IMAGES}, ("y",), "key 'y'"),
        ({"x": IMAGES, "y": None}, ("y",), "key 'y'"),
        ({"x": IMAGES, "y": LABELS}, ("y", "index", "group"), "keys 'index', 'group'"),
    ],
)
def test_a_missing_key_is_named(batch, required, named):
    with pytest.raises(ValueError, match=f"batch {named}: .*Received: keys="):
        as_batch(batch, {name: Field("int32") for name in required})


def test_required_fields_that_are_there_pass():
    same(as_batch((IMAGES, LABELS), {"y": Field("int32")}), {"x": IMAGES, "y": LABELS})


@pytest.mark.parametrize(
    "parts", [(IMAGES, LABELS, LABELS), (LABELS, IMAGES), (IMAGES, IMAGES, LABELS), ()], ids=range(4)
)
def test_other_tuples_are_refused_with_their_shapes(parts):
    with pytest.raises(ValueError, match=r"sample weights are not supported. Received: .* shapes \["):
        as_batch(parts)


def test_labels_beside_a_dict_are_refused():
    with pytest.raises(ValueError, match="under 'y'. Received: a pair of a dict and labels"):
        as_batch(({"x": IMAGES}, LABELS))


def test_sample_count():
    assert sample_count({"x": IMAGES}) == 6
    assert sample_count({"x": (TABLE, TABLE[:, :2])}) == 6
    assert sample_count({"x": keras.ops.convert_to_tensor(IMAGES)}) == 6


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX knows every shape")
def test_sample_count_of_a_batch_of_unknown_length():
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, 5))])
    def count(x):
        return sample_count({"x": x})

    assert int(count(TABLE)) == 6


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float32", "float64"])
def test_inputs_that_fit(dtype):
    check_inputs(IMAGES.astype(dtype), (None, 4, 4, 3))
    check_inputs(IMAGES.astype(dtype), (None, None, None, 3))
    check_inputs(IMAGES.astype(dtype), (None, 9, 9, 3))  # views bring other sizes to that of the encoder
    check_inputs((IMAGES.astype(dtype), IMAGES.astype(dtype)), (None, 4, 4, 3))
    check_inputs(TABLE.astype(dtype), (None, 5))


def test_backend_tensors_that_fit():
    for dtype in ("uint8", "bfloat16", "float32"):
        check_inputs(keras.ops.cast(keras.ops.convert_to_tensor(IMAGES), dtype), (None, 4, 4, 3))


def test_ready_made_views_must_have_the_size_of_the_encoder():
    views = (IMAGES, IMAGES[:, :2])
    check_inputs(views, (None, None, None, 3))
    with pytest.raises(ValueError, match=r"size 4 in dimension 1.*Received: x.shape=\(6, 2, 4, 3\)"):
        check_inputs(views, (None, 4, 4, 3))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (IMAGES[..., :1], r"3 channels.*Received: x.shape=\(6, 4, 4, 1\)"),
        ((IMAGES, IMAGES[..., :1]), r"3 channels.*Received: x.shape=\(6, 4, 4, 1\)"),
        (IMAGES[0], r"4 dimensions.*Received: x.shape=\(4, 4, 3\)"),
        (TABLE, r"4 dimensions.*Received: x.shape=\(6, 5\)"),
        (IMAGES.astype("complex64"), "Received: dtype=complex64"),
        (IMAGES.astype(str), "Received: dtype=<U"),
        (IMAGES[:1], r"at least two samples.*Received: x.shape=\(1, 4, 4, 3\)"),
    ],
    ids=[
        "channels",
        "channels of a view",
        "one image",
        "a table",
        "complex",
        "text",
        "one sample",
    ],
)
def test_inputs_that_do_not_fit(x, message):
    with pytest.raises(ValueError, match=message):
        check_inputs(x, (None, 4, 4, 3))


def test_arrays_from_every_form():
    same(as_arrays(IMAGES, None), {"x": IMAGES})
    same(as_arrays(IMAGES, LABELS), {"x": IMAGES, "y": LABELS})
    same(as_arrays((IMAGES, IMAGES), None), {"x": (IMAGES, IMAGES)})
    same(as_arrays((IMAGES, IMAGES), LABELS), {"x": (IMAGES, IMAGES), "y": LABELS})
    same(as_arrays((IMAGES, LABELS), None), {"x": IMAGES, "y": LABELS})
    same(as_arrays({"x": IMAGES, "group": LABELS, "y": None}, None), {"x": IMAGES, "group": LABELS})
    same(as_arrays({"x": [IMAGES, IMAGES]}, LABELS), {"x": (IMAGES, IMAGES), "y": LABELS})


def test_arrays_from_tensors_and_lists_of_labels():
    arrays = as_arrays(keras.ops.convert_to_tensor(IMAGES), [0, 1, 2, 3, 4, 5])
    assert {type(value) for value in arrays.values()} == {np.ndarray}
    np.testing.assert_array_equal(arrays["x"], IMAGES)
    np.testing.assert_array_equal(arrays["y"], LABELS)


def test_a_data_set_is_no_array():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 1

    assert as_arrays(Batches(), None) is None
    assert as_arrays(iter([IMAGES]), None) is None


def test_split_keeps_the_last_part_of_every_array():
    arrays = {"x": IMAGES, "y": LABELS}
    train, held = split_arrays(arrays, 0.34)
    np.testing.assert_array_equal(train["y"], [0, 1, 2])
    np.testing.assert_array_equal(held["y"], [3, 4, 5])
    np.testing.assert_array_equal(train["x"], IMAGES[:3])
    np.testing.assert_array_equal(held["x"], IMAGES[3:])


def test_split_cuts_every_ready_made_view():
    train, held = split_arrays({"x": (IMAGES, TABLE), "group": LABELS}, 0.5)
    assert [len(part) for part in train["x"]] == [3, 3]
    np.testing.assert_array_equal(held["x"][1], TABLE[3:])
    np.testing.assert_array_equal(held["group"], [3, 4, 5])


@pytest.mark.parametrize("fraction", [1.0, 1.5, -0.2])
def test_split_refuses_fractions_that_leave_nothing(fraction):
    with pytest.raises(ValueError, match=f"`validation_split` must lie in .* Received: validation_split={fraction}"):
        split_arrays({"x": IMAGES}, fraction)


@pytest.mark.parametrize("convert", [np.asarray, keras.ops.convert_to_tensor])
def test_a_column_of_labels_is_a_row(convert):
    for fields in ({}, {"y": Field("int32")}):
        batch = as_batch({"x": IMAGES, "y": convert(LABELS[:, np.newaxis])}, fields)
        np.testing.assert_array_equal(batch["y"], LABELS)


def test_one_hot_labels_are_an_error_where_labels_are_used():
    hot = np.eye(6)
    with pytest.raises(ValueError, match=r"argmax\(axis=1\)`. Received: y.shape=\(6, 6\)"):
        as_batch({"x": IMAGES, "y": hot}, {"y": Field("int32")})
    assert as_batch((IMAGES, hot))["y"] is hot  # nothing uses them


def test_a_generator_may_yield_bare_arrays():
    def batches():
        yield IMAGES
        yield (IMAGES, LABELS)
        yield [IMAGES, IMAGES]
        yield {"x": IMAGES}

    found = list(in_tuples(batches()))
    assert [type(batch) for batch in found] == [tuple] * 4 and [len(batch) for batch in found] == [1, 2, 2, 1]
    same(as_batch(found[0]), {"x": IMAGES})
    same(as_batch(found[3]), {"x": IMAGES})
    assert in_tuples(IMAGES) is IMAGES
