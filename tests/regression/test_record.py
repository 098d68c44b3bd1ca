"""Ten steps of recipes compute what they computed before the base was opened to other kinds of methods.

The records were made by `recorder.py` before that change. It compares to the last bit, on the machine and with the
flags that made a record; here losses and gradient norms must be close, whatever the machine.
"""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.regression.recorder import record, recorded_recipes

RECORD = json.loads((Path(__file__).parent / f"{keras.backend.backend()}.json").read_text(encoding="utf-8"))
QUICK = ("byol_digits", "vicreg_digits")


def test_the_record_holds_recipes_that_are_still_there():
    assert set(RECORD["recipes"]) <= set(recorded_recipes()) and len(RECORD["recipes"]) == 32


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.long) for name in RECORD["recipes"]]
)
def test_ten_steps_are_those_of_the_record(name):
    found, expected = record(name), RECORD["recipes"][name]
    # Rounding of another processor grows from step to step.
    np.testing.assert_allclose(found["loss"][:3], expected["loss"][:3], rtol=1e-3)
    np.testing.assert_allclose(found["gradient_norm"][:2], expected["gradient_norm"][:2], rtol=2e-2)
