"""What the classifiers share that know classes by their moments."""

import numpy as np

from keras_ssl.evaluation.class_moments import ClassMoments
from keras_ssl.evaluation.streaming_probe import StreamingProbe


class MomentsProbe(StreamingProbe):
    """Base of the streaming classifiers that need counts, means and variances of classes and nothing else.

    A subclass writes `_decision`.
    """

    def _start(self, width: int) -> None:
        self.moments_ = ClassMoments(width)

    def _add_class(self, number: int) -> None:
        self.moments_.add_class(number)

    def _update(self, features: np.ndarray, numbers: np.ndarray) -> None:
        self.moments_.update(features, numbers)

    @property
    def means_(self) -> np.ndarray:
        return self.moments_.means

    @property
    def counts_(self) -> np.ndarray:
        return self.moments_.counts
