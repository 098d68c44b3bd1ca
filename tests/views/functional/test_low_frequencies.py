import keras
import numpy as np
import pytest

from keras_ssl.views.functional.low_frequencies import replace_low_frequencies

IMAGES = np.random.default_rng(0).random((4, 8, 12, 3)).astype("float32")


def run(images, reference, ratio):
    return np.asarray(keras.ops.convert_to_numpy(replace_low_frequencies(images, reference, ratio))).astype("float64")


def spectrum(images):
    return np.fft.fft2(images.astype("float64"), axes=(1, 2))


def window(ratio):
    k, l = np.meshgrid(np.fft.fftfreq(8, 1 / 8), np.fft.fftfreq(12, 1 / 12), indexing="ij")
    return (abs(k) <= np.sqrt(ratio) * 4) & (abs(l) <= np.sqrt(ratio) * 6)


@pytest.mark.parametrize("ratio", [0.01, 0.2, 0.5, 1.0])
def test_equals_numpys_transform(ratio):
    own, theirs = spectrum(IMAGES), np.abs(spectrum(IMAGES[2:3]))
    amplitude = np.where(window(ratio)[None, :, :, None], theirs, np.abs(own))
    expected = np.fft.ifft2(amplitude * np.exp(1j * np.angle(own)), axes=(1, 2))
    assert np.abs(expected.imag).max() < 1e-12
    np.testing.assert_allclose(run(IMAGES, IMAGES[2:3], ratio), expected.real, atol=1e-5)


def test_ratio_zero_and_the_reference_itself_are_unchanged():
    np.testing.assert_allclose(run(IMAGES, IMAGES[2:3], 0.0), IMAGES, atol=1e-6)
    np.testing.assert_allclose(run(IMAGES, IMAGES[2:3], 0.4)[2], IMAGES[2], atol=1e-6)


def test_amplitudes_are_the_references_and_phases_their_own():
    ratio = 0.3
    before, after = spectrum(IMAGES), spectrum(run(IMAGES, IMAGES[2:3], ratio))
    inside = window(ratio)
    theirs = np.abs(before[2:3])[:, inside]
    np.testing.assert_allclose(np.abs(after)[:, inside], np.broadcast_to(theirs, (4, *theirs.shape[1:])), atol=1e-4)
    np.testing.assert_allclose(np.abs(after)[:, ~inside], np.abs(before)[:, ~inside], atol=1e-4)
    strong = np.minimum(np.abs(before), np.abs(after)) > 0.1
    np.testing.assert_allclose(np.exp(1j * np.angle(after))[strong], np.exp(1j * np.angle(before))[strong], atol=1e-3)


def test_a_black_image_takes_the_amplitudes_with_the_phase_zero():
    images = np.concatenate([np.zeros_like(IMAGES[:1]), IMAGES[:1]])
    after = spectrum(run(images, images[1:], 1.0))
    np.testing.assert_allclose(after[0], np.abs(spectrum(images[1:])[0]), atol=1e-4)
