from tests.losses.conftest import value_and_gradients  # noqa: F401 (a fixture)
