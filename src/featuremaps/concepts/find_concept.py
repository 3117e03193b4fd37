"""Finding a concept: a layer's vectors of pictures with it and without it, directions, and how well they tell."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from featuremaps.concepts.concept import Concept
from featuremaps.concepts.directions import Fit, How
from featuremaps.concepts.held_out import held_out
from featuremaps.concepts.options import ConceptOptions
from featuremaps.errors import ImageError, ModelError, OptionError
from featuremaps.layers.directions import weights_up_to
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.seen import Seen
from featuremaps.runtime.batches import batches, probe
from featuremaps.runtime.recording import take
from featuremaps.runtime.warnings import unsteady, why_not_finite

FEWEST = 10
"""So many pictures of each kind are needed: two in each fold."""
WAYS: tuple[How, ...] = ("pattern", "ridge", "mean_difference")


def called(pictures: object, otherwise: str) -> str:
    """The name of the folder that pictures are given as; `otherwise` where they are given in another way."""
    if not isinstance(pictures, str | os.PathLike):
        return otherwise
    return Path(os.fspath(pictures)).expanduser().resolve().name or otherwise


def find_concept(
    studied: StudiedModel,
    positive: Sequence[Seen],
    negative: Sequence[Seen],
    layer: str,
    names: tuple[str, str],
    options: ConceptOptions,
) -> Concept:
    """The concept that `positive` pictures have and `negative` ones have not; `names` are what each is called.

    Each picture counts once. Raises `ImageError` for too few pictures, or one on both sides, `OptionError` for a layer
    that tells nothing apart, `ModelError` for values that are not finite.
    """
    _check_enough(len(positive), len(negative), "given")
    pictures = [*positive, *negative]
    (resolved, *more) = studied.resolve(layer, probe(pictures, options.batch_size))
    if more:
        raise OptionError(f"layer={layer!r} names {1 + len(more)} layers; a concept is a direction in one of them.")
    features, digests, doubts = _pooled(studied, pictures, resolved, options.batch_size)
    has = np.arange(len(pictures)) < len(positive)
    rows, notes = _distinct(pictures, digests, has)
    features, has = features[rows], has[rows]
    fit = Fit(features)
    vectors = {how: fit.vectors(has[:, None], how)[0] for how in WAYS}
    if not all(vector.any() for vector in vectors.values()):
        raise OptionError(
            f"layer {resolved!r} has the same mean activations for both kinds of pictures, so that no direction tells "
            f"{names[0]!r} from {names[1]!r} there. Choose another layer: scope.layers() lists them."
        )
    told = held_out(features, has, options.seed)
    if not told[options.how].beyond_chance:
        notes.append(f"nothing that is made of this direction means “{names[0]}”; another layer may tell it.")
    weights = weights_up_to(studied.model, studied.walk(probe(pictures, options.batch_size)), resolved)
    kept = [pictures[row] for row in rows.tolist()]
    return Concept(
        *names,
        resolved,
        options.how,
        vectors,
        features,
        has,
        told,
        tuple(seen.picture.name for seen in kept),
        studied.name,
        weights,
        (*notes, *doubts),
        tuple(kept),
    )


def _check_enough(positive: int, negative: int, kind: str) -> None:
    if min(positive, negative) < FEWEST:
        raise ImageError(
            f"a concept needs {FEWEST} different pictures with it and as many without it, better 30 or more; {kind}: "
            f"{positive} and {negative}."
        )


def _pooled(
    studied: StudiedModel, pictures: Sequence[Seen], layer: str, batch_size: int
) -> tuple[Float[np.ndarray, "picture channel"], list[bytes], tuple[str, ...]]:
    """The layer's means over places in each picture, a digest of what the model was given, and doubts; one pass."""
    means: dict[int, Tensor] = {}
    digests: dict[int, bytes] = {}
    doubts: dict[str, None] = {}
    with studied.session() as session:
        for batch in batches(pictures, batch_size, f"reading {layer}"):
            with batch:
                record = take(session, batch.inputs, [layer], gradients=False, stop_early=True)
                means |= zip(batch.rows, record.activations[layer].mean((2, 3)).cpu(), strict=True)
                digests |= {row: _digest(each) for row, each in zip(batch.rows, batch.inputs, strict=True)}
                doubts |= dict.fromkeys(unsteady(session, record.inputs))
    features = torch.stack([means[row] for row in range(len(pictures))])
    bad = (~features.isfinite()).any(1)
    if bool(bad.any()):
        name = pictures[int(bad.nonzero()[0])].picture.name
        raise ModelError(
            f"layer {layer!r} gives values that are not finite for {name}. {why_not_finite(studied.model)}"
        )
    return features.numpy(), [digests[row] for row in range(len(pictures))], tuple(doubts)


def _digest(inputs: Tensor) -> bytes:
    return hashlib.sha256(inputs.detach().cpu().double().contiguous().numpy().tobytes()).digest()


def _distinct(
    pictures: Sequence[Seen], digests: Sequence[bytes], has: Bool[np.ndarray, " picture"]
) -> tuple[np.ndarray, list[str]]:
    """The rows of pictures that differ from all before them, and what is said of the others."""
    first: dict[bytes, int] = {}
    for row, digest in enumerate(digests):
        if has[first.setdefault(digest, row)] != has[row]:
            both = sum(digest in set(digests[int(has.sum()) :]) for digest in set(digests[: int(has.sum())]))
            raise ImageError(
                f"{both} of the pictures are among those with the concept and among those without it, such as "
                f"{pictures[row].picture.name!r}. Give pictures with it, and others without it."
            )
    rows = np.array(sorted(first.values()))
    _check_enough(int(has[rows].sum()), int((~has[rows]).sum()), "different ones among those given")
    repeated = len(digests) - len(rows)
    return rows, [f"{repeated} pictures were given several times, and count once."] if repeated else []
