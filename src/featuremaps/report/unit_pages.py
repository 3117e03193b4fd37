"""A page for every unit of a survey: one HTML file and, beside it, data that it loads a layer's part at a time.

A page opened from a disk may not fetch, but it may load scripts and pictures: the data are scripts that call one
function, so that thousands of units cost no more than the ones that are looked at, without any server.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image

from featuremaps.errors import OptionError
from featuremaps.projection.project import receptive_box
from featuremaps.report.encode import picture_file
from featuremaps.report.html import page_parts
from featuremaps.report.sprites import rounded
from featuremaps.report.survey_pictures import QUALITY, mask_uri
from featuremaps.report.unit_facts import LayerFacts, layer_facts, maps_of_units, seen_pictures
from featuremaps.runtime.studied_model import StudiedModel
from featuremaps.survey.storage.reader import StoredSurvey

PART = 512
"""How many units one data file holds."""

LONGEST = 192
PROFILE = 12


@dataclass(frozen=True)
class _Layer:
    """A layer whose units get pages, and which of them."""

    name: str
    number: int
    channels: tuple[int, ...]


def write_unit_pages(
    survey: StoredSurvey,
    folder: str | Path,
    units: Sequence[str] | None = None,
    studied: StudiedModel | None = None,
    *,
    n: int = 9,
    drawings: Mapping[str, Image.Image] = MappingProxyType({}),
) -> Path:
    """Write a page for each of `units` (every one of the survey if not given); return the path of `unit.html`.

    A unit's address is `unit.html#layer4-452`. With `studied`, the model, a unit's maps are laid over the `n` strongest
    pictures. `drawings` are pictures by unit. What was written before is replaced file by file.
    """
    if n < 1:
        raise OptionError(f"n is how many pictures a unit's page shows, 1 or more; got {n}.")
    target = Path(folder)
    for part in ("data", "pictures"):
        (target / part).mkdir(parents=True, exist_ok=True)
    layers = _layers(survey, units)
    for layer in layers:
        for name, content in _parts(survey, studied, layer, n, drawings, target):
            text = json.dumps(content, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
            (target / "data" / name).write_text(f"featuremapsUnits({text});\n", encoding="utf-8")
    index = {
        "model": survey.manifest.model,
        "pictures": len(survey.pictures),
        "part": PART,
        "layers": [{"name": one.name, "number": one.number, "channels": list(one.channels)} for one in layers],
    }
    page = target / "unit.html"
    page.write_text(page_parts("units.html.j2", f"Units of {survey.manifest.model}", index), encoding="utf-8")
    return page


def _layers(survey: StoredSurvey, units: Sequence[str] | None) -> list[_Layer]:
    names = list(survey.layers)
    if units is None:
        return [_Layer(name, i, tuple(range(survey.layers[name].channels))) for i, name in enumerate(names)]
    chosen: dict[str, set[int]] = {}
    for unit in units:
        layer, channel = survey.unit_of(unit)
        chosen.setdefault(layer.name, set()).add(channel)
    return [_Layer(name, names.index(name), tuple(sorted(own))) for name, own in chosen.items()]


def _parts(
    survey: StoredSurvey,
    studied: StudiedModel | None,
    layer: _Layer,
    n: int,
    drawings: Mapping[str, Image.Image],
    target: Path,
) -> Iterator[tuple[str, dict[str, object]]]:
    """The data files of a layer, by name; pictures are written on the way, each once."""
    tops, facts = survey.tops(layer.name, n), layer_facts(survey, layer.name)
    statistics = survey.statistics(layer.name)
    for start in range(0, len(layer.channels), PART):
        own = layer.channels[start : start + PART]
        rows = sorted({int(row) for channel in own for row in tops["row"][channel]})
        pictures, maps = _pictures(survey, studied, layer, own, rows, tops, target)
        found = [
            {
                "channel": channel,
                "top": [_top(survey, layer, tops, channel, i, maps) for i in range(tops["row"].shape[1])],
                "statistics": {name: rounded(float(values[channel])) for name, values in statistics.items()},
                "drawing": _drawing(drawings.get(f"{layer.name}:{channel}"), f"drawn-{layer.number}-{channel}", target),
                **_facts(survey, facts, channel),
            }
            for channel in own
        ]
        name = f"{layer.number}-{start // PART}.js"
        yield name, {"key": name, "pictures": pictures, "units": found}


def _pictures(
    survey: StoredSurvey,
    studied: StudiedModel | None,
    layer: _Layer,
    channels: Sequence[int],
    rows: list[int],
    tops: dict[str, np.ndarray],
    target: Path,
) -> tuple[dict[int, object], dict[tuple[int, int], str]]:
    """Names, labels and files of the pictures shown, and the maps over them by (row, channel)."""
    classes, labels = survey.classes, survey.pictures.labels
    seen = [] if studied is None else seen_pictures(survey, studied, rows)
    maps: dict[tuple[int, int], str] = {}
    if studied is not None:
        wanted = [[c for c in channels if row in tops["row"][c]] for row in rows]
        found = maps_of_units(studied, layer.name, seen, wanted)
        maps = {(rows[place], channel): mask_uri(map) for (place, channel), map in found.items()}
    shown: dict[int, object] = {}
    for place, row in enumerate(rows):
        image = seen[place].image if seen else survey.picture(row)
        file, size = _written(image, str(row), target)
        label = int(labels[row])
        text = "" if label < 0 else classes[label] if classes else str(label)
        shown[row] = {"name": survey.pictures.names[row], "label": text, "source": file, "size": size}
    return shown, maps


def _written(image: Image.Image, stem: str, target: Path) -> tuple[str, list[int]]:
    """The address of a picture's file, which is written unless an earlier part did, and its size."""
    ratio = min(1.0, LONGEST / max(image.size))
    size = [max(1, round(side * ratio)) for side in image.size]
    kind, content = picture_file(image, LONGEST, QUALITY)
    file = target / "pictures" / f"{stem}.{kind}"
    file.write_bytes(content)
    return f"pictures/{file.name}", size


def _drawing(image: Image.Image | None, stem: str, target: Path) -> str | None:
    return None if image is None else _written(image, stem, target)[0]


def _top(
    survey: StoredSurvey,
    layer: _Layer,
    tops: dict[str, np.ndarray],
    channel: int,
    i: int,
    maps: dict[tuple[int, int], str],
) -> dict[str, object]:
    """One picture of a unit: how strong, and where in what the model sees."""
    row, place = int(tops["row"][channel, i]), (int(tops["y"][channel, i]), int(tops["x"][channel, i]))
    info = survey.layers[layer.name]
    height, width = info.input_size
    box = receptive_box(info, place, info.input_size) if maps else None
    whole = box is None or (box.left <= 0 and box.top <= 0 and box.right >= width and box.bottom >= height)
    sides = None
    if box is not None and not whole:
        shares = (box.left / width, box.top / height, box.right / width, box.bottom / height)
        sides = [round(min(1.0, max(0.0, share)), 4) for share in shares]
    value = rounded(float(tops["value"][channel, i]))
    return {"row": row, "value": value, "box": sides, "map": maps.get((row, channel))}


def _facts(survey: StoredSurvey, facts: LayerFacts, channel: int) -> dict[str, object]:
    """The classes in which a channel's mean is highest, and the channels most like it."""
    profile = facts.profile[:, channel]
    order = [c for c in np.argsort(-np.nan_to_num(profile, nan=-np.inf), kind="stable") if not np.isnan(profile[c])]
    names = survey.classes or ()
    near = zip(facts.nearest[channel].tolist(), facts.correlations[channel].tolist(), strict=True)
    return {
        "profile": [[names[c], rounded(float(profile[c]))] for c in order[:PROFILE]],
        "classes": len(order),
        "nearest": [[other, rounded(value)] for other, value in near if not np.isnan(value)],
    }
