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
from jaxtyping import Float, Int
from PIL import Image

from featuremaps.errors import OptionError
from featuremaps.layers.layout import folded
from featuremaps.models.studied_model import StudiedModel
from featuremaps.projection.project import receptive_box
from featuremaps.projection.projections import PixelBox
from featuremaps.report.encode import Json, picture_file, plain
from featuremaps.report.html import page_parts
from featuremaps.report.survey_pictures import QUALITY, mask_uri
from featuremaps.survey.analysis.seen_pictures import maps_of_units, seen_pictures
from featuremaps.survey.storage.reader import StoredSurvey

PART = 512
"""How many units one data file holds."""

LONGEST = 192
PROFILE, NEAR = 12, 6


def write_unit_pages(
    survey: StoredSurvey,
    folder: str | Path,
    units: Sequence[str] | None = None,
    studied: StudiedModel | None = None,
    *,
    n: int = 12,
    drawings: Mapping[str, Image.Image] = MappingProxyType({}),
) -> Path:
    """Write a page for each of `units` (every one of the survey if not given); return the path of `unit.html`.

    A unit's address is `unit.html#layer4-452`; `unit.html` alone is a wall of all of them. With `studied`, the model,
    a unit's maps are laid over the `n` strongest pictures. `drawings` are pictures by unit. What was written before
    is replaced file by file.
    """
    if n < 1:
        raise OptionError(f"n is how many pictures a unit's page shows, 1 or more; got {n}.")
    target = Path(folder)
    for part in ("data", "pictures"):
        (target / part).mkdir(parents=True, exist_ok=True)
    chosen = _chosen(survey, units)
    layers = [(name, number, chosen[name]) for number, name in enumerate(survey.layers) if name in chosen]
    for name, number, channels in layers:
        known = survey.tops(name, n), layer_facts(survey, name)
        wall: list[Json] = []
        for file, content in _LayerPages(survey, studied, name, number, drawings, target, *known).parts(channels):
            wall += [_brick(unit, content["pictures"]) for unit in content["units"]]
            _write_data(target, file, content)
        _write_data(target, f"{number}-wall.js", {"key": f"{number}-wall.js", "units": wall})
    index = {
        "model": survey.manifest.model,
        "pictures": len(survey.pictures),
        "rows": survey.rows,
        "part": PART,
        "layers": [{"name": name, "number": number, "channels": channels} for name, number, channels in layers],
    }
    page = target / "unit.html"
    page.write_text(page_parts("units.html.j2", f"Units of {survey.manifest.model}", index), encoding="utf-8")
    return page


def _write_data(target: Path, file: str, content: Json) -> None:
    text = json.dumps(content, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    (target / "data" / file).write_text(f"featuremapsUnits({text});\n", encoding="utf-8")


def _brick(unit: Json, pictures: Mapping[int, Json]) -> Json:
    """One unit on the wall: its strongest picture and value, how often it is active, the class it rises with most."""
    best = unit["top"][0] if unit["top"] else None
    return {
        "channel": unit["channel"],
        "source": pictures[best["row"]]["source"] if best else None,
        "value": best["value"] if best else None,
        "active": unit["statistics"].get("active"),
        "label": unit["profile"][0][0] if unit["profile"] else "",
    }


def _chosen(survey: StoredSurvey, units: Sequence[str] | None) -> dict[str, list[int]]:
    """The layers whose units get pages, and which of them, in order."""
    if units is None:
        return {name: list(range(layer.channels)) for name, layer in survey.layers.items()}
    chosen: dict[str, set[int]] = {}
    for unit in units:
        layer, channel = survey.unit_of(unit)
        chosen.setdefault(layer.name, set()).add(channel)
    return {name: sorted(channels) for name, channels in chosen.items()}


@dataclass(frozen=True, eq=False)
class LayerFacts:
    """Means per class (NaN without pictures), and for each channel those that rise and fall with it most."""

    profile: Float[np.ndarray, "class channel"]
    nearest: Int[np.ndarray, "channel near"]
    correlations: Float[np.ndarray, "channel near"]


def layer_facts(survey: StoredSurvey, layer: str) -> LayerFacts:
    """One streaming pass over the means of a layer; a channel that never changes has correlations NaN."""
    channels, labels = survey.layers[layer].channels, survey.pictures.labels
    classes = len(survey.classes or ())
    sums, counts = np.zeros((classes, channels)), np.bincount(labels[labels >= 0], minlength=classes)[:classes]
    total, products, pictures = np.zeros(channels), np.zeros((channels, channels)), 0
    for rows, block in survey.blocks(layer, "mean"):
        values, of_block = block.astype(np.float64), labels[rows]
        total += values.sum(0)
        products += values.T @ values
        pictures += len(values)
        for label in np.unique(of_block[of_block >= 0]).tolist():
            sums[label] += values[of_block == label].sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        profile = sums / counts[:, None]
        covariance = products / pictures - np.outer(total / pictures, total / pictures)
        spread = np.sqrt(np.maximum(covariance.diagonal(), 0))
        # What is left of a constant channel is rounding: relative to its mean, not to nothing.
        spread = np.where(spread > 1e-6 * np.abs(total / pictures) + 1e-12, spread, np.nan)
        correlations = np.clip(covariance / np.outer(spread, spread), -1, 1)
    np.fill_diagonal(correlations, np.nan)
    ranked = np.where(np.isnan(correlations), -2.0, correlations)
    nearest = np.argsort(-ranked, 1, kind="stable")[:, : min(NEAR, channels - 1)]
    return LayerFacts(profile, nearest, np.take_along_axis(correlations, nearest, 1))


@dataclass(frozen=True, eq=False)
class _LayerPages:
    """One layer of a survey, the strongest pictures and the facts of its units, and the folder to write to."""

    survey: StoredSurvey
    studied: StudiedModel | None
    name: str
    number: int
    drawings: Mapping[str, Image.Image]
    target: Path
    tops: Mapping[str, np.ndarray]
    facts: LayerFacts

    def parts(self, chosen: Sequence[int]) -> Iterator[tuple[str, Json]]:
        """The data files of these channels, by name; pictures are written on the way, each once."""
        statistics = self.survey.statistics(self.name)
        for start in range(0, len(chosen), PART):
            channels = chosen[start : start + PART]
            rows = sorted({int(row) for channel in channels for row in self.tops["row"][channel]})
            pictures, maps, sizes = self._pictures(channels, rows)
            units = [
                {
                    "channel": channel,
                    "top": [self._top(channel, i, maps, sizes) for i in range(self.tops["row"].shape[1])],
                    "statistics": {name: plain(float(values[channel])) for name, values in statistics.items()},
                    "drawing": self._drawing(channel),
                    **self._facts(channel),
                }
                for channel in channels
            ]
            name = f"{self.number}-{start // PART}.js"
            yield name, {"key": name, "pictures": pictures, "units": units}

    def _pictures(
        self, channels: Sequence[int], rows: list[int]
    ) -> tuple[dict[int, Json], dict[tuple[int, int], str], dict[int, tuple[int, ...]]]:
        """Names, labels and files of the pictures shown, the maps over them by (row, channel), the inputs' sizes."""
        survey, studied = self.survey, self.studied
        seen = () if studied is None else seen_pictures(survey, studied.preprocessing, rows)
        maps: dict[tuple[int, int], str] = {}
        if studied is not None:
            wanted = [[c for c in channels if row in self.tops["row"][c]] for row in rows]
            unit_maps = maps_of_units(studied, self.name, seen, wanted)
            maps = {
                (rows[place], channel): mask_uri(seen[place].sheet.small(map[None], LONGEST)[0])
                for (place, channel), map in unit_maps.items()
            }
        shown: dict[int, Json] = {}
        for place, row in enumerate(rows):
            image = seen[place].image if seen else survey.picture(row)
            file, size = _written(image, str(row), self.target)
            label = int(survey.pictures.labels[row])
            text = "" if label < 0 else survey.classes[label] if survey.classes else str(label)
            shown[row] = {"name": survey.pictures.names[row], "label": text, "source": file, "size": size}
        sizes = {row: tuple(one.input.shape[1:]) for row, one in zip(rows, seen, strict=False)}
        return shown, maps, sizes

    def _drawing(self, channel: int) -> str | None:
        image = self.drawings.get(f"{self.name}:{channel}")
        return None if image is None else _written(image, f"drawn-{self.number}-{channel}", self.target)[0]

    def _top(
        self, channel: int, i: int, maps: dict[tuple[int, int], str], sizes: Mapping[int, tuple[int, ...]]
    ) -> Json:
        """One picture of a unit: how strong, and where in what the model sees, or the region that counts there."""
        row, value, *place = (self.tops[name][channel, i].item() for name in ("row", "value", "y", "x"))
        info, regions = self.survey.layers[self.name], self.survey.regions
        sides = None
        if maps:
            height, width = folded(sizes[row])
            if regions is None:
                box = receptive_box(info, (place[0], place[1]), sizes[row])
            else:
                box = PixelBox(*regions.boxes[row].round().astype(int).tolist())
            if box != (0, 0, width, height):
                sides = plain([box.left / width, box.top / height, box.right / width, box.bottom / height])
        return {"row": row, "value": plain(value), "box": sides, "map": maps.get((row, channel))}

    def _facts(self, channel: int) -> Json:
        """The classes in which a channel's mean is highest, and the channels most like it."""
        facts, names = self.facts, self.survey.classes or ()
        profile = facts.profile[:, channel]
        order = np.argsort(-profile, kind="stable")[: np.count_nonzero(~np.isnan(profile))]
        near = zip(facts.nearest[channel].tolist(), facts.correlations[channel].tolist(), strict=True)
        return {
            "profile": [[names[c], plain(float(profile[c]))] for c in order[:PROFILE]],
            "classes": len(order),
            "nearest": [[other, plain(value)] for other, value in near if not np.isnan(value)],
        }


def _written(image: Image.Image, stem: str, target: Path) -> tuple[str, list[int]]:
    """The address of a picture's file, which is written unless an earlier part did, and its size."""
    ratio = min(1.0, LONGEST / max(image.size))
    size = [max(1, round(side * ratio)) for side in image.size]
    kind, content = picture_file(image, LONGEST, QUALITY)
    file = target / "pictures" / f"{stem}.{kind}"
    file.write_bytes(content)
    return f"pictures/{file.name}", size
