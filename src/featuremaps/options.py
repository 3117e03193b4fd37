"""Options: a frozen dataclass for each verb. A field with `Help` is an option of the command line too, in its words."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields
from functools import cache
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from featuremaps.errors import OptionError, check_choice, did_you_mean

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Help:
    """What the command line says of a field, and which numbers the field takes.

    They are `least` or more, and larger than `above`; `what` says what they are ("the size of a step"). `flag` is the
    option's name on the command line where it is not the field's, with a short one after it. `read` makes a value of
    its text, or raises a `ValueError` that says how to write it. An option without a value of its own stands for `on`.
    """

    text: str
    least: int | None = None
    above: int | float | None = None
    what: str = ""
    flag: str = ""
    read: Callable[[str], object] | None = None
    on: object = None

    def flags(self, name: str) -> list[str]:
        """How the option of a field of this name is typed, the long way first."""
        return self.flag.split() or ["--" + name.replace("_", "-")]


@dataclass(frozen=True)
class Option:
    """A field with `Help`: its `types`, each of a union, its `choices` if any, and whether it takes several."""

    name: str
    default: Any
    help: Help
    types: tuple[Any, ...]
    choices: tuple[Any, ...]
    several: bool

    def check(self, value: object) -> None:
        """`OptionError`, which begins with the option's name, for a value that is no choice, or too small."""
        if value is None and NoneType in self.types:
            return
        if self.choices:
            for one in value if isinstance(value, Collection) and not isinstance(value, str) else (value,):
                check_choice(self.name, one, self.choices)
            return
        words = f"{self.name} is {self.help.what}, " if self.help.what else f"{self.name} is "
        if {int, NoneType}.issuperset(self.types) and not is_whole(value):
            raise OptionError(f"{words}a whole number; got {value!r}.")
        if float in self.types and {int, float, NoneType}.issuperset(self.types) and not isinstance(value, Real):
            raise OptionError(f"{words}a number; got {value!r}.")
        if isinstance(value, int | float):
            least, above = self.help.least, self.help.above
            if least is not None and not least <= value < float("inf"):
                raise OptionError(f"{words}{least} or more; got {value}.")
            if above is not None and not above < value < float("inf"):
                raise OptionError(f"{words}above {above}; got {value}.")


def is_whole(value: object) -> bool:
    """Whether it is a whole number, of Python or NumPy; True and False are none."""
    return type(value) is not bool and isinstance(value, Integral)


@cache
def options_of(kind: type) -> tuple[Option, ...]:
    """The fields of a class of options that have `Help`, in their order."""
    hints = get_type_hints(kind, include_extras=True)
    options = []
    for each in fields(kind):
        notes = getattr(hints[each.name], "__metadata__", ())
        for help in (note for note in notes if isinstance(note, Help)):
            declared = hints[each.name].__origin__
            types = get_args(declared) if get_origin(declared) in (Union, UnionType) else (declared,)
            inner = [part for one in types if get_origin(one) in (Collection, Sequence) for part in get_args(one)]
            choices = {value: None for one in (*types, *inner) if get_origin(one) is Literal for value in get_args(one)}
            options.append(Option(each.name, each.default, help, types, tuple(choices), bool(inner)))
    return tuple(options)


def check(options: object) -> None:
    """Check all fields with `Help`; what `__post_init__` of a class of options calls."""
    kind: type = type(options)
    for option in options_of(kind):
        option.check(getattr(options, option.name))


def made(kind: type[Kind], **given: Any) -> Kind:
    """Options by name; `OptionError` with the nearest names for one that there is not."""
    known = [each.name for each in fields(kind)]  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            raise OptionError(f"there is no option {name!r}; choose {', '.join(known)}.{did_you_mean(name, known)}")
    return kind(**given)


@dataclass(frozen=True, kw_only=True)
class Seeded:
    """Options of what is random in part: one seed decides all of it. They are checked."""

    seed: Annotated[int, Help("The seed of everything random.", least=0)] = 0

    def __post_init__(self) -> None:
        check(self)
        if self.seed >= 2**63:
            raise OptionError(f"seed is less than 2⁶³; got {self.seed}.")

    @property
    def generator(self) -> Any:
        """Randomness on the CPU that begins at the seed, a `torch.Generator`."""
        from torch import Generator

        return Generator().manual_seed(self.seed)


Precision = Literal["float32", "bfloat16", "float16"]
Negative = Literal["refuse", "clip"]
"""What becomes of values below 0 where there may be none."""
Each = Literal["picture", "box", "region"]
"""What a survey counts: pictures, the boxes of a detector, or the regions that a segmenter gives its classes."""
OutputKind = Literal["logits", "probabilities", "log_probabilities", "multi_label", "detections"]
"""What class scores are. Those of a multi-label model are logits, each with a sigmoid of its own.

"detections": rows of a box and class scores for each picture, see `featuremaps.outputs.detections`.
"""


@dataclass(frozen=True, kw_only=True)
class PassOptions(Seeded):
    """What formulas are supplied by: the seed of all randomness, and the precision of extra passes."""

    precision: Annotated[Precision, Help("Of the extra passes some methods make: float32, bfloat16 or float16.")] = (
        "float32"
    )
