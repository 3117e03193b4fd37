"""featuremaps: ask a vision model what it sees, and get an answer you can check.

The names of the package stand in `__init__.pyi`, each with its file, which is loaded when the name is asked for: most
bring PyTorch, some the libraries for tables.
"""

from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec

import lazy_loader

__version__ = version("featuremaps")
_named, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    if name not in __all__ and not name.startswith("_") and find_spec(f"{__name__}.{name}") is not None:
        return import_module(f"{__name__}.{name}")  # featuremaps.errors, as it is there once anything was used
    return _named(name)
