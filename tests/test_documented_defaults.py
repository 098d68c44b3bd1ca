"""A default that a docstring states is the one of the signature: a paper's number cannot change by itself."""

import ast
import inspect
import re

import pytest

from tests.api import public_modules

# "Defaults to 0.6, the paper's.", "default (0.1, 2.0)", '"block" (default)'.
LITERAL = r"(?>`[^`]*`|\"[^\"]*\"|\([^)]*\)|-?\d[\w.+-]*(?: ?/ ?\d+)?|True|False|None)"
STATED = re.compile(
    rf"[Dd]efaults? (?:to )?(?P<after>{LITERAL})(?!, \d| to | and \d)|(?P<before>{LITERAL}) \(default[),]"
)


def documented(target):
    """The text about each argument, by name: from its line to the next one that is indented as little."""
    lines = inspect.getdoc(target).splitlines()
    found, name = {}, None
    for line in lines[lines.index("Args:") + 1 :] if "Args:" in lines else ():
        starts = re.match(r"^ {4}`?(\w+)`?: (.*)", line)
        if line and not line.startswith("    "):
            break
        if starts:
            name, text = starts.groups()
            found[name] = text
        elif name:
            found[name] += f" {line.strip()}"
    return found


def stated(text):
    """The default that a text states as a literal, in a tuple; () where it states none."""
    match = STATED.search(text)
    literal = (match["after"] or match["before"]).strip("`").rstrip(".") if match else ""
    literal = re.sub(r"\b(\d+(?:\.\d+)?) ?/ ?(\d+)", lambda found: str(float(found[1]) / float(found[2])), literal)
    try:
        return (ast.literal_eval(literal),)
    except (ValueError, SyntaxError):
        return ()


def plain(value):
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def defaults():
    """(name, argument, what the docstring states, what the signature has) of everything public."""
    found_names = {
        f"{module.__name__}.{name}": getattr(module, name) for module in public_modules() for name in module.__all__
    }
    for name, target in sorted(found_names.items()):
        if not callable(target) or not inspect.getdoc(target):
            continue
        texts = documented(target)
        try:
            parameters = inspect.signature(target.__init__ if inspect.isclass(target) else target).parameters
        except (TypeError, ValueError):
            continue
        for parameter in parameters.values():
            if parameter.default is not inspect.Parameter.empty and (found := stated(texts.get(parameter.name, ""))):
                yield name, parameter.name, found[0], parameter.default


def test_what_docstrings_state_is_what_signatures_have():
    found = list(defaults())
    # None in a signature stands for what the docstring describes.
    wrong = [row for row in found if row[3] is not None and plain(row[2]) != plain(row[3])]
    assert not wrong and len(found) > 1400


@pytest.mark.parametrize(
    "text, default",
    [
        ("share. Defaults to 0.6, the paper's.", (0.6,)),
        ("Defaults to `(2048, 256)`.", ((2048, 256),)),
        ('"block" (default) or "random"', ("block",)),
        ("range; default (3/4, 4/3).", ((0.75, 4 / 3),)),
        ("Defaults to 1e-5.", (1e-5,)),
        ("Defaults to the encoder's.", ()),
    ],
)
def test_a_default_is_read_from_a_sentence(text, default):
    assert stated(text) == default


def test_a_wrong_default_is_noticed():
    def example(x, rate=0.2):
        """Does nothing.

        Args:
            x: anything.
            rate: of something.
                Defaults to 0.1.
        """

    assert stated(documented(example)["rate"]) == (0.1,) != (0.2,)
