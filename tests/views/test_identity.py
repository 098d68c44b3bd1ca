import numpy as np

from keras_ssl.testing.check_view import check_view
from keras_ssl.views import Identity


def test_changes_nothing_and_draws_nothing(unit, make_stream):
    stream, fresh = make_stream(4), make_stream(4)
    np.testing.assert_array_equal(Identity()(unit, stream), unit)
    np.testing.assert_array_equal(stream.bits(), fresh.bits())


def test_conforms():
    check_view(Identity())
