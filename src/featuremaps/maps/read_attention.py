"""Reading attention off a model: what every head of every layer attends to, seen from one of the tokens."""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import LayoutError, ModelError, OptionError
from featuremaps.layers.attention_info import NOWHERE, AttentionInfo, Tokens, named
from featuremaps.layers.attention_use import words_of_changed, words_of_missing
from featuremaps.layers.listing import Layers
from featuremaps.maps.head_maps import AttentionMaps
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.seen import Seen
from featuremaps.runtime.attention import Attended, attend, on_grid, outliers
from featuremaps.runtime.batches import batches
from featuremaps.runtime.warnings import why_not_finite

Query = str | int | tuple[int, int] | None
"""Whose attention: "class", "mean", the number of a token, a pixel (y, x) of what the model saw, or as it comes."""


def read_attention(
    studied: StudiedModel,
    pictures: Sequence[Seen],
    layers: str | Sequence[str] | None = None,
    query: Query = None,
    batch_size: int = 32,
) -> AttentionMaps:
    """What each head attends to, per picture and layer, from one forward pass.

    `layers` are attentions, modules that hold them, globs, or "last"; None: all whose keys are places of the picture.
    Pictures must have one size. Raises `LayerNotFoundError` for a layer without attention, `LayoutError` where no place
    is attended to, `OptionError` for a query that is not there.
    """
    if len({seen.shape for seen in pictures}) > 1:
        raise OptionError(
            "the pictures have several sizes after preprocessing, and attention is laid over one size. Give a "
            "transform that resizes them alike, or read them one by one."
        )
    known = studied.walk(pictures[0].input[None])
    infos = known.attentions
    wanted = _wanted(studied, known, layers)
    if isinstance(query, tuple) and layers is None:
        wanted = [number for number in wanted if infos[number].queries.places is not None] or wanted
    maps: dict[int, tuple[Tensor, ...]] = {}
    doubts: dict[str, None] = {}
    with studied.session() as session:
        for batch in batches(pictures, batch_size, "reading attention"):
            with batch:
                of_run, norms = attend(session, batch.inputs, wanted)
                _check_finite(studied, of_run)
                asked = [_asked(each, query, tuple(batch.inputs.shape[2:])) for each in of_run]
                maps |= zip(batch.rows, zip(*asked, strict=True), strict=True)
                doubts |= dict.fromkeys(outliers(of_run, norms))
    left = [info for number, info in enumerate(infos) if number not in wanted] if layers is None else []
    return AttentionMaps(
        maps=tuple(maps[row] for row in range(len(pictures))),
        layers=tuple(infos[number].name for number in wanted),
        query=_words(query, [infos[number] for number in wanted]),
        pictures=tuple(pictures),
        warnings=(*doubts, *_said(known, wanted), *([_left_out(left, len(infos))] if left else [])),
    )


def _wanted(studied: StudiedModel, known: Layers, layers: str | Sequence[str] | None) -> list[int]:
    """The numbers of the attentions asked for; `LayoutError` where one attends to no places."""
    infos = known.attentions
    if not infos and known.without_softmax:
        raise LayoutError(
            f"{studied.name} cannot be asked what it attends to: {words_of_missing(known.without_softmax)}."
        )
    if not infos:
        raise LayoutError(
            f"{studied.name} has no softmax attention, so there is none to look at. scope.maps shows what its layers "
            "make of a picture."
        )
    placed = [number for number, info in enumerate(infos) if info.keys.between == "places"]
    if layers is None and placed:
        return placed
    chosen = range(len(infos)) if layers is None else named(infos, [layers] if isinstance(layers, str) else layers)
    for number in chosen:
        info = infos[number]
        if info.keys.between != "places":
            raise LayoutError(
                f"{info.name} {_WHY[info.keys.between]}, so its attention cannot be laid over the picture."
            )
    return list(chosen)


_WHY = {
    "channels": "attends between channels (cross-covariance)",
    "no places": "attends to tokens that are no patches",
    "unknown": "attends to tokens whose places in the picture could not be followed; Scope(model, layout=(rows, "
    "columns, prefix)) says how they lie",
}


def _asked(each: Attended, query: Query, space: tuple[int, ...]) -> Float[Tensor, "batch head *grid"]:
    """What every head attends to from the queries asked for, at its place; 0 outside the query's own window."""
    info, probabilities = each.info, each.probabilities
    rows = _rows(info, query, space).to(probabilities)
    seen: Tensor = torch.einsum("bwhqk,wq->bhwk", probabilities, rows)
    batch, heads = seen.shape[:2]
    return on_grid(seen.flatten(0, 1), info.keys).reshape(batch, heads, *info.keys.grid)


def _rows(info: AttentionInfo, query: Query, space: tuple[int, ...]) -> Float[Tensor, "window query"]:
    """How much of each query is asked for, 1 in all."""
    tokens, rows = info.queries, torch.zeros(info.windows, info.queries.count)
    if isinstance(query, tuple):
        return rows.index_put(_at(info, query, space), torch.ones(()))
    alone = tokens.count == 1 and info.windows == 1
    if isinstance(query, int):
        if not 0 <= query < tokens.count or info.windows > 1:
            raise OptionError(f"{info.name} {_has(info)}, and there is no single token {query} among them.")
        rows[0, query] = 1
    elif (query is None and (alone or has_class(tokens))) or query == "class":
        if not (alone or has_class(tokens)):
            raise OptionError(
                f"{info.name} {_has(info)} and no class token before them. Ask query='mean' (over all of them) or a "
                "pixel (y, x)."
            )
        rows[:, 0] = 1
    elif query in (None, "mean"):
        counted = torch.ones_like(rows) if tokens.places is None else (tokens.places >= 0).float()
        rows = counted / counted.sum()
    else:
        raise OptionError(f"query={query!r} is not known; choose 'class', 'mean', a token's number or a pixel (y, x).")
    return rows


def has_class(tokens: Tokens) -> bool:
    """Whether the first token of the picture is none of its places, as a class token is."""
    return tokens.places is not None and len(tokens.places) == 1 and int(tokens.places[0, 0]) == NOWHERE


def _at(info: AttentionInfo, pixel: tuple[int, ...], space: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The window and the token that a pixel belongs to."""
    tokens = info.queries
    if len(pixel) != len(space) or any(not 0 <= at < length for at, length in zip(pixel, space, strict=True)):
        size = " × ".join(map(str, space))
        raise OptionError(f"query {pixel} is a pixel (y, x) of what the model saw, which has {size}.")
    if tokens.places is None:
        raise OptionError(f"the queries of {info.name} are no places of the picture; ask for one by its number.")
    number = 0
    for at, length, cells in zip(pixel, space, tokens.grid, strict=True):
        number = number * cells + at * cells // length
    windows, places = (tokens.places == number).nonzero(as_tuple=True)
    return windows[:1], places[:1]


def _has(info: AttentionInfo) -> str:
    windows = f" in each of {info.windows} windows" if info.windows > 1 else ""
    return f"has {info.queries.count} queries{windows}"


def _words(query: Query, infos: Sequence[AttentionInfo]) -> str:
    if isinstance(query, tuple):
        return f"from pixel {query}"
    if isinstance(query, int):
        return f"from token {query}"
    by_class = query == "class" or (query is None and all(has_class(info.queries) for info in infos))
    if by_class:
        return "from the class token"
    alone = query is None and any(info.queries.count == 1 or has_class(info.queries) for info in infos)
    return "from the class token or probe, where there is one" if alone else "mean over all queries"


def _said(known: Layers, wanted: Sequence[int]) -> Iterator[str]:
    """What is said of attention that is changed after its softmax, or has none."""
    shown = [known.attentions[number] for number in wanted]
    if changed := {info.name: info.changed for info in shown if info.changed}:
        yield words_of_changed(changed)
    if known.without_softmax:
        yield f"Not all attention is shown: {words_of_missing(known.without_softmax)}."


def _left_out(left: Sequence[AttentionInfo], total: int) -> str:
    kinds = dict.fromkeys(_WHY.get(info.keys.between, "has queries that are no places").split(";")[0] for info in left)
    return f"{len(left)} of {total} attentions are not shown: each {' or '.join(kinds)}."


def _check_finite(studied: StudiedModel, of_run: Sequence[Attended]) -> None:
    for each in of_run:
        bad = int((~each.probabilities.isfinite()).sum())
        if bad:
            raise ModelError(
                f"attention {each.info.name!r} gives {bad} probabilities that are not finite. "
                f"{why_not_finite(studied.model)}"
            )
