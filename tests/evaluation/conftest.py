"""Evaluation is NumPy: what uses no model is tested under one backend only."""

from pathlib import Path

import keras
import pytest

_FOLDER = Path(__file__).parent
_USE_A_MODEL = {
    "test_data_to_features.py",
    "test_extract_features.py",
    "test_finetune.py",
    "test_predict_alone.py",
    "test_rank_checkpoints.py",
    "test_robustness_report.py",
    "test_tangent_kernel.py",
    "test_view_features.py",
}


def pytest_collection_modifyitems(items):
    if keras.backend.backend() == "tensorflow":
        return
    for item in items:
        if item.path.parent == _FOLDER and item.path.name not in _USE_A_MODEL:
            item.add_marker(pytest.mark.skip(reason="NumPy only, whatever the backend: tested under TensorFlow"))
