"""Answers that a notebook shows as their figure."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from featuremaps.plotting.files import png_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Illustrated(ABC):
    """An answer with a figure."""

    @abstractmethod
    def figure(self) -> "Figure":
        """What there is to see of it."""

    def _repr_png_(self) -> bytes:
        return png_of(self.figure())
