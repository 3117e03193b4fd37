"""What a survey's pictures do in the model: what its layers say, what the answers rest on, and the answers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int

from featuremaps.errors import SurveyError
from featuremaps.layers import Layers
from featuremaps.layers.directions import weights_up_to
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.seen import Seen
from featuremaps.progress import meter
from featuremaps.runtime.batches import Batch, batches
from featuremaps.shortcuts.early_reading import first_half
from featuremaps.shortcuts.options import ShortcutOptions
from featuremaps.shortcuts.simple_values import FURTHER
from featuremaps.shortcuts.watched import Watched
from featuremaps.survey.analysis.class_labels import labels_of
from featuremaps.survey.analysis.confusion import outputs_meant
from featuremaps.survey.analysis.seen_pictures import seen_pictures
from featuremaps.survey.storage.reader import StoredSurvey

LOOKED_AT = 8
"""So many layers are looked at, all through the model."""
AT_ONCE = 256
"""So many pictures are held in memory."""
RUNNING = "running the survey's pictures"
SURE = 1e-6
"""Probabilities are kept so far from 0 and 1 before their log odds are taken."""


@dataclass(frozen=True, eq=False)
class Responses:
    """Pictures of a survey, `rows` of it, and their `labels`, numbers of `classes`; class k is output `outputs[k]`.

    `means[layer]` and `highest[layer]` are activations (picture, channel) of several layers, in the order they run, of
    which those of the model's first half are `early`; `further[kind][layer]` is what else is kept of these (see
    `simple_values`);
    `relevance` is gradient × activation of the layer looked at, summed over places, for the picture's own class, and
    `slopes` (class, channel) the mean gradient of each class's pictures. `probabilities` are those of the classes,
    `called` the class that the model says, −1 for an output that no label has. `beside` are the means of layers that
    were asked for besides, and `weights` tells the model apart, up to the layer. `tokens` are the layer's activations
    at what is no place of the picture, class and register tokens, where it has any.
    """

    rows: Int[np.ndarray, " picture"]
    labels: Int[np.ndarray, " picture"]
    classes: tuple[str, ...]
    outputs: tuple[int, ...]
    layer: str
    means: Mapping[str, Float[np.ndarray, "picture _channel"]]
    highest: Mapping[str, Float[np.ndarray, "picture _channel"]]
    relevance: Float[np.ndarray, "picture channel"]
    slopes: Float[np.ndarray, "class channel"]
    probabilities: Float[np.ndarray, "picture class"]
    called: Int[np.ndarray, " picture"]
    early: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())
    beside: Mapping[str, Float[np.ndarray, "picture _channel"]] = field(default_factory=dict)
    weights: str = ""
    tokens: Float[np.ndarray, "picture channel token"] | None = None
    further: Mapping[str, Mapping[str, Float[np.ndarray, "picture _channel"]]] = field(default_factory=dict)

    def simple(self, kind: str) -> Mapping[str, Float[np.ndarray, "picture _channel"]]:
        """The numbers of one kind, by early layer; none where they were not kept."""
        return {"mean": self.means, "highest": self.highest}.get(kind, self.further.get(kind, {}))

    def means_of(self, layer: str) -> Float[np.ndarray, "picture channel"]:
        """A layer's means, of those looked at or of those beside."""
        return self.means[layer] if layer in self.means else self.beside[layer]

    @property
    def log_odds(self) -> Float[np.ndarray, "picture class"]:
        """The log odds of each class."""
        return log_odds(self.probabilities)


def log_odds(probabilities: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """log(p / (1 − p)) of each, kept `SURE` away from 0 and 1."""
    shares = probabilities.astype(np.float64).clip(SURE, 1 - SURE)
    return np.log(shares / (1 - shares))


def responses(
    studied: StudiedModel,
    survey: StoredSurvey,
    layer: str,
    options: ShortcutOptions,
    names: Mapping[str, str] | None = None,
    beside: Sequence[str] = (),
) -> Responses:
    """Run the model over pictures of every class of a survey.

    Layers that were surveyed are read from it; the last layer of every other map size, and those that are wanted
    `beside`, are looked at while the model runs. Raises `SurveyError` where there are no two classes with pictures
    enough.
    """
    rows, labels, classes, outputs, notes = chosen(survey, options, names)
    first = seen_pictures(survey, studied.preprocessing, rows[:1].tolist())[0].input[None]
    asked, (layer,) = layer, studied.resolve(layer, first)
    walked = studied.walk(first)
    layer = _before_branch(walked, layer) if asked == "last" else layer
    spread = _spread(walked)
    known = [name for name in survey.layers if walked.get(name) is not None]
    added = [name for name in dict.fromkeys((*spread, layer)) if name not in known]
    more = [name for name in dict.fromkeys(beside) if name not in (*known, *added)]
    in_order = sorted((*known, *added), key=lambda name: walked[name].order)
    early = tuple(first_half(spread or in_order))
    watched = Watched(studied.class_outputs, layer, [*added, *more], early, torch.tensor(outputs))
    with studied.session() as session:
        for batch, places in _batches(studied, survey, rows, options.batch_size):
            with batch:
                watched.look(session, batch.inputs, labels[places], places)
    order = np.argsort(np.concatenate(watched.places), kind="stable")
    kept, copies = _once([watched.seen[place] for place in order.tolist()], labels, classes)
    order, rows, labels = order[kept], rows[kept], labels[kept]
    gathered = {name: np.concatenate(parts)[order] for name, parts in watched.parts.items()}
    means, highest = (
        {name: survey.vectors(name, by)[rows] if name in known else gathered[f"{by} {name}"] for name in in_order}
        for by in ("mean", "max")
    )
    slopes = np.stack([gathered["gradient"][labels == k].mean(0) for k in range(len(classes))])
    return Responses(
        rows,
        labels,
        classes,
        outputs,
        layer,
        means,
        highest,
        gathered["relevance"],
        slopes,
        gathered["probabilities"],
        gathered["called"],
        early,
        (*notes, *copies, *watched.doubts),
        {name: gathered[f"mean {name}"] for name in more},
        weights_up_to(studied.model, walked, layer),
        gathered.get("tokens"),
        {kind: {name: gathered[f"{kind} {name}"] for name in early} for kind in FURTHER},
    )


def _spread(walked: Layers) -> list[str]:
    """Layers all through the model: the last of every map size, and some at equal distances."""
    maps = [info.name for info in walked if info.layout is not None and info.positions > 1 and info.calls == 1]
    spread = [maps[round(place)] for place in np.linspace(0, len(maps) - 1, LOOKED_AT)] if maps else []
    return [name for name in maps if name in (*spread, *walked.stages)]


def _before_branch(walked: Layers, layer: str) -> str:
    """The output of the block before, for a norm that begins a transformer's block: the class token goes round such.

    The last places that an answer depends on lie there, and what the class token knows already is in the block before.
    """
    info = walked[layer]
    before = next((each for each in walked if each.order == info.order - 1), None)
    if before is None or before.layout != info.layout or info.layout is None:
        return layer
    block = layer.rpartition(".")[0]
    tokens, begins = info.layout.prefix or info.layout.suffix, "Norm" in info.type
    return before.name if tokens and begins and not before.name.startswith(f"{block}.") else layer


def _once(
    seen: Sequence[bytes], labels: Int[np.ndarray, " picture"], classes: Sequence[str]
) -> tuple[Int[np.ndarray, " kept"], tuple[str, ...]]:
    """The places of all pictures but copies of one before, and what is said of copies; a copy proves nothing anew.

    Raises `SurveyError` where a class has fewer than two that are no copies.
    """
    first: dict[tuple[int, bytes], int] = {}
    for place, key in enumerate(zip(labels.tolist(), seen, strict=True)):
        first.setdefault(key, place)
    kept = np.array(sorted(first.values()))
    alone = [name for number, name in enumerate(classes) if (labels[kept] == number).sum() < 2]
    if alone:
        raise SurveyError(f"the pictures of {', '.join(alone)} are copies of one and the same: survey others.")
    copies, twice = len(seen) - len(kept), len(kept) - len({content for _, content in first})
    notes = [f"left out: {copies} pictures that are copies of another of their class"] if copies else []
    notes += [f"{twice} pictures are there under two labels"] if twice else []
    return kept, tuple(notes)


def chosen(
    survey: StoredSurvey, options: ShortcutOptions, names: Mapping[str, str] | None
) -> tuple[Int[np.ndarray, " picture"], Int[np.ndarray, " picture"], tuple[str, ...], tuple[int, ...], tuple[str, ...]]:
    """The pictures to look at, their labels, the classes, their outputs, and what was left out."""
    labels, every = labels_of(survey)
    meant = outputs_meant(survey, names)
    enough = 2 * options.least
    counts = np.bincount(labels[labels >= 0], minlength=len(every))
    kept = [number for number in meant if counts[number] >= enough]
    few = [every[number] for number in meant if 0 < counts[number] < enough]
    if len(kept) < 2:
        having = [f"{every[number]} {counts[number]}" for number in meant if counts[number]]
        raise SurveyError(
            f"to find shortcuts, two classes with {enough} pictures or more are needed that the model has outputs for; "
            f"survey {survey.path.name!r} has {', '.join(having) or 'none'}. Survey more pictures, or lower least="
            f"{options.least}."
        )
    generator = np.random.default_rng(options.seed)
    taken = []
    for number in kept:
        rows = np.flatnonzero(labels == number)
        if len(rows) > options.per_class:
            rows = np.sort(generator.choice(rows, options.per_class, replace=False))
        taken.append(rows)
    rows = np.concatenate(taken)
    of = np.repeat(np.arange(len(kept)), [len(each) for each in taken])
    without = [name for number, name in enumerate(every) if number not in meant and counts[number]]
    notes = [f"left out, with fewer than {enough} pictures: {', '.join(few)}"] if few else []
    notes += [f"left out, since the model has no output called so: {', '.join(without[:5])}"] if without else []
    classes = tuple(every[number] for number in kept)
    return rows, of, classes, tuple(meant[number] for number in kept), tuple(notes)


def _batches(
    studied: StudiedModel, survey: StoredSurvey, rows: Int[np.ndarray, " picture"], batch_size: int
) -> Iterator[tuple[Batch, Int[np.ndarray, " batch"]]]:
    """Batches of the survey's pictures, and their places among `rows`; few are in memory at a time."""
    with meter(len(rows), RUNNING) as advance:
        for start in range(0, len(rows), AT_ONCE):
            seen: Sequence[Seen] = seen_pictures(survey, studied.preprocessing, rows[start : start + AT_ONCE].tolist())
            for batch in batches(seen, batch_size, RUNNING):
                yield batch, start + np.array(batch.rows)
                for _ in batch.rows:
                    advance(None)
