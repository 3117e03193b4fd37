"""The model that was trained on shuffled labels, beside which the random label check holds an explanation."""

from collections.abc import Callable
from copy import deepcopy

from torch import nn

from featuremaps.errors import OptionError

RandomLabelModel = nn.Module | Callable[[nn.Module], nn.Module]
"""The model itself, or a function that is given a copy of the one explained and returns it so trained."""


def trained_on_random_labels(model: nn.Module, given: object) -> nn.Module:
    """The model that is given, or that the function gives which is; neither changes the model explained.

    Raises `OptionError` for anything else, and for a model of another architecture.
    """
    trained = given if isinstance(given, nn.Module) else given(deepcopy(model)) if callable(given) else None
    if not isinstance(trained, nn.Module):
        what = f"the function gave {trained!r}" if callable(given) else f"got {given!r}"
        raise OptionError(
            "random_label_model is a model of the same architecture that was trained on shuffled labels, or a function "
            f"that is given a copy of the model and returns it so trained; {what}."
        )
    wanted, has = ({name: tuple(value.shape) for name, value in each.state_dict().items()} for each in (model, trained))
    different = [name for name in {**wanted, **has} if wanted.get(name) != has.get(name)]
    if different:
        name = different[0]
        raise OptionError(
            f"random_label_model has another architecture: {name!r} has shape {has.get(name, 'none')}, and "
            f"{wanted.get(name, 'none')} in the model explained."
        )
    return trained
