"""What may be chosen of a drawing in words and numbers: the options of the command line, which need no PyTorch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from featuremaps.errors import OptionError
from featuremaps.options import Help, Precision, Seeded, check, is_whole

Size = int | tuple[int, int] | None
Optimizer = Literal["adam", "lbfgs", "gradient"]


def pair(size: Size) -> tuple[int, int] | None:
    """Height and width of a size; one number stands for both."""
    return (size, size) if isinstance(size, int) else size


def read_size(text: str) -> Size:
    """`"224"` as 224, `"160x224"` as (160, 224)."""
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise ValueError("224, or height x width such as 160x224")
    sides = [int(part) for part in parts]
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


SIZE = Help("Pixels: 224, or height x width as 160x224. Default: what suits the model.", read=read_size)
STEPS = Help("Steps of the optimisation.", least=1, what="how often the picture is changed")
RATE = Help("How large a step is. Default: what suits the canvas.", above=0, what="the size of a step")
OPTIMIZER = Help("lbfgs, adam or gradient.")
DRAWN_ON = Help("What is optimised: fourier, pixels, maco or cppn; or multiscale.")
INVERTED_ON = Help("What is optimised: fourier, pixels, maco or cppn.")
OCTAVES = Help("From how many sizes, small to large.", least=1)


@dataclass(frozen=True, kw_only=True)
class PictureOptions(Seeded):
    """What the options of all that is made by optimisation have in common: `frames` pictures of the way are kept."""

    frames: Annotated[
        int,
        Help("Also write the way there, as an animated WebP.", 0, what="how many are kept", flag="--animation", on=24),
    ] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        size = pair(getattr(self, "size", None))
        if size is None:
            return
        if not isinstance(size, tuple | list) or len(size) != 2 or not all(map(is_whole, size)) or min(size) < 1:
            raise OptionError(f"size is (height, width) in pixels, 1 or more; got {size!r}.")


@dataclass(frozen=True, kw_only=True)
class DrawChoices(PictureOptions):
    """How units are drawn; `DrawOptions` says what each is, and takes a canvas itself too."""

    canvas: Annotated[object, DRAWN_ON] = "fourier"
    size: Annotated[Size, SIZE] = None
    variants: Annotated[int, Help("Pictures of each unit.", 1, what="how many pictures of each unit are drawn")] = 1
    diversity: Annotated[
        float,
        Help("How much variants differ, as a share of the value that is given up for it.", 0, what="a share"),
    ] = 0.5
    steps: Annotated[int, STEPS] = 128
    rate: Annotated[float | None, RATE] = None
    alpha: Annotated[
        bool | None, Help("Show how much each pixel mattered, as transparency. Default: on the maco canvas.")
    ] = None
    precision: Annotated[
        Literal["auto"] | Precision,
        Help("Of the model while it is drawn from: float32, bfloat16, float16, or auto: what is quick here."),
    ] = "auto"
    batch_size: Annotated[
        int, Help("Pictures that are drawn at once.", least=1, what="how many pictures are drawn together")
    ] = 32
    compile: Annotated[bool, Help("Compile the model first, which pays for many steps.")] = False


@dataclass(frozen=True, kw_only=True)
class InvertChoices(PictureOptions):
    """How pictures are inverted; `InvertOptions` says what each is, and takes a canvas itself too."""

    size: Annotated[Size, SIZE] = None
    steps: Annotated[int, STEPS] = 400
    canvas: Annotated[object, INVERTED_ON] = None
    rate: Annotated[float | None, RATE] = None
    optimizer: Annotated[Optimizer, OPTIMIZER] = "adam"


@dataclass(frozen=True, kw_only=True)
class StylizeChoices(PictureOptions):
    """How a picture is painted; `StylizeOptions` says what each is."""

    content_layers: Annotated[
        str | Sequence[str] | None, Help("A layer of the content; several times for several.", flag="--content-layer")
    ] = None
    style_layers: Annotated[
        str | Sequence[str] | None, Help("A layer of the style; several times for several.", flag="--style-layer")
    ] = None
    size: Annotated[Size, SIZE] = None
    steps: Annotated[int, STEPS] = 200
    optimizer: Annotated[Optimizer, OPTIMIZER] = "adam"


@dataclass(frozen=True, kw_only=True)
class DreamChoices(PictureOptions):
    """How a picture is dreamt; `DreamOptions` says what each is, and takes octaves themselves too."""

    octaves: Annotated[int | object, OCTAVES] = 4
    steps: Annotated[int, STEPS] = 10


@dataclass(frozen=True)
class Weights:
    """How much each part of a style's loss counts: `alpha` the content, `beta` the style, `smooth` the variation."""

    alpha: Annotated[float, Help("The weight of the content; 0 draws the texture alone.", 0, what="a weight")] = 1.0
    beta: Annotated[float, Help("The weight of the style; 0 draws the content alone.", least=0, what="a weight")] = 10.0
    smooth: Annotated[float, Help("The weight of the total variation.", least=0, what="a weight")] = 0.0

    def __post_init__(self) -> None:
        check(self)
