"""Public conformance suites for objectives, encoders and views: the library's own and yours."""

from keras_ssl.testing.check_encoder import check_encoder
from keras_ssl.testing.check_objective import check_objective, check_objectives
from keras_ssl.testing.check_view import check_view

__all__ = ["check_encoder", "check_objective", "check_objectives", "check_view"]
