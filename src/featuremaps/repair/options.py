"""How a model is repaired."""

from dataclasses import dataclass
from typing import Annotated, Literal

from featuremaps.errors import OptionError
from featuremaps.options import Help, Seeded

How = Literal["auto", "projection", "channels", "balanced_head", "hard_head", "fine_tune", "right_reason"]
TRAINED = ("fine_tune", "right_reason")
"""Ways that train more than the last layer, in a copy."""


@dataclass(frozen=True, kw_only=True)
class RepairOptions(Seeded):
    """Which way is taken, "auto" for the one that helps the worst group most, and in how many pictures it is chosen.

    "projection" takes the shortcut's direction out (P-ClArC), "channels" the channels that carry most of it,
    "balanced_head" trains the last layer anew with every group counting alike (DFR), "hard_head" with the pictures that
    the model finds hard counting more (AFR). Two ways train a copy, which takes minutes, and are not part of "auto":
    "fine_tune" all layers, with every group counting alike, "right_reason" all after the first half of them, with its
    answers kept from changing along the direction too (RR-ClArC). `from_layer` is another layer for them to begin
    after. `per_class` pictures of each class are taken. Raises `OptionError`.
    """

    how: Annotated[How, Help("The way to repair, or auto: the one that helps the worst group most.")] = "auto"
    from_layer: Annotated[
        str | None,
        Help("With fine_tune and right_reason: the layer after which all is trained; without it see --how."),
    ] = None
    per_class: Annotated[
        int, Help("Pictures of each class to work with.", least=10, what="how many pictures of each class are used")
    ] = 500
    batch_size: Annotated[int, Help("Pictures that run at once.", least=1, what="how many pictures run together")] = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.from_layer is not None and self.how not in TRAINED:
            ways = " and ".join(f"how={way!r}" for way in TRAINED)
            raise OptionError(f"from_layer= is for {ways}, which train all after it; got how={self.how!r}.")
