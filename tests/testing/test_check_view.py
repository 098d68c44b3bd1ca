import keras
import numpy as np
import pytest
from keras import ops

from keras_ssl.testing.check_view import check_view
from keras_ssl.views import Identity, MultiView, RandomFlip, View

SIZE = 4


def column(values):
    return ops.reshape(values, (-1, 1, 1, 1))


@keras.saving.register_keras_serializable(package="tests")
class Fade(View):
    """A view that is right; each test below breaks one thing in it."""

    def __init__(self, least=0.5):
        self.least = least

    def apply(self, images, stream):
        return images * column(stream.uniform(self.least, 1.0))

    def get_config(self):
        return {**super().get_config(), "least": self.least}


def broken(**members):
    """A registered subclass of `Fade` with these members."""
    cls = type("Broken", (Fade,), members)
    return keras.saving.register_keras_serializable(package="tests")(cls)()


def fails(check, view):
    with pytest.raises(ValueError, match=f"fails `{check}`"):
        check_view(view, image_size=SIZE)


@pytest.mark.parametrize("view", [Fade(), Identity(), MultiView([Fade(0.2), RandomFlip()])])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_passes_what_is_right(view, channels):
    check_view(view, image_size=SIZE, channels=channels)


def test_takes_views_only():
    with pytest.raises(ValueError, match="`view` must be a keras_ssl.views.View. Received: view="):
        check_view(lambda images, stream: images)


def test_output_dtype():
    fails("output", broken(apply=lambda self, x, stream: ops.cast(x, "float16")))


def test_output_rank():
    fails("output", broken(apply=lambda self, x, stream: ops.mean(x, axis=-1)))


def test_output_not_finite():
    fails("output", broken(apply=lambda self, x, stream: x / (x - x)))


def test_range():
    fails("range", broken(apply=lambda self, x, stream: x * 1.5))
    check_view(
        broken(apply=lambda self, x, stream: x * 1.5 * column(stream.uniform()), unit_range=False),
        image_size=SIZE,
    )


def test_config_that_forgets():
    fails("config", broken(get_config=lambda self: {"less": self.least}))


def test_config_that_is_not_json():
    fails("config", broken(get_config=lambda self: {"least": np.float32(self.least)}))


def test_config_that_changes():
    fails("config", broken(get_config=lambda self: {"least": self.least / 2}))


def test_config_that_hides_an_argument():
    class Hidden(Fade):
        made = 0

        def __init__(self):
            type(self).made += 1
            super().__init__(0.5 if type(self).made == 1 else 0.7)

        def get_config(self):
            return {}

    fails("config", keras.saving.register_keras_serializable(package="tests")(Hidden)())


def test_uint8():
    def call(self, x, stream):
        return self.apply(ops.cast(x, "float32") / 256.0 if x.dtype == "uint8" else x, stream)

    fails("uint8", broken(__call__=call))


def test_repeatable():
    rng = np.random.default_rng(0)
    fails("repeatable", broken(apply=lambda self, x, stream: x * rng.random(), supports_jit=False))


def test_random_that_is_not():
    fails("random", broken(apply=lambda self, x, stream: x))


def test_random_without_saying_so():
    fails("random", broken(is_random=False))


def test_one_draw_for_the_whole_batch():
    fails("independence", broken(apply=lambda self, x, stream: x * stream.uniform()[0]))


def test_statistics_of_the_batch():
    fails("independence", broken(apply=lambda self, x, stream: x * ops.mean(x) * column(stream.uniform())))


def test_numbers_by_place_instead_of_position():
    def apply(self, x, stream):
        place = ops.cast(ops.arange(ops.shape(x)[0]), "float32")
        return x * column(stream.uniform() / (1.0 + place))

    fails("independence", broken(apply=apply))


def test_not_compilable():
    """What depends on values in Python cannot be compiled, and says so itself."""

    def apply(self, x, stream):
        factors = column(stream.uniform())
        return x * factors if float(ops.max(x)) > 0.0 else x

    fails("compiled", broken(apply=apply))
    check_view(broken(apply=apply, supports_jit=False), image_size=SIZE)


def test_compiled_that_differs():
    def apply(self, x, stream):
        traced = type(x).__name__ in ("SymbolicTensor", "DynamicJaxprTracer")
        return x * column(stream.uniform(0.5, 1.0)) * (0.9 if traced else 1.0)

    fails("compiled", broken(apply=apply))
