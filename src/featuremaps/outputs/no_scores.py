"""Why no class scores are read from what a model returns, and what to do, by what it looks like."""

from collections.abc import Collection, Mapping

from torch import Tensor

from featuremaps.layers.model_ends import tensors_of

FUNCTION = "give target= a function from the model's output to one score per picture"


def describe(outputs: object) -> str:
    """What a model returned, in words."""
    if isinstance(outputs, Mapping):
        return f"a dict of {', '.join(map(repr, outputs))}"
    return f"a {type(outputs).__name__}"


def why_undecided(outputs: object, several: Collection[Tensor], classes: int | None) -> str:
    """Why none of `several` tensors in the outputs is taken for the scores of so many named `classes`."""
    shapes = " and ".join(str(tuple(tensor.shape)) for tensor in several)
    given = f"the model returns {describe(outputs)} with tensors of shape {shapes}"
    if levels := _levels(outputs):
        return f"{given}: {levels}"
    if classes is None:
        return (
            f"{given}, and which of them is its class scores is not known. Name the classes, as many as it gives "
            f"scores: Scope(model, classes=[…]); or {FUNCTION}."
        )
    return (
        f"{given}, and which of them is its class scores is not known: not just one of them has {classes}, as many as "
        f"classes were named. Wrap the model so that it returns that one, or {FUNCTION}."
    )


def why_none(outputs: object) -> str:
    """Why there is nothing in the outputs that could be class scores."""
    given = f"the model returns {describe(outputs)}, in which no class scores were found"
    if levels := _levels(outputs):
        return f"{given}: {levels}"
    return f"{given}. {FUNCTION[0].upper() + FUNCTION[1:]}, or Box(...) for a detector."


def _levels(outputs: object) -> str:
    """What to do with maps of several sizes; "" where there are none, or maps of one size alone."""
    maps = [tensor for tensor in tensors_of(outputs) if tensor.ndim in (4, 5)]
    sizes = list(dict.fromkeys(tuple(tensor.shape[-2:]) for tensor in maps))
    if isinstance(outputs, Tensor) or len(sizes) < 2:
        return ""
    shown = ", ".join(f"{height}×{width}" for height, width in sizes)
    return (
        f"maps of several sizes, {shown}. Of a network with deep supervision, wrap it so that it returns the map that "
        "is its answer. Of a detector these are what its head gives at each stride before it is made boxes: wrap it so "
        "that it returns the boxes with their labels and scores, or the rows that it decodes to (docs/detectors.md "
        f"says which forms are read). Or {FUNCTION}."
    )
