"""Deep feature factorisation of one layer over a set of pictures: recording it, and scoring each concept by itself."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from featuremaps.concepts.concepts import Concepts
from featuremaps.concepts.options import FactorizeOptions
from featuremaps.errors import ImageError, OptionError
from featuremaps.layers.layout import Layout
from featuremaps.methods.factorization import Factors, concept_scores, factorize
from featuremaps.methods.passes import Copied
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.seen import Seen
from featuremaps.runtime.batches import batches, probe
from featuremaps.runtime.record import Record
from featuremaps.runtime.recording import take
from featuremaps.runtime.warnings import misplaced, unsteady
from featuremaps.session import Session
from featuremaps.tail import Tail

CLIPPED = "the layer has negative values, which were set to 0: what it says by them is not in the concepts."


def find_concepts(
    studied: StudiedModel,
    pictures: Sequence[Seen],
    layer: str,
    options: FactorizeOptions,
) -> Concepts:
    """The concepts of `layer` in all pictures together, each with the class scores it has alone where there are any.

    Raises `ImageError` for pictures of different sizes, `MethodError` for negative values unless they are clipped.
    """
    if len({seen.shape for seen in pictures}) > 1:
        raise ImageError(
            "the pictures have different sizes after preprocessing, and concepts are looked for in maps of one size. "
            "Give a transform that resizes them alike."
        )
    names = studied.resolve(layer, probe(pictures, options.batch_size))
    if len(names) > 1:
        raise OptionError(f"layer={layer!r} names {len(names)} layers ({', '.join(names)}); concepts are those of one.")
    with studied.session() as session:
        maps, layouts = _recorded(session, pictures, names[0], options.batch_size)
        factors = factorize(maps, options.generator, concepts=options.concepts, negative=options.negative)
        record = take(session, pictures[0].input[None], classes=studied.class_outputs, gradients=False)
        scores = _scores(session, record, names[0], layouts[names[0]], factors)
        doubts = (*unsteady(session, record.inputs), *misplaced(layouts[names[0]]))
    warnings = [CLIPPED] if options.negative == "clip" and bool((maps < 0).any()) else []
    if not factors.converged:
        warnings.append(f"the factorisation was still improving after {len(factors.errors) - 1} iterations.")
    return Concepts(
        factors.maps.reshape(*factors.maps.shape[:2], *layouts[names[0]].grid),
        factors.vectors,
        names[0],
        tuple(pictures),
        factors.errors,
        scores,
        record.classes,
        (*warnings, *doubts),
    )


def _recorded(
    session: Session, pictures: Sequence[Seen], layer: str, batch_size: int
) -> tuple[Tensor, Mapping[str, Layout]]:
    """The layer's maps of all pictures, in their order."""
    maps: dict[int, Tensor] = {}
    layouts: Mapping[str, Layout] = {}
    for batch in batches(pictures, batch_size, "reading the layer's maps"):
        with batch:
            record = take(session, batch.inputs, [layer], gradients=False, stop_early=True)
            maps |= zip(batch.rows, record.activations[layer], strict=True)
            layouts = record.layouts
    return torch.stack([maps[row] for row in range(len(pictures))]), layouts


def _scores(session: Session, record: Record, layer: str, layout: Layout, factors: Factors) -> Tensor | None:
    """The class scores of each concept alone; None for a model that gives none."""
    if record.classes.logits(record.outputs) is None:
        return None
    name, _, call = layer.partition("#")
    tail = Tail(session.model, name, record.inputs, call=int(call) if call else None)

    def read(maps: Tensor) -> Tensor:
        outputs = tail(layout.from_maps(maps, tail.output).to(tail.output.dtype))
        return record.classes.given(outputs, len(maps)).float()

    size = factors.maps.shape[2], factors.maps.shape[3]
    return concept_scores(factors.vectors, size, Copied(read, len(record.inputs)))
