"""The backend of Keras, looked at before Keras is imported: what it says of a missing one names a file of its own."""

import importlib.util
import json
import os
from pathlib import Path

BACKENDS = ("tensorflow", "jax")


def chosen_backend() -> tuple[str, str]:
    """The backend that Keras will take, and where it is chosen: in the environment, or in Keras' file of settings."""
    chosen = os.environ.get("KERAS_BACKEND")
    if chosen:
        return chosen, "KERAS_BACKEND"
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    path = Path(home) / "keras.json"
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["backend"]), f"backend in {path}"
    except (OSError, ValueError, KeyError, TypeError):
        return BACKENDS[0], "KERAS_BACKEND"


def check_backend() -> None:
    """Raises where this library cannot train on the backend, or it is not installed.

    Raises:
        ImportError: if so; the message says what to set or to install.
    """
    chosen, place = chosen_backend()
    if chosen not in BACKENDS:
        raise ImportError(
            "keras_ssl trains on the TensorFlow and JAX backends of Keras: set KERAS_BACKEND=tensorflow or "
            f"KERAS_BACKEND=jax. Received: {place}={chosen!r}"
        )
    if importlib.util.find_spec(chosen) is None:
        other = next(name for name in BACKENDS if name != chosen)
        remedy = "pip install 'keras_ssl[jax]'" if chosen == "jax" else "pip install tensorflow"
        raise ImportError(
            f"The backend is not installed: {remedy}, or set KERAS_BACKEND={other}. Received: {place}={chosen!r}"
        )
