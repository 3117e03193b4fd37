"""Sending units back to the pixels: from a channel's strongest place in each picture, by a backward rule."""

from collections.abc import Mapping, Sequence
from heapq import nlargest
from typing import Protocol, runtime_checkable

from featuremaps.errors import ModelError, OptionError, check_choice, check_least
from featuremaps.layers.addresses import Address
from featuremaps.layers.layout import folded
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.seen import Seen
from featuremaps.projection.projections import PixelBox, Projection, Projections
from featuremaps.rules import RELU_RULES, ReluRule
from featuremaps.runtime.backward import send_back_unit
from featuremaps.runtime.batches import batches, probe
from featuremaps.runtime.recording import take
from featuremaps.runtime.warnings import why_not_finite
from featuremaps.session import Session

GUESSED = (
    "{}: where the layer's places lie in the picture could not be followed, so what the unit sees is not known, and "
    "its patch may lie elsewhere."
)


@runtime_checkable
class Sees(Protocol):
    """What must be known of a layer to tell what its units see; see `LayerInfo`."""

    @property
    def whole(self) -> bool:
        """Whether every unit sees the whole input."""

    @property
    def receptive_field(self) -> tuple[float, ...] | None:
        """In input pixels, a number per axis; None where unknown."""

    @property
    def start(self) -> tuple[float, ...] | None:
        """The middle of the first unit's field."""

    @property
    def stride(self) -> tuple[float, ...] | None:
        """How far units are apart."""


def project(
    studied: StudiedModel, pictures: Sequence[Seen], texts: Sequence[str], way: ReluRule, most: int, batch_size: int
) -> Projections:
    """Each unit in the `most` pictures where it is strongest, sent back to the pixels from its strongest place.

    One pass over all pictures finds the strongest, a second one sends them back. Raises `LayerNotFoundError` for a
    unit that does not exist, `LayoutError` for a layer whose output is not a map, `OptionError` where no unit is named.
    """
    check_choice("rule", way, RELU_RULES)
    check_least("most", most, "how many pictures are shown of each unit")
    if not texts:
        raise OptionError("no unit was given to project: give one, such as 'layer4:452', or several.")
    known = studied.walk(probe(pictures, batch_size))
    units = known.units(texts)
    guessed = [unit for unit in units if known[unit.name].places_guessed]
    with studied.session() as session:
        peaks = _peaks(session, pictures, units, batch_size)
        rows = tuple(
            _projected(session, pictures, unit, nlargest(most, of_unit, of_unit.__getitem__), studied, way, batch_size)
            for unit in units
            for of_unit in [peaks[str(unit)]]
        )
    return Projections(rows, way, tuple(GUESSED.format(unit) for unit in guessed))


def _projected(
    session: Session,
    pictures: Sequence[Seen],
    unit: Address,
    chosen: Sequence[int],
    studied: StudiedModel,
    way: ReluRule,
    batch_size: int,
) -> tuple[Projection, ...]:
    """One unit in some of the pictures, in their order."""
    assert unit.channel is not None
    projections: dict[int, Projection] = {}
    for batch in batches([pictures[number] for number in chosen], batch_size, "projecting units"):
        with batch:
            layer, size = studied.walk(batch.inputs[:1])[unit.name], tuple(batch.inputs.shape[2:])
            values, places, signals = send_back_unit(session, batch.inputs, unit.name, unit.channel, way)
            sent_back = zip(batch.rows, values.tolist(), places.tolist(), signals, strict=True)
            for row, value, (down, across), signal in sent_back:
                box = receptive_box(layer, (down, across), size)
                projections[row] = Projection(str(unit), pictures[chosen[row]], value, (down, across), box, signal)
    return tuple(projections[row] for row in range(len(chosen)))


def _peaks(
    session: Session, pictures: Sequence[Seen], units: Sequence[Address], batch_size: int
) -> Mapping[str, dict[int, float]]:
    """Every unit's highest value in every picture, by its number, from one pass that stops at the deepest layer."""
    layers = list(dict.fromkeys(unit.name for unit in units))
    peaks: dict[str, dict[int, float]] = {str(unit): {} for unit in units}
    for batch in batches(pictures, batch_size, "looking for the strongest pictures"):
        with batch:
            activations = take(session, batch.inputs, layers, gradients=False, stop_early=True).activations
            for unit in units:
                highest = activations[unit.name][:, unit.channel].flatten(1).amax(1)
                if not bool(highest.isfinite().all()):
                    raise ModelError(f"unit {unit} has values that are not finite. {why_not_finite(session.model)}")
                peaks[str(unit)] |= zip(batch.rows, highest.tolist(), strict=True)
    return peaks


def receptive_box(layer: Sees, place: tuple[int, int], size: tuple[int, ...]) -> PixelBox:
    """What one unit sees of an input of `size` (height, width) or (time,), in its pixels, clipped at the border.

    The whole input where every unit sees all of it, where the receptive field is not known, and of a volume.
    """
    if layer.whole or not (layer.receptive_field and layer.start and layer.stride) or len(size) > 2:
        height, width = folded(size)
        return PixelBox(0, 0, width, height)
    edges = []
    for field, start, stride, index, extent in zip(
        layer.receptive_field, layer.start, layer.stride, place[-len(size) :], size, strict=True
    ):
        low = start + index * stride - field / 2
        edges.append((max(0, round(low)), min(extent, round(low + field))))
    (top, bottom), (left, right) = edges if len(edges) == 2 else [(0, 1), *edges]
    return PixelBox(left, top, right, bottom)
