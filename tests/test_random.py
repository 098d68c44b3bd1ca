"""The generator is held to Random123's published vectors, to plain Python, and to statistics."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_ssl.random import Stream, current_stream, draw_from, permutation, threefry2x32

SEED, STEP = 20240117, 5
# The first three words of samples 0 and 7, the same on every backend.
WORDS = {0: (0x1080BCEE, 0xE312EC81, 0xE5E43A84), 7: (0xC1735160, 0xABF76FB4, 0x70AA5C1C)}
MASK = 0xFFFFFFFF


def slow_threefry(key, counter):
    """Threefry-2x32-20 in Python integers, one word pair at a time."""
    keys = (*key, key[0] ^ key[1] ^ 0x1BD11BDA)
    x = [(counter[0] + keys[0]) & MASK, (counter[1] + keys[1]) & MASK]
    for number in range(20):
        bits = (13, 15, 26, 6, 17, 29, 16, 24)[number % 8]
        x[0] = (x[0] + x[1]) & MASK
        x[1] = ((x[1] << bits | x[1] >> (32 - bits)) & MASK) ^ x[0]
        if number % 4 == 3:
            block = number // 4 + 1
            x[0] = (x[0] + keys[block % 3]) & MASK
            x[1] = (x[1] + keys[(block + 1) % 3] + block) & MASK
    return tuple(x)


def words(values):
    return tuple(np.asarray(v, "uint32") for v in values)


def stream(count=4, seed=SEED, step=STEP, **options):
    return Stream(seed, step, np.arange(count), **options)


def to_numpy(values):
    return ops.convert_to_numpy(values)


def compiled(function):
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    return tf.function(function, jit_compile=True, autograph=False)


@pytest.mark.parametrize("xp", [None, np], ids=["backend", "numpy"])
@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((MASK, MASK), (MASK, MASK), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_published_vectors(xp, key, counter, expected):
    key, counter = words([[k] for k in key]), words([[c] for c in counter])
    if xp is None:
        key, counter = (tuple(ops.convert_to_tensor(v) for v in pair) for pair in (key, counter))
    got = threefry2x32(key, counter, xp=xp)
    assert [int(to_numpy(word)[0]) if xp is None else int(word[0]) for word in got] == list(expected)


def test_stream_is_the_hash_of_position_and_draw():
    got = to_numpy(stream(3).bits((2, 2))).reshape(3, 4)
    expected = [[slow_threefry((SEED, STEP), (position, draw))[0] for draw in range(4)] for position in range(3)]
    np.testing.assert_array_equal(got, np.array(expected, "uint32"))


@pytest.mark.parametrize("position", sorted(WORDS))
def test_the_same_words_on_every_backend(position):
    got = to_numpy(Stream(SEED, STEP, np.array([position])).bits((3,)))[0]
    assert tuple(int(word) for word in got) == WORDS[position]


def test_draws_count_on_from_request_to_request():
    once, twice = stream(), stream()
    whole = to_numpy(once.bits((5,)))
    parts = [to_numpy(twice.bits())[:, None], to_numpy(twice.bits((2, 2))).reshape(4, 4)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    np.testing.assert_array_equal(to_numpy(stream(first_draw=2).bits((3,))), whole[:, 2:])


def test_a_second_stream_goes_on_where_the_first_one_ended():
    one, whole = stream(), to_numpy(stream().bits((5,)))
    one.bits((2,))
    assert one.next_draw == 2
    for first_draw in (one.next_draw, ops.convert_to_tensor(np.uint32(2))):
        two = stream(first_draw=first_draw)
        np.testing.assert_array_equal(to_numpy(two.bits((2,))), whole[:, 2:4])
        three = stream(first_draw=two.next_draw)
        np.testing.assert_array_equal(to_numpy(three.bits()), whole[:, 4])


@pytest.mark.slow
def test_rows_of_several_views_in_one_batch():
    one, two = stream(3), stream(3)
    whole = to_numpy(one.uniform(shape=(5,)))
    rows = to_numpy(two.uniform_rows(9, 2))
    np.testing.assert_array_equal(rows[:3], whole[:, :2])
    np.testing.assert_array_equal(to_numpy(two.uniform_rows(3, 2)), whole[:, 2:4])  # counts on
    expected = [[slow_threefry((SEED, STEP), (1 + (2 << 24), draw))[0] >> 8 for draw in (0, 1)]]
    np.testing.assert_array_equal(rows[7:8] * 2**24, expected)


def test_layers_find_the_stream_of_the_innermost_block():
    outer, inner = stream(), stream()
    assert current_stream() is None
    with draw_from(outer):
        with draw_from(inner):
            assert current_stream() is inner
        assert current_stream() is outer
        with pytest.raises(RuntimeError), draw_from(inner):
            raise RuntimeError
        assert current_stream() is outer
    assert current_stream() is None


def test_positions_decide_not_places():
    whole = to_numpy(stream(6).uniform(shape=(3,)))
    part = to_numpy(Stream(SEED, STEP, np.array([5, 1])).uniform(shape=(3,)))
    np.testing.assert_array_equal(part, whole[[5, 1]])


@pytest.mark.parametrize(("seed", "step"), [(SEED + 1, STEP), (SEED, STEP + 1), (STEP, SEED)])
def test_seed_and_step_matter(seed, step):
    other = to_numpy(stream(64, seed=seed, step=step).bits((4,)))
    assert (other == to_numpy(stream(64).bits((4,)))).mean() < 0.05


def test_large_seeds():
    top = to_numpy(stream(4, seed=2**32 - 1).bits((2,)))
    expected = [[slow_threefry((2**32 - 1, STEP), (position, draw))[0] for draw in range(2)] for position in range(4)]
    np.testing.assert_array_equal(top, np.array(expected, "uint32"))


@pytest.mark.slow
def test_compiled_equals_eager():
    """What is made of the bits without an addition is equal to the bit; ranges are to the last one or two."""

    def draw(seed, step, positions):
        numbers = Stream(seed, step, positions)
        exact = [
            numbers.bits((20,)),
            numbers.uniform(shape=(20,)),
            numbers.bernoulli(0.3, (20,)),
            numbers.integers(1000, (20,)),
            numbers.permutations(5),
        ]
        return exact, [numbers.uniform(-0.3, 0.9, (20,)), numbers.normal((20,))]

    arguments = [ops.convert_to_tensor(v) for v in words([SEED, STEP, np.arange(50)])]
    for kind, (eager, program) in enumerate(zip(draw(*arguments), compiled(draw)(*arguments), strict=True)):
        for a, b in zip(eager, program, strict=True):
            np.testing.assert_allclose(to_numpy(a), to_numpy(b), rtol=0, atol=1e-6 * kind)


def test_uniform_is_uniform():
    values = to_numpy(stream(2000).uniform(-1.0, 3.0, (50,)))
    assert values.dtype == "float32" and values.shape == (2000, 50)
    assert values.min() >= -1.0 and values.max() < 3.0
    # The standard error of the mean of 1e5 is 0.004, that of a bin of ten 0.001.
    assert abs(values.mean() - 1.0) < 0.02
    assert abs(values.var() - 16 / 12) < 0.03
    np.testing.assert_allclose(np.histogram(values, bins=10, range=(-1, 3))[0] / values.size, 0.1, atol=0.005)


def test_samples_and_draws_are_uncorrelated():
    values = to_numpy(stream(2000).uniform(shape=(8,)))
    off_diagonal = np.corrcoef(values.T)[~np.eye(8, dtype=bool)]
    assert np.abs(off_diagonal).max() < 0.1
    assert abs(np.corrcoef(values[:-1, 0], values[1:, 0])[0, 1]) < 0.1


@pytest.mark.slow
def test_bernoulli():
    assert not to_numpy(stream(5000).bernoulli(0.0)).any()
    assert to_numpy(stream(5000).bernoulli(1.0)).all()
    chosen = to_numpy(stream(20000).bernoulli(0.2))
    assert chosen.dtype == bool and abs(chosen.mean() - 0.2) < 0.015


@pytest.mark.slow
def test_integers():
    values = to_numpy(stream(20000).integers(7))
    assert values.dtype == "int32"
    np.testing.assert_allclose(np.bincount(values, minlength=7) / values.size, 1 / 7, atol=0.012)
    assert to_numpy(stream(20000).integers(2**24)).max() < 2**24
    assert not to_numpy(stream(100).integers(1)).any()


def test_normal():
    values = to_numpy(stream(2000).normal((50,)))
    assert np.isfinite(values).all()
    assert abs(values.mean()) < 0.02 and abs(values.std() - 1.0) < 0.02
    assert abs((values**4).mean() - 3.0) < 0.15  # the kurtosis of a normal
    assert abs((np.abs(values) > 2.0).mean() - 0.0455) < 0.005


def test_permutations():
    values = to_numpy(stream(6000).permutations(3))
    assert values.dtype == "int32"
    np.testing.assert_array_equal(np.sort(values, axis=1), np.tile(np.arange(3), (6000, 1)))
    counts = np.unique(values, axis=0, return_counts=True)[1]
    np.testing.assert_allclose(counts / 6000, 1 / 6, atol=0.03)


def test_permutation_of_an_epoch():
    order = permutation(1000, seed=3, epoch=2)
    assert order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    np.testing.assert_array_equal(order, permutation(1000, seed=3, epoch=2))
    for other in (permutation(1000, seed=3, epoch=3), permutation(1000, seed=4, epoch=2), np.arange(1000)):
        assert (order == other).mean() < 0.02


def test_permutation_sorts_by_the_hash():
    keys = [slow_threefry((3, 2), (position, MASK)) for position in range(50)]
    np.testing.assert_array_equal(permutation(50, seed=3, epoch=2), sorted(range(50), key=keys.__getitem__))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_permutation_of_few(count):
    np.testing.assert_array_equal(np.sort(permutation(count, seed=0, epoch=0)), np.arange(count))
