"""Results that a notebook shows as their figure."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from PIL import Image

from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.files import png_of


class Shown:
    """A result with a `figure`, which a notebook shows by itself."""

    figure: Callable[..., Figure]

    def show(self, **look: Any) -> None:
        """Open the figure in the system's viewer of pictures.

        Args:
            **look: What `figure` takes.
        """
        Image.open(BytesIO(png_of(self.figure(**look)))).show()

    def _repr_png_(self) -> bytes | None:
        return png_of(self.figure())
