"""Every parameter of every public function, verb and class is described in its docstring, in Google style."""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import featuremaps as fm
from featuremaps import demo
from featuremaps.draw import Drawing, Drawings
from featuremaps.layers import Layers
from featuremaps.repair.repair import Repair
from featuremaps.shortcuts.shortcut import Shortcut
from featuremaps.shortcuts.shortcuts import Shortcuts

BESIDE = (Drawing, Drawings, Layers, Shortcuts, Shortcut, Repair, demo.network, demo.transform, demo.card)
"""What verbs return, and the bundled world: public, though not in `__all__`."""

POINTER = "See `Target`."
"""The docstring of what another one describes."""


def public() -> Iterator[tuple[str, Any]]:
    """Every public function and class with its public methods, by name."""
    things = [thing for name in fm.__all__ if callable(thing := getattr(fm, name))]
    for thing in (*things, *BESIDE):
        yield thing.__name__, thing
        if inspect.isclass(thing):
            for name, member in vars(thing).items():
                function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
                if inspect.isfunction(function) and not name.startswith("_") and inspect.getdoc(function) != POINTER:
                    yield f"{thing.__name__}.{name}", function


def missing(thing: Callable[..., Any]) -> list[str]:
    """The parameters that the docstring does not describe."""
    if inspect.isclass(thing) and issubclass(thing, BaseException):
        return []
    described = set()
    section = ""
    for line in (inspect.getdoc(thing) or "").splitlines():
        section = line if re.fullmatch(r"\w+:", line) else section
        if section in ("Args:", "Attributes:") and (entry := re.match(r" {4}\*{0,2}(\w+):", line)):
            described.add(entry[1])
    return [name for name in inspect.signature(thing).parameters if name not in described | {"self", "cls"}]


DESCRIBED = dict(public())


@pytest.mark.parametrize("name", sorted(DESCRIBED))
def test_every_parameter_is_described(name: str) -> None:
    assert not missing(DESCRIBED[name]), f"{name} does not say what these are: {', '.join(missing(DESCRIBED[name]))}"


def test_a_parameter_that_is_not_described_is_noticed() -> None:
    def forgetful(one: int, two: int) -> int:
        """The sum.

        Args:
            one: A number.

        Returns:
            two: not described, since it stands here.
        """
        return one + two

    assert missing(forgetful) == ["two"]
