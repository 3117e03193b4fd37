"""The plain attributes of a model's modules, which a forward pass may write to, and what stands in their lists, dicts
and sets: put back where that differs.

Parts and hooks too: some models put hooks onto themselves in their first pass, and note that in an attribute. What else
torch keeps of its own is left to others: `HeldTensors` has parameters and buffers.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from operator import is_not
from types import FunctionType
from typing import Any

from torch import nn

from featuremaps.session.held_tensors import put_back

OWN_OF_TORCH = frozenset(vars(nn.Module())) - {"training"}
TABLES = ("_modules", *sorted(name for name in OWN_OF_TORCH if "ward" in name and "hooks" in name))
"""Of a module's parts, and of the hooks called forward and backward."""
MOST = 64
"""What is inside the containers in a list or dict of more entries is not looked at: it holds data."""
Container = dict[Any, Any] | list[Any] | set[Any] | deque[Any]
_CONTAINERS = dict, list, set, deque
_EMPTY: dict[str, Any] = {}
"""Most tables are; it is never written to."""


class HeldAttributes:
    """The attributes of modules as they are now, by identity, training flags, parts and hooks among them.

    `functions` are those among them, each with the attributes it is one of, and its name there.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self._attributes = [(vars(module), dict(vars(module))) for module in modules]
        tables = [own[name] for own, _ in self._attributes for name in TABLES]
        self._tables = [(table, dict(table) if table else _EMPTY) for table in tables]
        self.functions: list[tuple[dict[str, Any], str, FunctionType]] = []
        self._contents: list[tuple[Container, Any]] = []
        seen: set[int] = set()
        for attributes, _ in self._attributes:
            for name in attributes.keys() - OWN_OF_TORCH:
                value = attributes[name]
                if type(value) is FunctionType:
                    self.functions.append((attributes, name, value))
                elif isinstance(value, _CONTAINERS):
                    self._contents += [(inner, _copied(inner)) for inner in _nested(value, seen)]

    def restore(self) -> None:
        """Put back what differs; it may be called again."""
        for held, own in (*self._attributes, *self._tables):
            if not held and not own:
                continue
            if len(held) != len(own) or any(map(is_not, held.values(), own.values())) or held.keys() != own.keys():
                put_back(held, own)
        for container, own_items in self._contents:
            _refill(container, own_items)


def _nested(container: Container, seen: set[int]) -> Iterator[Container]:
    """A container with those inside it, each once."""
    if id(container) in seen:
        return
    seen.add(id(container))
    yield container
    items = container.values() if isinstance(container, dict) else container
    for item in items if len(container) <= MOST else ():
        if isinstance(item, _CONTAINERS):
            yield from _nested(item, seen)


def _copied(container: Container) -> Any:
    return dict(container) if isinstance(container, dict) else list(container)


def _refill(container: Container, own: Any) -> None:
    """Make a container hold what it held, where that differs."""
    if isinstance(container, dict):
        put_back(container, own)
    elif isinstance(container, set):
        container.update(own)
        container.intersection_update(own)
    elif len(container) != len(own) or any(map(is_not, container, own)):
        if isinstance(container, list):
            container[:] = own
        else:
            container.clear()
            container.extend(own)
