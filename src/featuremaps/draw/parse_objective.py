"""Objectives as people write them: "layer4:452", "layer4:452@3,5", "tabby", "layer4", "layer4:1 - 0.5*layer4:7"."""

import re

from featuremaps.draw.objective import Channel, ClassScore, Combination, Direction, Layer, Neuron, Objective
from featuremaps.errors import FeatureMapsError, LayerNotFoundError, OptionError, nearest, suggested
from featuremaps.layers import Layers
from featuremaps.layers.directions import Directed
from featuremaps.outputs.outputs import Classes, class_named, classes_called

_TERM = re.compile(r"(?:(?P<factor>[0-9]*\.?[0-9]+)\s*\*\s*)?(?P<name>.+)", re.DOTALL)
_PLACE = re.compile(r"(?P<unit>.+:[0-9]+)@\s*(?:(?P<y>[0-9]+)\s*,\s*(?P<x>[0-9]+)|middle)")


def as_objective(given: object, layers: Layers, classes: Classes) -> Objective:
    """An objective from whatever names one: a text, a class index, an objective, a direction (its plain projection).

    A text is a unit, a neuron (`@row,column` or `@middle`), a layer, the name of a class, or several of these with
    `+`, `-` and factors between them. A name that is both a layer and a class is the layer. Raises
    `LayerNotFoundError` with the nearest names of both kinds, `TargetError` for a name that several classes have,
    `OptionError` for something else.
    """
    if isinstance(given, Objective):
        return given
    if isinstance(given, Directed):
        return Direction(layers[given.layer].name, given.vector, sharpness=0.0, name=f"{given.name} in {given.layer}")
    if isinstance(given, int) and not isinstance(given, bool):
        return ClassScore(given)
    if not isinstance(given, str):
        raise OptionError(
            f"{given!r} cannot be drawn. Give a unit such as 'layer4:452', a neuron 'layer4:452@3,5', a layer, the "
            "name or index of a class, or an objective from featuremaps.draw."
        )
    whole = _single(given.strip(), layers, classes)
    if whole is not None:
        return whole
    terms = _terms(given)
    if len(terms) == 1 and terms[0][0] == 1:
        raise _not_found(given, layers, classes)
    objectives = []
    for weight, name in terms:
        objective = _single(name, layers, classes)
        if objective is None:
            raise _not_found(name, layers, classes)
        objectives.append((weight, objective))
    return Combination(tuple(objectives))


def _terms(text: str) -> list[tuple[float, str]]:
    """The signed weights and names of a sum; a sign between terms has a space on both sides, as names may hold one."""
    parts = re.split(r"\s+([+-])\s+", text.strip())
    first = parts[0]
    signs = ["-" if first.startswith("-") else "+", *parts[1::2]]
    names = [first.lstrip("+-").strip(), *parts[2::2]]
    terms = []
    for sign, name in zip(signs, names, strict=True):
        match = _TERM.fullmatch(name.strip())
        if match is None:
            raise OptionError(f"{text!r} cannot be read as a sum: a name is missing after {sign!r}.")
        terms.append(((-1.0 if sign == "-" else 1.0) * float(match["factor"] or 1), match["name"]))
    return terms


def _single(text: str, layers: Layers, classes: Classes) -> Objective | None:
    """What one name means, or None."""
    place = _PLACE.fullmatch(text)
    unit = place["unit"] if place else text
    if re.fullmatch(r".+:[0-9]+", unit) and _is_layer(unit.rpartition(":")[0], layers):
        (address,) = layers.units([unit])
        assert address.channel is not None
        if place is None:
            return Channel(address.name, address.channel)
        return Neuron(address.name, address.channel, (int(place["y"]), int(place["x"])) if place["y"] else None)
    if _is_layer(text, layers):
        return Layer(layers.resolve(text)[0])
    if text.isdigit() or (classes is not None and classes_called(text, classes)):
        return ClassScore(class_named(text, 0, classes), name=text)
    return None


def _is_layer(text: str, layers: Layers) -> bool:
    try:
        return len(layers.resolve(text)) == 1
    except FeatureMapsError:
        return False


def _not_found(text: str, layers: Layers, classes: Classes) -> LayerNotFoundError:
    unit = text.partition("@")[0]
    name = unit.rpartition(":")[0] or unit
    near = [*nearest(name, layers.names, 2), *nearest(name, classes or (), 2)]
    of = f"none of its {len(classes)} classes is called so" if classes else "its classes have no names: give an index"
    return LayerNotFoundError(
        f"{text!r} cannot be drawn: {layers.model} has no such layer, and {of}.{suggested(near)} "
        "Units are written as 'layer4:452', neurons as 'layer4:452@3,5'."
    )
