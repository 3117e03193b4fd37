"""Extension points: what a decorator registers by name, and where it is found. All of them are made here, alike.

A module of the extension point's package is one entry or more; the package is walked, so nothing is listed by hand.
Other packages add theirs by an entry point in a group called like it, such as `featuremaps.sources`.
"""

import inspect
import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from threading import RLock
from types import ModuleType
from typing import Generic, TypeVar

from featuremaps.errors import FeatureMapsWarning, OptionError, did_you_mean

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


def import_all(package: ModuleType) -> None:
    """Import every module that lies directly in a package, by name."""
    for module in sorted(iter_modules(package.__path__), key=lambda module: module.name):
        if not module.ispkg:
            import_module(f"{package.__name__}.{module.name}")
