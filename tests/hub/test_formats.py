"""Each family of encoders in each format: what another runtime computes is what Keras computes."""

import numpy as np
import pytest

from keras_ssl import hub
from keras_ssl.encoders import ConvNet, ResNet, Swin, ViT
from keras_ssl.hub.component_from_text import component_from_text
from keras_ssl.hub.formats import FORMATS, check_format
from keras_ssl.layers import ImagePreprocessing
from tests.hub.entries import ON_TENSORFLOW, export_quietly

FAMILIES = {
    "ConvNet": (lambda: ConvNet(widths=(4, 8)), True),
    "ResNet": (lambda: ResNet(18, stem="cifar"), True),
    "ViT": (lambda: ViT(input_shape=(32, 32, 3), patch_size=8, width=16, depth=2, heads=2), False),
    "Swin": (
        lambda: Swin(input_shape=(16, 16, 3), patch_size=1, window=2, width=8, depths=(1, 2, 1, 1), heads=(1, 1, 2, 2)),
        False,
    ),
    "MobileNetV2": (lambda: component_from_text("encoder", "keras.applications.MobileNetV2 alpha=0.35"), True),
}
pytestmark = pytest.mark.usefixtures("without_saved_model")
tensorflow_only = pytest.mark.skipif(not ON_TENSORFLOW, reason="the other backend writes none")


def written(tmp_path, name, family, **options):
    export_quietly(FAMILIES[family][0](), tmp_path / "e", **options)
    return hub.write_format(hub.load(tmp_path / "e"), tmp_path / "out", name)


# Of a model of a hundred layers, the other formats take minutes to trace.
CASES = [
    (name, family) for name in FORMATS for family in FAMILIES if name == "onnx" or not family.startswith("MobileNet")
]


@tensorflow_only
@pytest.mark.slow
@pytest.mark.parametrize(("name", "family"), CASES)
def test_every_family_in_every_format(tmp_path, name, family):
    made = written(tmp_path, name, family)
    assert made.difference <= 1e-3 and made.milliseconds > 0 and made.keras_milliseconds > 0
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert {path.stem for path in files} == {"out"} and made.path in files
    assert made.size == sum(path.stat().st_size for path in files)
    assert made.any_size is (FAMILIES[family][1])


@tensorflow_only
def test_one_family_quickly(tmp_path):
    made = written(tmp_path, "litert", "ConvNet")
    assert made.difference <= 1e-4 and made.any_size


@tensorflow_only
def test_a_declared_range_takes_floats(tmp_path):
    import onnxruntime

    export_quietly(ConvNet(widths=(4,)), tmp_path / "e", preprocessing=ImagePreprocessing(0.4, 0.3, (-1, 1)))
    model = hub.load(tmp_path / "e")
    path = hub.write_format(model, tmp_path / "e.onnx", "onnx").path
    session = onnxruntime.InferenceSession(str(path))
    assert session.get_inputs()[0].type == "tensor(float)"
    images = np.random.default_rng(0).uniform(-1, 1, (2, 9, 11, 3)).astype("float32")
    (features,) = session.run(None, {session.get_inputs()[0].name: images})
    np.testing.assert_allclose(features, model.predict(images, verbose=0), rtol=1e-4, atol=1e-5)


@tensorflow_only
def test_what_differs_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setitem(hub.formats._RUNNERS, "onnx", lambda path: lambda inputs: np.zeros((len(inputs), 4), "float32"))
    (tmp_path / "out.onnx").write_text("kept")
    export_quietly(ConvNet(widths=(4,)), tmp_path / "e")
    with pytest.raises(ValueError, match="features within 0.001 of the largest"):
        hub.write_format(hub.load(tmp_path / "e"), tmp_path / "out", "onnx")
    assert (tmp_path / "out.onnx").read_text() == "kept" and not list(tmp_path.glob(".*"))


@tensorflow_only
def test_unknown_formats_and_missing_packages_are_named(monkeypatch):
    with pytest.raises(ValueError, match="onnx, litert, openvino.*TensorFlow.js.*Received: format='tfjs'"):
        check_format("tfjs")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="needs onnx, onnxruntime, tf2onnx: pip install 'keras_ssl.formats.'"):
        check_format("onnx")


@pytest.mark.skipif(ON_TENSORFLOW, reason="it writes all")
def test_another_backend_names_the_one_that_writes():
    with pytest.raises(ValueError, match="KERAS_BACKEND=tensorflow.*Received: format='litert'"):
        check_format("litert")
