"""Mistakes in flags and arguments: one line, which names what was meant."""

import pytest
from absl import flags

from keras_ssl.cli import flag_errors
from keras_ssl.cli.common import one_name, optional_name, user_errors
from keras_ssl.cli.flag_errors import bad_value, parsed, unknown_flag

pytestmark = pytest.mark.once


class Flags(flags.FlagValues):
    def get_key_flags_for_module(self, module):
        return [self[name] for name in self]


@pytest.fixture
def values(monkeypatch):
    """The flags of a command that this file stands for."""
    mine = Flags()
    for name in ("model", "out"):
        flags.DEFINE_string(name, None, "", flag_values=mine, required=True)
    flags.DEFINE_integer("image_size", 32, "", lower_bound=8, flag_values=mine)
    flags.DEFINE_enum("by", "a", ["a", "b"], "", flag_values=mine)
    mine.set_gnu_getopt()
    monkeypatch.setattr(flag_errors.flags, "FLAGS", mine)
    monkeypatch.setattr("sys.argv", ["keras-ssl embed"])
    return mine


GIVEN = ("--model=m", "--out=o")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("photos",), "--model and --out must be given. Received: none"),
        (("photos", "--model=m"), "--out must be given. Received: none"),
        ((*GIVEN, "--img_size=3"), "There is no such flag. Closest: --image-size. Received: --img-size"),
        ((*GIVEN, "--zzz"), "There is no such flag. --help names all. Received: --zzz"),
        (
            (*GIVEN, "--image_size=abc"),
            "--image-size does not take this value: invalid literal .*: 'abc'. Received: --",
        ),
        ((*GIVEN, "--image_size=3"), "--image-size does not take this value: .*8.*. Received: --image-size=3"),
        ((*GIVEN, "--by=c"), "--by does not take this value: .*a.b.*. Received: --by=c"),
    ],
)
def test_one_line_names_the_flag(values, arguments, text):
    with pytest.raises(SystemExit, match=f"^keras-ssl embed: error: {text}[^\n]*$"):
        parsed(["keras-ssl embed", *arguments], "module")


def test_what_is_right_passes(values):
    assert parsed(["keras-ssl embed", "photos", *GIVEN], "module") == ["keras-ssl embed", "photos"]
    assert (values.model, values.out, values.image_size) == ("m", "o", 32)


def test_a_command_with_a_recipe_tells_of_its_settings():
    assert "--set optimizer.learning_rate=" in unknown_flag("learning_rate", ["set", "seed"])
    assert "--set" not in unknown_flag("learning_rate", ["seed"])
    assert bad_value("flag --a=b: some.").endswith("some. Received: --a=b")


def test_names_of_data():
    assert optional_name(["program"], None, "data set") is None
    assert one_name(["program", "photos"], None, "data set") == one_name(["program"], "photos", "data set") == "photos"
    for given in (["program", "a", "b"], ["program", "a"]):
        with pytest.raises(Exception, match="One data set is taken. Received: a b"):
            one_name(given, None if len(given) > 2 else "b", "data set")


def test_remedies_are_told_as_flags(monkeypatch):
    values = flags.FlagValues()
    flags.DEFINE_float("max_damaged", None, "", flag_values=values)
    values(["program"])
    monkeypatch.setattr("keras_ssl.cli.common.flags.FLAGS", values)
    with pytest.raises(SystemExit, match=r"by --max_damaged=0.3; `other=1` stays"), user_errors():
        raise ValueError("by `max_damaged=0.3`; `other=1` stays")
