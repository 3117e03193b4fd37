"""Several explanations of the same pictures side by side: methods × layers × targets, all from one record."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from featuremaps.errors import did_you_mean
from featuremaps.explain.attributions import Attributions
from featuremaps.explain.options import ExplainOptions
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.file_names import file_name
from featuremaps.plotting.files import folder_for
from featuremaps.plotting.method_names import method_name
from featuremaps.plotting.panels import Line, Panel, matrix_figure
from featuremaps.plotting.rendering import Scaling
from featuremaps.plotting.written_files import WrittenFiles
from featuremaps.results.answer import ANY, Answers
from featuremaps.results.heatmaps import Heatmaps, scalings_of
from featuremaps.results.shown import Shown
from featuremaps.results.spatial_figures import spatial_figure

Explanation = Heatmaps | Attributions
Key = tuple[str, str, Any]
INPUT = "input"
"""The layer in the key of a method that looks at no layer."""


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Mapping[Key, Explanation], Shown):
    """Heatmaps and attributions keyed `(method, layer, target)`, all from one record.

    Attributes:
        heatmaps: By key. The target in a key is what was asked for: an index, a name, `None` for the top prediction.
        failures: By key, the message of a method that failed, where that was allowed.
        answers: For each picture, the model's class scores and probabilities.
        options: The options that it was made with.
    """

    heatmaps: Mapping[Key, Explanation]
    failures: Mapping[Key, str] = field(default_factory=dict)
    answers: tuple[Answers | None, ...] = ()
    options: ExplainOptions = field(default_factory=ExplainOptions)

    def __getitem__(self, key: Key) -> Explanation:
        if key in self.heatmaps:
            return self.heatmaps[key]
        known = [" / ".join(map(str, known)) for known in self.heatmaps]
        asked = " / ".join(map(str, key)) if isinstance(key, tuple) else str(key)
        raise KeyError(f"no heatmaps for {asked}.{did_you_mean(asked, known)} Keys are (method, layer, target).")

    def __iter__(self) -> Iterator[Key]:
        return iter(self.heatmaps)

    @property
    def of_detector(self) -> bool:
        """Whether boxes are explained, or there were none to explain."""
        return any(heat.unexplained or any(heat.boxes) for heat in self.values())

    def __len__(self) -> int:
        return len(self.heatmaps)

    def figure(self, picture: int | None = None, *, most: int = 12, **look: Any) -> Figure:
        """The overlays as a matrix: a row for each picture, layer and target, a column for each method.

        Methods that go down to the pixel stand in the rows of the layer where there is one. The title says how many
        pictures are left out. Of signals, whose lines are wide, one is shown, all its maps below each other.

        Args:
            picture: The number of the only picture that is shown; of a detector the number of the row, which is of one
                box. All of them without it.
            most: How many rows there are at most; the first picture has all of its own.
            **look: How overlays look; see `Heatmaps.overlay`.

        Returns:
            A figure of matplotlib.
        """
        first = max(self.values(), key=len)
        count = len(first)
        if not count:
            return first.figure()
        if len(first.pictures[0].space) == 1:
            return self._of_signal(picture or 0, look, count if picture is None else 1)
        rows: list[list[Panel]] = []
        scalings: set[Scaling] = set()
        title = ""
        for number in range(count) if picture is None else [picture]:
            own = self._rows(number, look, scalings)
            if rows and len(rows) + len(own) > most:
                counted = "pictures" if first.boxes[0] is None else "boxes"
                title = f"the first {number} of {count} {counted}; figure({number}) shows the next"
                break
            rows += own
        return matrix_figure(rows, look, title=title, scalings=scalings)

    def _rows(self, picture: int, look: Mapping[str, Any], scalings: set[Scaling]) -> list[list[Panel]]:
        """The rows of one picture, methods named above the first; how its maps are scaled joins `scalings`."""
        rows: list[list[Panel]] = []
        headed: set[str] = set()
        for layer, keys in self._grid():
            kept = [key in self.heatmaps and picture < len(self.heatmaps[key]) for key in keys]
            if not any(kept):  # a detector found fewer of this target
                continue
            heats = [self[key][picture] if there else None for key, there in zip(keys, kept, strict=True)]
            first = next(heat for heat in heats if heat is not None)
            headings = [heat.headings[0] for heat in heats if heat is not None]
            side = (Line(layer), next((line for line in headings if line.name != ANY), Line(ANY)))
            (image,) = first.boxed([first.pictures[0].image])
            row = [Panel(image, "" if rows else first.pictures[0].picture.name, side=side)]
            for (method, _, _), heat in zip(keys, heats, strict=True):
                if heat is None:
                    row.append(Panel(None))
                    continue
                scalings |= _scalings(heat, look)
                title = "" if method in headed else method_name(method)
                headed.add(method)
                row.append(Panel(heat.overlay(**look)[0], title, heat.warnings[0]))
            rows.append(row)
        return rows

    def _grid(self) -> list[tuple[str, list[Key]]]:
        """The keys of each row, one for every method, with what the row says of its layer.

        Methods that read the input stand beside those of a layer, where all others are of the same one.
        """
        methods = list(dict.fromkeys(key[0] for key in self))
        layers_of = {method: {key[1] for key in self if key[0] == method} for method in methods}
        layers, targets = dict.fromkeys(key[1] for key in self), dict.fromkeys(key[2] for key in self)
        named = [layer for layer in layers if layer != INPUT]
        if len(named) == 1 and all(len(found) == 1 for found in layers_of.values()):
            layer_of = {method: next(iter(found)) for method, found in layers_of.items()}
            return [(named[0], [(method, layer_of[method], target) for method in methods]) for target in targets]
        pairs = dict.fromkeys(key[1:] for key in self)
        return [(layer, [(method, layer, target) for method in methods]) for layer, target in pairs]

    def _of_signal(self, picture: int, look: Mapping[str, Any], count: int) -> Figure:
        panels = []
        for (method, layer, _), heat in self.items():
            (panel,) = heat[picture].spatial_panels(**look)
            panels.append(replace(panel, title=f"{method_name(method)} of {layer}   {heat.titles[picture]}"))
        name = next(iter(self.values())).pictures[picture].picture.name
        return spatial_figure(panels, f"{name}, the first of {count}" if count > 1 else name)

    def save(self, folder: str | Path = ".", **look: Any) -> list[Path]:
        """Save every heatmap, as `Heatmaps.save` does; several targets get a folder each.

        Args:
            folder: Where they are written.
            **look: How overlays look; see `Heatmaps.overlay`.

        Returns:
            The files written.
        """
        folder, targets = folder_for(folder, len(self), "heatmaps"), {key[2] for key in self}
        written = WrittenFiles()
        for (_, _, target), heat in self.items():
            inner = folder / file_name(str(target)) if len(targets) > 1 else folder
            written += heat.save(inner, **look)
        return written

    def __repr__(self) -> str:
        shown = [(key, "top prediction" if key[2] is None else key[2]) for key in self]
        rows = "\n".join(f"  {method} / {layer} / {target}" for (method, layer, _), target in shown)
        return f"<Comparison of {len(self)} heatmaps:\n{rows}>"


def _scalings(heat: Explanation, look: Mapping[str, Any]) -> set[Scaling]:
    return scalings_of(heat.shown() if isinstance(heat, Attributions) else heat, look)
