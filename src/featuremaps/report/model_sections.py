"""From what stands inside a model to sections of a report: the walk through its layers, their channels, its filters."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d

from featuremaps.draw import Drawing
from featuremaps.errors import FeatureMapsError
from featuremaps.filters.figures import full_weights, kernel_pixels
from featuremaps.filters.filters import Filters, filters_of
from featuremaps.layers import Layers
from featuremaps.layers.info import receptive_field_of
from featuremaps.maps.feature_maps import FeatureMaps
from featuremaps.maps.layer_maps import LayerMaps
from featuremaps.maps.layer_summary import WalkRow, walk_through
from featuremaps.maps.read import read_maps
from featuremaps.maps.read_attention import read_attention
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.seen import Seen
from featuremaps.projection.project import project
from featuremaps.report.attention import AttendingLayer, AttentionSection
from featuremaps.report.channels import BrowsedLayer, ChannelsSection
from featuremaps.report.data import LayeredPicture, Section, made
from featuremaps.report.filters import FiltersSection, FilterTile
from featuremaps.report.layer_walk import LayerWalkSection, TopMap, WalkedLayer
from featuremaps.report.patterns import Pattern, PatternsSection, UnitPicture
from featuremaps.runtime.batches import probe

MOST_PICTURES = 4
MOST_FILTERS = 96
MOST_REAL = 6
RESPONSE = 32
BROWSED = 64
"""The longest side of a signal's and a volume's maps in the browser of channels, slices beside each other."""


def inside(studied: StudiedModel, pictures: Sequence[Seen]) -> tuple[Section, ...]:
    """The walk, the channels and the attention for the first pictures, and the first layer's filters.

    Of what the model has; a part that cannot be made says why.
    """
    shown = pictures[:MOST_PICTURES]
    known = studied.walk(probe(shown))
    if known.last_map is None:
        return ()
    parts: list[tuple[str, Callable[[], Section]]] = [
        (LayerWalkSection.title, lambda: walk_section(studied, known, shown)),
        (ChannelsSection.title, lambda: channels_section(studied, known, shown)),
    ]
    if any(info.keys.between == "places" for info in known.attentions):
        parts.append((AttentionSection.title, lambda: attention_section(studied, shown)))
    if any(info.type.startswith("Conv") for info in known):
        parts.append((FiltersSection.title, lambda: filters_section(first_filters(studied, known))))
    return tuple(made(title, make, LayerWalkSection.question) for title, make in parts)


def attention_section(studied: StudiedModel, pictures: Sequence[Seen]) -> AttentionSection:
    """What every attention head looks at, in the pictures of the first one's size."""
    alike = [seen for seen in pictures if seen.shape == pictures[0].shape]
    heads = read_attention(studied, alike)
    shown = [
        LayeredPicture(
            seen.picture.name,
            seen.image,
            tuple(
                AttendingLayer(name, _drawn(seen, map), map.flatten(1).sum(1))
                for name, map in zip(heads.layers, maps, strict=True)
            ),
        )
        for seen, maps in zip(heads.pictures, heads.maps, strict=True)
    ]
    return AttentionSection(tuple(shown), heads.query, heads.warnings)


def walk_section(studied: StudiedModel, known: Layers, pictures: Sequence[Seen]) -> LayerWalkSection:
    """Every layer for each picture, with its strongest channels and how sparse it is."""
    walked = []
    for seen in pictures:
        rows = walk_through(studied, known, [seen]).rows
        walked.append(LayeredPicture(seen.picture.name, seen.image, tuple(_layer(row, known) for row in rows)))
    return LayerWalkSection(tuple(walked))


def channels_section(studied: StudiedModel, known: Layers, pictures: Sequence[Seen]) -> ChannelsSection:
    """All channels of the last layer of each map size."""
    stages = list(known.stages)
    maps_of = read_maps(studied, pictures, stages)
    layers: dict[str, FeatureMaps] = dict(maps_of) if isinstance(maps_of, LayerMaps) else {}
    if isinstance(maps_of, FeatureMaps):
        layers = {stages[0]: maps_of}
    browsed = [
        LayeredPicture(
            seen.picture.name,
            seen.image,
            tuple(
                BrowsedLayer(name, maps.maps[i], known[name].type, shown=_laid(seen, maps.maps[i]))
                for name, maps in layers.items()
            ),
        )
        for i, seen in enumerate(pictures)
    ]
    return ChannelsSection(tuple(browsed))


def _drawn(seen: Seen, maps: Tensor) -> Tensor:
    """Maps as pictures, whatever their axes."""
    laid = _laid(seen, maps)
    return maps if laid is None else laid


def _laid(seen: Seen, maps: Tensor) -> Tensor | None:
    """Maps of a signal as bands, of a volume as its sheet has them; None for those of a picture."""
    if len(seen.space) == 2:
        return None
    if len(seen.space) == 3:
        return seen.sheet.small(maps, BROWSED)
    short = adaptive_avg_pool1d(maps, min(BROWSED, maps.shape[1]))
    return short[:, None].expand(-1, max(1, short.shape[1] // 4), -1)


def patterns_section(
    studied: StudiedModel,
    pictures: Sequence[Seen],
    units: Sequence[str],
    drawings: Sequence[Drawing] = (),
    remarks: Mapping[str, str] = MappingProxyType({}),
) -> PatternsSection:
    """Units with the pictures in which they are strongest, cut to what they see, and what was drawn of them."""
    drawn = {drawing.name: drawing for drawing in drawings}
    patterns = []
    for row in project(studied, pictures, units, "gradient", MOST_REAL, 32).units:
        unit, drawing = row[0].unit, drawn.get(row[0].unit)
        real = [
            UnitPicture(best.seen.picture.name, best.seen.image, best.value, None if best.whole else best.patch)
            for best in row
            if best.value > 0
        ]
        image, words, notes = (None, "", ()) if drawing is None else (drawing.over(), drawing.words, drawing.notes)
        patterns.append(Pattern(unit, real, image, words, notes, remarks.get(unit, "")))
    return PatternsSection(tuple(patterns), caption=_patterns_caption(len(pictures), bool(drawings)))


def _patterns_caption(count: int, drawn: bool) -> str:
    text = (
        f"For each channel the pictures, of {count}, in which its highest value is highest, cut to what the channel "
        "sees from there, with that value."
    )
    if drawn:
        text += (
            " Right of them a picture made from noise so that the channel's mean is as high as it gets; under it, that "
            "mean. Trust the real pictures first: the drawing shows what drives the channel, not what it is used for."
        )
    return text


def first_filters(studied: StudiedModel, known: Layers) -> Filters:
    """The filters of the first convolution; `FeatureMapsError` for a model without any."""
    for info in known:
        if info.type.startswith("Conv"):
            return filters_of(studied.model, info.module_name, colours=studied.preprocessing.colours)
    raise FeatureMapsError(f"no layer of {known.model} is a convolution, so there are no filters to draw.")


def filters_section(filters: Filters) -> FiltersSection:
    """Filters as tiles, each with its own scale, and their frequency response where kernels are 2-D."""
    spread, limits = filters.spread(), full_weights(filters.tensor, "filter")
    flat = len(filters.kernel) == 2
    responses = filters.frequency_response(RESPONSE) if flat and max(spread.shape[2:]) <= RESPONSE else None
    twins = {second: (first, cosine) for first, second, cosine in reversed(filters.duplicates)}
    shown = min(len(filters), MOST_FILTERS)
    tiles = []
    for i in range(shown):
        twin, likeness = twins.get(i, (None, None))
        kernel = spread[i] if spread.shape[1] == 3 else spread[i, :1]
        picture = Image.fromarray(kernel_pixels(kernel, float(limits[i]), filters.colours))
        response = None if responses is None else responses[i]
        tiles.append(FilterTile(i, float(filters.norms[i]), picture, response, i in filters.dead, twin, likeness))
    of = "colours around mid-grey, which is 0" if spread.shape[1] == 3 else "the first channel, red above 0, blue below"
    return FiltersSection(
        filters.layer,
        tuple(tiles),
        f"Weights as {of}; each filter has its own scale, up to its largest weight.",
        filters.summary(),
        None if shown == len(filters) else len(filters),
    )


def _layer(row: WalkRow, known: Layers) -> WalkedLayer:
    field, unit = receptive_field_of(known[row.layer]), "samples" if len(row.size) == 1 else "px"
    return WalkedLayer(
        row.layer,
        row.type,
        (row.channels, *row.size),
        f"{field} {unit}" if field and field[0].isdigit() and "gate" not in field else field,
        row.zeros,
        row.silent,
        row.mean,
        tuple(TopMap(int(top.unit.rpartition(":")[2]), top.value, top.map) for top in row.tops[0]),
    )
