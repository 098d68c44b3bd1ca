"""What the tests of the report share: small parts, and a page as a tree that can be asked."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

import numpy as np

from keras_ssl.hub import Card, CardFile
from keras_ssl.report import Part

_SCRIPT = "document.title='hacked'"
HOSTILE = f'</script><script>{_SCRIPT}</script>"\'><img src=x onerror="{_SCRIPT}"> $\\frac{{ &amp;'
VOID = ("img", "link", "meta")


@dataclass
class Node:
    name: str
    attributes: dict = field(default_factory=dict)
    children: list = field(default_factory=list)

    @property
    def text(self):
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def all(self, name=None, **attributes):
        """Every element below with this name and these attributes; `class_` need be among the classes only."""
        for child in self.children:
            if isinstance(child, str):
                continue
            if (name is None or child.name == name) and all(map(child.has, attributes, attributes.values())):
                yield child
            yield from child.all(name, **attributes)

    def has(self, key, value):
        held = self.attributes.get(key.rstrip("_").replace("_", "-"))
        return held is not None and (value is True or value in (held.split() if key == "class_" else [held]))

    def one(self, name=None, **attributes):
        (found,) = self.all(name, **attributes)
        return found


class _Parser(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = [Node("page")]

    def handle_starttag(self, name, attributes):
        assert len(dict(attributes)) == len(attributes), f"an attribute of <{name}> stands twice"
        node = Node(name, {key: value or "" for key, value in attributes})
        self.open[-1].children.append(node)
        if name not in VOID:
            self.open.append(node)

    def handle_startendtag(self, name, attributes):
        self.open[-1].children.append(Node(name, dict(attributes)))

    def handle_endtag(self, name):
        assert self.open.pop().name == name

    def handle_data(self, text):
        self.open[-1].children.append(text)


def parsed(text):
    """The page as a tree; fails where elements are not closed in order."""
    parser = _Parser()
    parser.feed(text)
    parser.close()
    assert len(parser.open) == 1, f"<{parser.open[-1].name}> is not closed"
    return parser.open[0]


def clusters(count, classes=3, dimension=8, seed=0, images=True, names=None):
    """A part whose classes lie around different points, with images of a gray of their own each."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centers = np.random.default_rng(99).normal(size=(classes, dimension))
    features = centers[labels] + 0.3 * rng.normal(size=(count, dimension))
    grays = 7 * np.arange(count) % 256
    pictures = np.broadcast_to(grays[:, None, None, None], (count, 6, 4, 3)).astype(np.uint8)
    return Part(features, pictures if images else None, labels if names is None else np.asarray(names)[labels])


def card(**texts):
    """A small card."""
    file = CardFile("encoder.safetensors", 1234, "a" * 64)
    fields = {
        "name": "tiny",
        "architecture": {"name": "ConvNet", "arguments": {"widths": [4, 8], "pooling": "avg"}, "library": True},
        "files": (file, CardFile("card/notes.md", 5, "b" * 64)),
        "description": "A tiny one.",
        "license": "MIT",
        "data": "the digits",
        "seed": 7,
        "objective": {"name": "SimCLR", "arguments": {"temperature": 0.2}},
        "recipe": {"training": {"epochs": 3}, "optimizer": {"name": "Adam"}},
        "versions": {"keras": "3.15.1"},
    }
    return Card(**{**fields, **texts})
