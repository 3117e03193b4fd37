"""Extension points: what a decorator registers by name, and where it is found. All of them are made here, alike.

A module of the extension point's package is one entry or more; the package is walked, so nothing is listed by hand.
Other packages add theirs by an entry point in a group called like it, such as `featuremaps.sources`.
"""

import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from threading import RLock
from types import MappingProxyType, ModuleType
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from torch import Tensor

from featuremaps.errors import FeatureMapsWarning, OptionError, WrittenError, did_you_mean

Entry = TypeVar("Entry")


class Registry(Mapping[str, Entry], Generic[Entry]):
    """What is registered as a `kind` ("method"), by name; a package, once asked, is walked for its own entries."""

    def __init__(self, kind: str, package: str, error: type[Exception] = OptionError) -> None:
        self.kind, self._package, self._error = kind, package, error
        self._entries: dict[str, tuple[Entry, str]] = {}  # with the module that registered it
        self._begun = self._walked = False
        self._walking = RLock()

    def add(self, name: str, entry: Entry, documented: object) -> None:
        """Register an entry; raises where the name is taken or `documented` has no docstring of its own."""
        owner = str(getattr(documented, "__module__", None) or "")
        if not owner.startswith(f"{self._package}."):
            self._walk()  # so that a user's entry never takes the name of one of ours
        if name in self._entries:
            first = self._entries[name][1] or "your own code"
            raise self._error(f"a {self.kind} named {name!r} is registered already, by {first}.")
        if not inspect.getdoc(documented):
            raise self._error(f"{self.kind} {name!r} needs a docstring that says what it gives.")
        self._entries[name] = entry, owner

    def remove(self, name: str) -> None:
        """Forget an entry."""
        del self._entries[name]

    def find(self, name: str) -> Entry:
        """The entry of this name; raises with the nearest names where there is none."""
        if name not in self:
            raise self._error(
                f"there is no {self.kind} {name!r}; choose {', '.join(map(repr, self))}.{did_you_mean(name, self)}"
            )
        return self[name]

    def __getitem__(self, name: str) -> Entry:
        self._walk()
        return self._entries[name][0]

    def __iter__(self) -> Iterator[str]:
        """By module, ours first, then as each module registers them: the same whatever was imported first."""
        self._walk()
        place = {name: (not owner.startswith(f"{self._package}."), owner) for name, (_, owner) in self._entries.items()}
        return iter(sorted(self._entries, key=lambda name: place[name]))

    def __len__(self) -> int:
        self._walk()
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<Registry: {self.kind}: {', '.join(self)}>"

    def _walk(self) -> None:
        if self._walked:
            return
        with self._walking:  # again by this thread, from the modules themselves, and by others, which wait
            if not self._begun:
                self._begun = True
                import_all(import_module(self._package))
                self._load_packages()
                self._walked = True

    def _load_packages(self) -> None:
        """Load what installed packages name under the entry point group of this package; a broken one is told of."""
        for entry in entry_points(group=self._package):
            try:
                entry.load()
            except Exception as error:
                warnings.warn(
                    f"the {self.kind} {entry.name!r} of {entry.value} could not be loaded, and is left out: "
                    f"{type(error).__name__}: {error}",
                    FeatureMapsWarning,
                    stacklevel=2,
                )


@dataclass(frozen=True, eq=False)
class Formula:
    """A pure function, and what its signature says: `needs` (positional parameters) and `options` (keyword-only).

    `kind` is what it is registered as ("method").
    """

    kind: str
    name: str
    formula: Callable[..., Any]
    needs: tuple[str, ...]
    options: Mapping[str, inspect.Parameter]

    @property
    def summary(self) -> str:
        """The first line of the formula's docstring."""
        return (inspect.getdoc(self.formula) or "").split("\n")[0]

    def checked(self, options: Mapping[str, object]) -> dict[str, object]:
        """The options, converted to the types the formula declares; `OptionError` where they do not fit."""
        if not isinstance(options, Mapping):
            raise OptionError(f"the options of {self.kind} {self.name!r} are a dict by name; got {options!r}.")
        for name in options:
            if name not in self.options:
                takes = ", ".join(self.options) or "none"
                near = did_you_mean(name, self.options)
                raise OptionError(f"{self.kind} {self.name!r} has no option {name!r}; it takes {takes}.{near}")
        return {name: self._converted(self.options[name], value) for name, value in options.items()}

    def _converted(self, parameter: inspect.Parameter, value: object) -> object:
        """A value as the option's declared type; text from the command line is read as that type."""
        declared = parameter.annotation
        type_of = type(parameter.default) if declared is parameter.empty else declared
        choices = get_args(type_of) if get_origin(type_of) is Literal else ()
        several = get_args(type_of)[0] if get_origin(type_of) is tuple and get_args(type_of)[1:] == (...,) else None
        if not (choices or several) and type_of not in (bool, int, float, str):
            return value
        try:
            if several is not None:
                given = value.split(",") if isinstance(value, str) else value
                if not isinstance(given, Iterable):
                    raise ValueError
                return tuple(several(each) for each in given)
            if choices:
                return choices[choices.index(value)]
            if type_of is bool:
                return value if isinstance(value, bool) else {"true": True, "false": False}[str(value).lower()]
            if not isinstance(value, int | float | str) or isinstance(value, bool):
                raise ValueError
            if type_of is int and float(value) != int(value):
                raise ValueError
            return type_of(value)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            wanted = " or ".join(map(repr, choices)) if choices else f"of type {type_of.__name__}"
            if several is not None:
                wanted = f"several values of type {several.__name__}, such as a list"
            raise OptionError(
                f"option {parameter.name!r} of {self.kind} {self.name!r} must be {wanted}; got {value!r}."
            ) from error


def formula_of(
    kind: str, function: Callable[..., Any], supplied: Mapping[str, object], error: type[Exception] = OptionError
) -> Formula:
    """What a function's signature says, of a `kind`; raises `error` for a need that is not among those `supplied`."""
    name, parameters = function.__name__, inspect.signature(function).parameters.values()
    needs = tuple(each.name for each in parameters if each.kind is not each.KEYWORD_ONLY)
    options = {each.name: each for each in parameters if each.kind is each.KEYWORD_ONLY}
    unknown = [need for need in needs if need not in supplied]
    if unknown:
        raise error(
            f"{kind} {name!r} names {unknown[0]!r}, which nobody supplies.{did_you_mean(unknown[0], supplied)} "
            f"A formula may name {', '.join(supplied)}; options come after a *."
        )
    without = [option for option, each in options.items() if each.default is each.empty]
    if without:
        raise error(f"option {without[0]!r} of {kind} {name!r} needs a default value.")
    return Formula(kind, name, function, needs, MappingProxyType(options))


@contextmanager
def unwritten(formula: Formula, given: Sequence[object]) -> Iterator[None]:
    """While a formula runs on tensors that others are given as well; `WrittenError` where it wrote to one."""
    tensors = {name: each for name, each in zip(formula.needs, given, strict=True) if isinstance(each, Tensor)}
    before = {name: each._version for name, each in tensors.items() if not each.is_inference()}
    yield
    for name, version in before.items():
        if tensors[name]._version != version:
            raise WrittenError(
                f"{formula.kind} {formula.name!r} wrote to its {name!r} in place, which others are given as well: "
                f"let it work on {name}.clone()."
            )


def import_all(package: ModuleType) -> None:
    """Import every module that lies directly in a package, by name."""
    for module in sorted(iter_modules(package.__path__), key=lambda module: module.name):
        if not module.ispkg:
            import_module(f"{package.__name__}.{module.name}")
