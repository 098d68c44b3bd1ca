"""What a checkpoint holds, in a form to compare: PyTorch's reader and ours must tell the same."""

import hashlib

import numpy as np


def described(value):
    """Nested dicts and lists with type, shape and hash for every array; plain values as their text."""
    if isinstance(value, np.ndarray):
        content = np.ascontiguousarray(value).tobytes()
        return [value.dtype.name, list(value.shape), hashlib.sha256(content).hexdigest()]
    if isinstance(value, dict):
        return {str(key): described(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [described(item) for item in value]
    return repr(value)
