import numpy as np

from keras_ssl.testing.check_view import check_view
from keras_ssl.views import Compose, Normalize, RandomFlip, RandomGrayscale, Solarize


def test_order_matters(unit, see):
    first = see(Compose([Solarize(0.5), Normalize(0.5, 0.5)]), unit)
    second = see(Compose([Normalize(0.5, 0.5), Solarize(0.5)]), unit)
    solarized = np.where(unit >= 0.5, 1 - unit, unit)
    np.testing.assert_allclose(first, 2 * solarized - 1, atol=1e-6)
    assert np.abs(first - second).max() > 0.1


def test_each_view_draws_its_own_numbers(unit, make_stream):
    got = Compose([RandomFlip(0.5), RandomFlip(0.5, "vertical")])(unit, make_stream(4))
    stream = make_stream(4)
    expected = RandomFlip(0.5, "vertical")(RandomFlip(0.5)(unit, stream), stream)
    np.testing.assert_array_equal(got, expected)


def test_conforms():
    check_view(Compose([RandomFlip(0.5), RandomGrayscale(0.3)]))
    check_view(Compose([RandomFlip(0.5), Normalize([0.4, 0.5, 0.6], 3 * [0.25])]))
