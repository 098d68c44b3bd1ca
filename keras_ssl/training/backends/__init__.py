"""One object per backend that does what a training step does differently on each."""

import keras

from keras_ssl.training.backends.protocol import Backend, Scaled

backend: Backend
if keras.backend.backend() == "tensorflow":
    from keras_ssl.training.backends.tensorflow import TensorFlowBackend

    backend = TensorFlowBackend()
elif keras.backend.backend() == "jax":
    from keras_ssl.training.backends.jax import JaxBackend

    backend = JaxBackend()
else:
    raise ImportError(
        "keras_ssl trains on the TensorFlow and JAX backends of Keras: set KERAS_BACKEND. "
        f"Received: backend={keras.backend.backend()!r}"
    )

__all__ = ["Backend", "Scaled", "backend"]
