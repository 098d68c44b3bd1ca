import keras
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import keras_ssl
from keras_ssl import hub
from tests.hub.entries import export_quietly, run
from tests.objectives import tiny
from tests.objectives.tiny import EAGERLY, OBJECTIVES

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
STATEFUL = ["moco", "swav", "dino", "interclr", "byol"]


def images(count=24, seed=0):
    return np.random.RandomState(seed).randint(0, 256, (count, 16, 16, 3)).astype("uint8")


def trained(name):
    """A model after two steps, so that state is not what it starts as; at constant momentum."""
    model = OBJECTIVES[name]()
    model.compile(keras.optimizers.SGD(0.05), run_eagerly=EAGERLY)
    model.fit(images(), batch_size=12, verbose=0)
    return model


def made_again(name, folder):
    """A new model of the same recipe around the loaded encoder."""
    config = OBJECTIVES[name]().get_config()
    config["encoder"] = hub.load(folder, include_preprocessing=False)
    return getattr(keras_ssl, type(OBJECTIVES[name]()).__name__).from_config(config)


def values(model):
    return {name: np.array(keras.ops.convert_to_numpy(v)) for name, v in hub.head_weights(model).items()}


pytestmark = pytest.mark.usefixtures("without_saved_model")


@pytest.fixture(scope="module", autouse=True)
def encoders_of_the_library():
    """The zoo holds no others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "encoder", lambda: keras_ssl.encoders.ConvNet(widths=(8, 16)))
        yield


@pytest.fixture(scope="module")
def moco():
    """A trained model that tests only read."""
    return trained("moco")


@pytest.fixture(scope="module")
def entry(moco, tmp_path_factory):
    return export_quietly(moco, tmp_path_factory.mktemp("zoo") / "moco", heads=True)


# What is compiled on JAX takes long: one of them there, the others by `make test-long`.
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if ON_TENSORFLOW or name == "byol" else pytest.mark.long) for name in STATEFUL],
)
def test_the_next_step_of_the_restored_model_is_that_of_the_original(name, tmp_path):
    original = trained(name)
    export_quietly(original, tmp_path / "e", heads=True)
    restored = made_again(name, tmp_path / "e")
    keras_ssl.load_heads(restored, tmp_path / "e")
    restored.compile(keras.optimizers.SGD(0.05), run_eagerly=EAGERLY)
    for count in (restored.step, restored.optimizer.iterations):  # which belong to a run, not to an entry
        count.assign(2)
    logs = [model.fit(images(12, 1), batch_size=12, verbose=0).history for model in (original, restored)]
    assert logs[0]["loss"] == pytest.approx(logs[1]["loss"], rel=1e-5)
    np.testing.assert_allclose(run(original, images()), run(restored, images()), atol=1e-5)
    for key, value in values(original).items():
        np.testing.assert_allclose(values(restored)[key], value, atol=1e-5, err_msg=key)


@pytest.mark.slow
def test_without_the_heads_the_next_step_differs(moco, entry):
    bare = values(made_again("moco", entry))
    assert any(not np.allclose(bare[key], value) for key, value in values(moco).items())


@pytest.mark.slow
def test_every_weight_is_the_encoder_s_a_head_s_or_a_counter():
    for name, make in OBJECTIVES.items():
        model = make()
        rest = len(model.weights) - len(model.encoder.weights) - len(hub.head_weights(model))
        metrics = len(model.scalars.variables) + len(model.test_scalars.variables)
        assert 2 <= rest <= 2 + metrics, name


def test_the_card_lists_the_heads_and_load_leaves_them_alone(entry):
    card = hub.Card.read(entry / "card.toml")
    assert card.heads_file.name == "heads.safetensors"
    assert len(card.heads_file.read(entry)) == card.heads_file.size
    assert [file.name for file in card.weight_files] == ["encoder.safetensors"]
    assert "queue/contents" in load_file(entry / "heads.safetensors")
    assert hub.load(entry).output_shape == (None, 16)


def test_an_entry_has_no_heads_unless_asked(moco, tmp_path):
    export_quietly(moco, tmp_path / "e")
    assert not (tmp_path / "e" / "heads.safetensors").exists()
    model = made_again("moco", tmp_path / "e")
    with pytest.raises(ValueError, match="has no heads.*heads=True.*Received: path="):
        keras_ssl.load_heads(model, tmp_path / "e")


def changed(entry, tmp_path, change):
    """A copy of the entry, its heads changed and its card right."""
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(entry, folder)
    tensors = dict(load_file(folder / "heads.safetensors"))
    change(tensors)
    save_file(tensors, folder / "heads.safetensors")
    card = (folder / "card.toml").read_text()
    old = hub.Card.read(folder / "card.toml").heads_file
    new = hub.CardFile.of(folder / "heads.safetensors", folder)
    card = card.replace(old.sha256, new.sha256).replace(f"size = {old.size}\n", f"size = {new.size}\n")
    (folder / "card.toml").write_text(card)
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("queue/contents"), "missing: queue/contents"),
        (lambda t: t.update(extra=np.zeros(2, "float32")), "not of the model: extra"),
        (
            lambda t: t.update({"queue/contents": np.zeros((3, 12), "float32")}),
            r"of another shape: queue/contents \(3, 12\) instead of \(32, 12\)",
        ),
    ],
)
def test_weights_that_are_not_the_model_s_are_named_and_nothing_changes(entry, tmp_path, change, message):
    folder, model = changed(entry, tmp_path, change), OBJECTIVES["moco"]()
    before = values(model)
    with pytest.raises(ValueError, match=message):
        keras_ssl.load_heads(model, folder)
    for key, value in values(model).items():
        np.testing.assert_array_equal(value, before[key])


def test_a_damaged_file_is_an_error(entry, tmp_path):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(entry, folder)
    content = bytearray((folder / "heads.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "heads.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="its sha256 must be"):
        keras_ssl.load_heads(OBJECTIVES["moco"](), folder)


def test_only_objectives_have_heads(entry, tmp_path):
    encoder = hub.load(entry, include_preprocessing=False)
    with pytest.raises(ValueError, match="Only an SSLModel has heads. Received: model="):
        keras_ssl.load_heads(encoder, entry)
    with pytest.raises(ValueError, match="Only an SSLModel has heads. Received: heads=True"):
        hub.export(encoder, tmp_path / "e", heads=True)
