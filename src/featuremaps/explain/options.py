"""How pictures are explained: what is the same for every method, layer and target asked for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from featuremaps.errors import OptionError
from featuremaps.options import Help, PassOptions

Smoothing = Literal["augment", "eigen"]
REPORT_METHODS = ("grad_cam", "layer_cam", "hires_cam", "guided_backprop", "integrated_gradients", "lrp")
"""What a report shows unless other methods are named."""


@dataclass(frozen=True, kw_only=True)
class ExplainOptions(PassOptions):
    """The options of `explain`, `compare` and `report`.

    `smooth` "augment" averages over flipped and brightened copies, "eigen" keeps the first principal component of the
    channels' contributions. `precision` is that of the extra passes some methods make. Pictures of one size run
    together, up to `batch_size` at a time. Of what a detector finds counts what has a score of `threshold` or more.
    `of_methods` are the options of single methods, by their names. Raises
    `OptionError`.
    """

    smooth: Annotated[
        Smoothing | Collection[Smoothing],
        Help("augment (flips and brightness) or eigen; several times for both."),
    ] = ()
    batch_size: Annotated[int, Help("Pictures that run at once.", least=1, what="how many pictures run together")] = 32
    threshold: Annotated[
        float, Help("The score from which on something that a detector finds is explained.", least=0)
    ] = 0.5
    of_methods: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threshold > 1:
            raise OptionError(f"threshold is a score from 0 to 1; got {self.threshold}.")

    @property
    def smoothings(self) -> Collection[Smoothing]:
        """All of `smooth`, where one may be given by itself."""
        return (self.smooth,) if isinstance(self.smooth, str) else self.smooth
