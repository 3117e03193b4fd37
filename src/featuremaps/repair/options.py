"""How a model is repaired."""

from dataclasses import dataclass
from typing import Annotated, Literal

from featuremaps.errors import OptionError
from featuremaps.options import Help, Seeded

How = Literal["auto", "projection", "channels", "balanced_head", "hard_head", "fine_tune"]


@dataclass(frozen=True, kw_only=True)
class RepairOptions(Seeded):
    """Which way is taken, "auto" for the one that helps the worst group most, and in how many pictures it is chosen.

    "projection" takes the shortcut's direction out (P-ClArC), "channels" the channels that carry most of it,
    "balanced_head" trains the last layer anew with every group counting alike (DFR), "hard_head" with the pictures that
    the model finds hard counting more (AFR). "fine_tune" trains a copy of all that comes after the shortcut's layer,
    and keeps its answers from changing along the direction (RR-ClArC): that takes long, and is not part of "auto".
    `from_layer` is another layer for it to begin after, an earlier one, say, so that more is trained. `per_class`
    pictures of each class are taken. Raises `OptionError`.
    """

    how: Annotated[How, Help("The way to repair, or auto: the one that helps the worst group most.")] = "auto"
    from_layer: Annotated[
        str | None, Help("With fine_tune: the layer after which all is trained; the shortcut's own if none is named.")
    ] = None
    per_class: Annotated[
        int, Help("Pictures of each class to work with.", least=10, what="how many pictures of each class are used")
    ] = 500
    batch_size: Annotated[int, Help("Pictures that run at once.", least=1, what="how many pictures run together")] = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.from_layer is not None and self.how != "fine_tune":
            raise OptionError(f"from_layer= is for how='fine_tune', which trains all after it; got how={self.how!r}.")
