import pytest

from keras_ssl.views import Compose, Identity, MultiView, Normalize, RandomFlip, Solarize


class Slow(Identity):
    supports_jit = False


@pytest.mark.parametrize(("cls", "argument"), [(Compose, "ops"), (MultiView, "pipelines")])
class TestViewList:
    @pytest.mark.parametrize("bad", [[], [lambda x, stream: x], RandomFlip(), None, [RandomFlip(), "flip"]])
    def test_bad_arguments(self, cls, argument, bad):
        with pytest.raises(ValueError, match=f"`{argument}` must be a non-empty list of views. Received: {argument}="):
            cls(bad)

    def test_lists_of_lists(self, cls, argument):
        with pytest.raises(ValueError, match=f"`{argument}` must hold views that give one result each"):
            cls([Identity(), MultiView([Identity()])])

    def test_claims_are_those_of_the_parts(self, cls, argument):
        assert not cls([Identity(), Solarize()]).is_random
        assert cls([Identity(), RandomFlip()]).is_random
        assert cls([Identity(), Solarize()]).unit_range
        assert not cls([Identity(), Normalize(0.5, 0.5)]).unit_range
        assert cls([Identity()]).supports_jit
        assert not cls([Identity(), Slow()]).supports_jit

    def test_length_and_config(self, cls, argument):
        view = cls([Identity(), RandomFlip(0.1)])
        assert len(view) == 2
        assert list(view.get_config()) == [argument]
        assert cls.from_config(view.get_config()).views == [Identity(), RandomFlip(0.1)]
