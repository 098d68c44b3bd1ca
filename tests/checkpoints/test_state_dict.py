import numpy as np
import pytest

from keras_ssl.checkpoints import CheckpointError, state_dict

A, B = np.zeros(1), np.ones(2)


@pytest.mark.parametrize(
    "tree",
    [
        {"conv.weight": A, "fc.bias": B},
        {"module.conv.weight": A, "module.fc.bias": B},
        {"epoch": 3, "features": A, "state_dict": {"module.encoder_q.conv.weight": A, "module.encoder_q.fc.bias": B}},
        {"model": {"module.backbone.conv.weight": A, "module.fc.bias": B}, "optimizer": {"state": {}}},
        {"student": {"conv.weight": B, "fc.bias": A}, "teacher": {"backbone.conv.weight": A, "backbone.fc.bias": B}},
        {"state_dict": {"backbone.vit.conv.weight": A, "teacher_backbone.fc.bias": B}},
        {"state_dict": {"teacher": {"module.base_encoder.conv.weight": A, "fc.bias": B}}},
    ],
)
def test_weights_are_found_and_prefixes_taken(tree):
    found = state_dict(tree)
    assert list(found) == ["conv.weight", "fc.bias"]
    assert found["conv.weight"] is A and found["fc.bias"] is B


def test_other_keys_and_prefixes():
    tree = {"student": {"net.a": A}, "teacher": {"net.a": B}}
    assert state_dict(tree, keys=("student",), prefixes=("net.",))["a"] is A
    assert list(state_dict({"module.a": A}, prefixes=())) == ["module.a"]


def test_nothing_is_dropped():
    tree = {"module.encoder_q.a": A, "module.encoder_k.a": B, "module.queue": B, "projector.module.b": A}
    assert list(state_dict(tree)) == ["a", "encoder_k.a", "queue", "projector.module.b"]


@pytest.mark.parametrize(
    "tree, message",
    [
        ({}, "no weights at the top; it is empty"),
        ([A], "no weights at the top; it has: list"),
        (A, "no weights at the top"),
        ({"epoch": 1, "ema": {"a": A}}, r"no weights at the top; it has: epoch, ema\. Name the keys.*Received: keys="),
        ({"state_dict": {"model": {}}}, "no weights under state_dict/model; it is empty"),
        (
            {"model": {"a": A, "step": 3, "more": {}}},
            "other things among the weights.*no arrays: step, more",
        ),
        ({"module.a": A, "a": B}, "Two weights are called 'a'.*'a'.*Received: prefixes="),
    ],
)
def test_what_holds_no_weights(tree, message):
    with pytest.raises(CheckpointError, match=message):
        state_dict(tree)


@pytest.mark.parametrize("name", ["keys", "prefixes"])
@pytest.mark.parametrize("texts", ["module.", ("module.", "")])
def test_one_text_or_an_empty_one_is_refused(name, texts):
    with pytest.raises(ValueError, match=f"`{name}` must be a sequence of texts, none empty. Received: {name}="):
        state_dict({"a": A}, **{name: texts})


def test_keys_that_would_lead_to_weights_are_named():
    weights = {"conv1.weight": np.ones(2)}
    with pytest.raises(CheckpointError, match=r"lead to them: pass keys=\('net',\). Received: keys="):
        state_dict({"epoch": 1, "net": weights})
    with pytest.raises(CheckpointError, match=r"lead to them: pass keys=\('model', 'ema'\). Received: keys="):
        state_dict({"model": {"step": 3, "ema": weights}})
    assert list(state_dict({"model": {"step": 3, "ema": weights}}, ("model", "ema"))) == ["conv1.weight"]
