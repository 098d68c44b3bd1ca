"""A default that a docstring states is the one of the signature, and every number is stated: a paper's number cannot
change by itself."""

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


# "Default to 1, 0, None and 10.", of the arguments that a line names together.
TOGETHER = re.compile(rf"\bDefault to ({LITERAL}(?:(?:, | and ){LITERAL})+)")
AS_FOR = re.compile(r"^as for `(?:\w+\.)*(\w+)`")
KERAS = {"autocast", "dtype", "name", "reduction", "trainable"}  # Keras's own arguments
# Defaults that a docstring has in words, or none: an empty record, a size in bytes, ImageNet's mean and deviation.
IN_WORDS = {
    **{f"{name}.mean": (0.485, 0.456, 0.406) for name in ("EncoderSpec", "ImagePreprocessing")},
    **{f"{name}.std": (0.229, 0.224, 0.225) for name in ("EncoderSpec", "ImagePreprocessing")},
    **{f"Evidence.{name}": 0.0 for name in ("dead", "student_moved")},
    **{f"Evidence.{name}": False for name in ("supervised", "teacher_fixed")},
    "Card.saved_model": False,
    "Evidence.patience": 500,
    "Finding.step": 0,
    "PseudoLabelEvidence.largest_label": 0.0,
    "atomic_folder.overwrite": False,
    "from_tf_data.most_bytes": 8 * 2**30,
    "linear_probe_grid.regularizations": (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0),
    "retrieval.ks": (1, 5, 10),
}


def documented(target):
    """The text about each argument, by name: from its line to the next one that is indented as little.

    Of a line that names several, each has what the text says of it.
    """
    lines = inspect.getdoc(target).splitlines()
    texts, names = {}, ()
    for line in lines[lines.index("Args:") + 1 :] if "Args:" in lines else ():
        starts = re.match(r"^ {4}((?:`?\w+`?, )*(?:`?\w+`?|\.\.\.)): (.*)", line)
        if line and not line.startswith("    "):
            break
        if starts:
            names = tuple(re.sub("`", "", starts[1]).split(", "))
            texts[names] = starts[2]
        elif names and re.match(r"^ {4}\*\*", line):
            names = ()
        elif names:
            texts[names] += f" {line.strip()}"
    found = {}
    for names, text in texts.items():
        together = TOGETHER.search(text)
        values = re.findall(LITERAL, together[1]) if together else []
        for place, name in enumerate(names):
            own = re.search(rf"`{name}` defaults to ({LITERAL})", text)
            value = values[place] if len(values) == len(names) else own[1] if own else None
            alone = STATED.sub("", text) + (f" Defaults to {value}." if value else "")
            found[name] = text if len(names) == 1 else alone
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


def signature(target):
    try:
        return inspect.signature(target.__init__ if inspect.isclass(target) else target).parameters
    except (TypeError, ValueError):
        return {}


def expected(name, targets):
    """What the docstring of a name says about its defaults, by argument: the literal, or that of the name it sends to.

    "a, b, ...: as for `X`" speaks of all that no other line names.
    """
    texts = documented(targets[name])
    rest = texts.pop("...", "")
    for argument in signature(targets[name]):
        text = texts.get(argument, rest)
        found = stated(text)
        sent = AS_FOR.search(text)
        key = f"{name.rpartition('.')[2]}.{argument}"
        if key in IN_WORDS:
            found = (IN_WORDS[key],)
        elif not found and sent:
            other = next((each for each in sorted(targets) if each.endswith(f".{sent[1]}")), None)
            parameter = signature(targets[other]).get(argument) if other and other != name else None
            found = (parameter.default,) if parameter else ()
        yield argument, found


def plain(value):
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def defaults():
    """(name, argument, what the docstring states in a tuple, what the signature has) of everything public."""
    targets = {
        f"{module.__name__}.{name}": getattr(module, name) for module in public_modules() for name in module.__all__
    }
    targets = {name: target for name, target in targets.items() if callable(target) and inspect.getdoc(target)}
    for name in sorted(targets):
        parameters = signature(targets[name])
        for argument, found in expected(name, targets):
            if parameters[argument].default is not inspect.Parameter.empty and argument not in KERAS:
                yield name, argument, found, parameters[argument].default


def is_number(value):
    return isinstance(value, int | float) or (isinstance(value, tuple) and value and all(map(is_number, value)))


@pytest.fixture(scope="module")
def rows():
    return list(defaults())


def test_what_docstrings_state_is_what_signatures_have(rows):
    # None in a signature stands for what the docstring describes.
    wrong = [row for row in rows if row[2] and row[3] is not None and plain(row[2][0]) != plain(row[3])]
    assert not wrong and sum(bool(row[2]) for row in rows) > 2000


def test_no_number_of_a_signature_goes_without_a_statement(rows):
    assert not [row for row in rows if not row[2] and is_number(row[3])]
    named = {f"{name.rpartition('.')[2]}.{argument}" for name, argument, *_ in rows}
    assert set(IN_WORDS) <= named


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


def test_lines_that_name_several_arguments():
    def example(low=0, high=1.0, a=2, b=3, c=4):
        """Does nothing.

        Args:
            low, high: of something. Default to
                0 and 1.
            a, ...: as for `other`.
            c: a number. Defaults to 5.
            **kwargs: Defaults to 7.
        """

    def other(a=2, b=4):
        """Does nothing."""

    assert [stated(documented(example)[name]) for name in ("low", "high")] == [(0,), (1,)]
    found = dict(expected("x.example", {"x.example": example, "x.other": other}))
    assert found == {"low": (0,), "high": (1,), "a": (2,), "b": (4,), "c": (5,)}


def test_a_wrong_default_is_noticed():
    def example(x, rate=0.2):
        """Does nothing.

        Args:
            x: anything.
            rate: of something.
                Defaults to 0.1.
        """

    assert stated(documented(example)["rate"]) == (0.1,) != (0.2,)
