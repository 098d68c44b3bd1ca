"""Held to the view itself, which is called directly, in one piece and without XLA."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_ssl.random import Stream
from keras_ssl.views import (
    BatchStylesStandardization,
    Compose,
    Identity,
    MultiCrop,
    MultiView,
    RandomFlip,
    RandomGrayscale,
    RandomResizedCrop,
    Solarize,
    View,
    barlow_twins,
    byol,
    dino,
    simclr,
)
from keras_ssl.views.functional.separable import local_sums_pay

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="how TensorFlow makes views")

SEED, STEP = 2**32 - 3, 5


class Counted(Identity):
    """Its Python runs once for each program that holds it; it draws a number."""

    def __init__(self):
        self.traced = 0
        self.batches = []

    def apply(self, images, stream):
        self.traced += 1
        self.batches.append(images.shape[0])
        return images + ops.reshape(stream.uniform(), (-1, 1, 1, 1))


def images_of(count, size=16):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), "uint8")


def programs_of(view, *sizes, on_cpu=True, dynamic=False, before=None, image_size=16):
    """A function of images that runs the view's programs, for batches of one size or of any."""
    import tensorflow as tf

    from keras_ssl.views.view_programs import ViewPrograms

    made = ViewPrograms(view, on_cpu=on_cpu) if before is None else ViewPrograms(view, before, on_cpu)

    def run(images, step):
        return made(images, SEED, step, tf.range(tf.shape(images)[0]) + 100)

    signature = [tf.TensorSpec([None, image_size, image_size, 3], tf.uint8), tf.TensorSpec([], tf.int32)]
    call = tf.function(run, autograph=False, input_signature=signature if dynamic else None)
    return lambda images: [view.numpy() for view in call(tf.constant(images), tf.constant(STEP))]


def direct(view, images):
    made = view(images, Stream(SEED, STEP, np.arange(len(images)) + 100))
    return [ops.convert_to_numpy(one) for one in (made if isinstance(made, list) else [made])]


def assert_equal(got, expected, atol=1e-6):
    assert [view.shape for view in got] == [view.shape for view in expected]
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)


@pytest.fixture
def chunks_of_two(monkeypatch):
    """Chunks of two images of 16 pixels."""
    import keras_ssl.views.view_programs as module

    monkeypatch.setattr(module, "_CHUNK_BYTES", 3 * 16 * 16 * 3 * 4)


PIPELINE = Compose([RandomResizedCrop(8), RandomFlip(0.5), RandomGrayscale(0.3)])


@pytest.mark.parametrize("dynamic", [False, True])
def test_any_number_of_images_goes_through_in_chunks(chunks_of_two, dynamic):
    view = MultiView([PIPELINE, RandomFlip(0.5), PIPELINE])
    programs = programs_of(view, dynamic=dynamic)
    for count in (1, 2, 3, 6, 7):
        assert_equal(programs(images_of(count)), direct(view, images_of(count)))


def test_a_batch_of_another_size_needs_no_new_program(chunks_of_two):
    counted = Counted()
    programs = programs_of(counted, dynamic=True)
    for count in (4, 5, 9):
        assert len(programs(images_of(count))[0]) == count
    assert counted.traced == 1


def test_chunks_of_a_known_batch_are_alike(monkeypatch):
    import keras_ssl.views.view_programs as module

    monkeypatch.setattr(module, "_CHUNK_BYTES", 4 * 16 * 16 * 3 * 4)
    counted = Counted()
    assert_equal(programs_of(counted)(images_of(6)), direct(counted, images_of(6)))
    assert counted.batches[0] == 3  # not 4 and the 2 left over


def test_an_empty_batch():
    assert programs_of(PIPELINE, dynamic=True)(images_of(0))[0].shape == (0, 8, 8, 3)


@pytest.mark.parametrize("on_cpu", [True, False])
def test_one_object_is_compiled_once(on_cpu):
    counted = Counted()
    view = MultiView([counted, counted, Compose([counted, RandomFlip(0.5)]), Compose([counted, Solarize()])])
    programs = programs_of(view, on_cpu=on_cpu)
    got = programs(images_of(4))
    assert counted.traced == 1
    assert_equal(got, direct(view, images_of(4)))
    assert np.abs(got[0] - got[1]).max() > 0.01  # each draws its own numbers


def test_equal_objects_are_not_taken_for_one():
    class Careless(View):
        """Says nothing of its argument, so that all of its views are equal."""

        def __init__(self, by):
            self.by = by

        def apply(self, images, stream):
            return images * self.by

        def get_config(self):
            return {}

    view = MultiView([Careless(0.5), Careless(0.25)])
    assert view.views[0] == view.views[1]
    assert_equal(programs_of(view)(images_of(2)), direct(view, images_of(2)))


def test_subclasses_that_do_otherwise_are_not_taken_apart():
    class Backwards(Compose):
        def apply(self, images, stream):
            for view in reversed(self.views):
                images = view.apply(images, stream)
            return images

    class Twice(MultiView):
        def apply(self, images, stream):
            return [view.apply(images, stream) for view in (*self.views, *self.views)]

    backwards = Backwards([Solarize(0.5), RandomResizedCrop(8)])
    assert_equal(programs_of(backwards)(images_of(3)), direct(backwards, images_of(3)))
    twice = Twice([RandomFlip(0.5), RandomGrayscale(0.5)])
    got = programs_of(twice)(images_of(3))
    assert len(got) == 4
    assert_equal(got, direct(twice, images_of(3)))


def test_views_that_need_the_whole_batch_see_it(chunks_of_two):
    view = MultiView([Compose([RandomFlip(0.5), BatchStylesStandardization(0.2)]), RandomFlip(0.5)])
    assert_equal(programs_of(view)(images_of(5)), direct(view, images_of(5)), atol=1e-5)


def test_images_are_made_floats_by_what_is_given():
    got = programs_of(RandomFlip(0.0), before=lambda images: ops.cast(images, "float32") + 1.0)(images_of(2))
    np.testing.assert_array_equal(got[0], images_of(2) + 1.0)


def test_arrays_without_a_function_around(chunks_of_two):
    from keras_ssl.views.view_programs import ViewPrograms

    got = ViewPrograms(PIPELINE)(images_of(5), SEED, STEP, np.arange(5) + 100)
    assert_equal([one.numpy() for one in got], direct(PIPELINE, images_of(5)))


def test_images_of_another_rank():
    import tensorflow as tf

    from keras_ssl.views.view_programs import ViewPrograms

    with pytest.raises(ValueError, match=r"batch \[N, H, W, C\].*Received: images.shape=\(4, 16, 16\)"):
        tf.function(ViewPrograms(PIPELINE))(tf.zeros((4, 16, 16)), 0, 0, tf.range(4))


def test_a_resize_from_large_images_and_a_blur_of_many_taps():
    # 112 pixels: sums pay for the blur, and for a crop that enlarges, whose columns are two blocks; not for one to 20.
    assert not local_sums_pay(4, 112)  # only inside of programs
    view = MultiView([simclr(size=112).views[0], simclr(size=20).views[0]])
    programs = programs_of(view, image_size=112)
    assert_equal(programs(images_of(3, 112)), direct(view, images_of(3, 112)), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("on_cpu", [True, False])
@pytest.mark.parametrize("recipe", [simclr, barlow_twins, byol, dino])
def test_recipes(recipe, on_cpu, monkeypatch):
    import keras_ssl.views.view_programs as module

    monkeypatch.setattr(module, "_CHUNK_BYTES", 4 * 72 * 72 * 3 * 4)
    view = recipe(size=72, local_size=24, local_copies=2) if recipe is dino else recipe(size=72)
    # Hue divides by what may be small, and carries rounding further.
    got = programs_of(view, on_cpu=on_cpu, image_size=72)(images_of(9, 72))
    assert_equal(got, direct(view, images_of(9, 72)), atol=2e-5)


def test_a_recipe_made_from_its_config_is_compiled_as_often():
    def programs(view):
        from keras_ssl.views.view_programs import ViewPrograms

        return len(ViewPrograms(view)._programs)

    for view in (simclr(), byol(), dino()):
        assert programs(type(view).from_config(view.get_config())) == programs(view)
    # A crop with what follows it, and a blur: for the large crops and for the small ones, and two blurs for the former.
    assert (programs(simclr()), programs(byol()), programs(dino())) == (2, 3, 5)
    assert isinstance(dino(), MultiCrop)
