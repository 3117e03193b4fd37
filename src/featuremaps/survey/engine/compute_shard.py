"""One shard of a pass: from examples, read ahead by whoever, to everything a survey keeps of them.

`compute_shard` is all that an engine runs: it needs a model's session and an iterable, touches no file, and gives
the same for the same examples whoever calls it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from featuremaps.acceleration.batch_norm_folding import batch_norms_folded
from featuremaps.errors import ModelError
from featuremaps.layers.addresses import parse
from featuremaps.layers.given import GivenLayout
from featuremaps.options import Each, Precision
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.found_regions import FoundRegion
from featuremaps.runtime.capture import device_of, to_model
from featuremaps.runtime.memory_format import quickest
from featuremaps.runtime.run_errors import out_of_memory
from featuremaps.runtime.stream import stream
from featuremaps.runtime.warnings import why_not_finite
from featuremaps.session import Session
from featuremaps.survey.engine.prefetch import sent_ahead
from featuremaps.survey.engine.regions import layers_for, pooled_inside, regions_found
from featuremaps.survey.storage.pooled import RANKINGS, Pooled, Pooling, best, pool
from featuremaps.survey.storage.shard_result import (
    TOP,
    LayerResult,
    LoadedPicture,
    Predicted,
    ShardResult,
    SurveyedRegion,
)

PENDING = 4  # batches of pictures of different sizes that wait for company


@dataclass(frozen=True)
class PassPlan:
    """What a pass does with every picture: the layers (exact names), and how the model is run.

    `shape` is the input that the model is known to run on: a failure there is the model's, elsewhere the picture's.
    `layout` is how the user says that layers lie, `classes` how class scores, or what is found, are read: the best are
    kept, or with `every_answer` all. `each` is what counts.
    """

    layers: tuple[str, ...]
    shape: tuple[int, ...]
    batch_size: int
    precision: Precision = "float32"
    predictions: bool = False
    keep: int = 100
    layout: GivenLayout | None = None
    classes: ClassOutputs = field(default_factory=ClassOutputs)
    each: Each = "picture"
    every_answer: bool = False


@dataclass(frozen=True, eq=False)
class _Batch:
    """What is kept of a batch: pooled maps, a row for each picture, or for each region, which lies in `pictures`."""

    pooled: dict[str, Pooled]
    pictures: Sequence[int]
    probabilities: Tensor | None = None
    regions: Sequence[tuple[int, FoundRegion]] = ()


@dataclass
class _Shard:
    """What is known of a shard so far: for each example its outcome, and for each batch what was pooled of it."""

    outcomes: list[LoadedPicture] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)  # of `outcomes`, in the order in which they ran
    pooled: dict[str, list[Pooled]] = field(default_factory=dict)
    probabilities: list[Tensor] = field(default_factory=list)
    regions: list[tuple[int, FoundRegion]] = field(default_factory=list)

    def add(self, rows: Sequence[int], batch: _Batch) -> None:
        """Keep what was seen of these examples."""
        self.rows += [rows[picture] for picture in batch.pictures]
        self.regions += batch.regions
        for layer, of_batch in batch.pooled.items():
            self.pooled.setdefault(layer, []).append(of_batch)
        if batch.probabilities is not None:
            self.probabilities.append(batch.probabilities)


def compute_shard(session: Session, plan: PassPlan, number: int, examples: Iterable[LoadedPicture]) -> ShardResult:
    """Run the model over the shard's examples, batch by batch, and keep what `plan` asks for.

    A picture that the model cannot run on, or gives values for that are not finite, joins the bad ones. Raises
    `ModelError` where the model itself is at fault.
    """
    shard = _Shard()
    with torch.no_grad():
        for rows, inputs in sent_ahead(_batches(shard, plan, examples), device_of(session.model)):
            for done, batch in _run(session, plan, shard, rows, inputs):
                shard.add(done, batch)
        return _result(session, plan, number, shard)


def _batches(
    shard: _Shard, plan: PassPlan, examples: Iterable[LoadedPicture]
) -> Iterator[tuple[list[int], list[Tensor]]]:
    """Pictures of one size together; which ones depends on the shard alone, so that a shard made again is the same."""
    waiting: dict[tuple[int, ...], tuple[list[int], list[Tensor]]] = {}
    for row, picture in enumerate(examples):
        shard.outcomes.append(picture)
        if picture.input is None:
            continue
        shape = tuple(picture.input.shape)
        rows, inputs = waiting.setdefault(shape, ([], []))
        rows.append(row)
        inputs.append(picture.input)
        if len(rows) == plan.batch_size:
            yield waiting.pop(shape)
        elif sum(len(own) for own, _ in waiting.values()) >= PENDING * plan.batch_size:
            yield waiting.pop(max(waiting, key=lambda size: len(waiting[size][0])))
    yield from waiting.values()


def _run(
    session: Session, plan: PassPlan, shard: _Shard, rows: list[int], inputs: Tensor
) -> Iterator[tuple[list[int], _Batch]]:
    """One batch, in halves where memory runs out; pictures of a size that the model cannot take are put aside."""
    for row in rows:
        shard.outcomes[row] = replace(shard.outcomes[row], input=None)  # which would fill the memory until the end
    try:
        yield rows, _forward(session, plan, inputs)
        return
    except (RuntimeError, ModelError) as error:
        short = out_of_memory(error)
        if not short and tuple(inputs[0].shape) == plan.shape:
            raise
        if short and len(rows) == 1:
            raise ModelError("memory ran out on a single picture; use smaller pictures or fewer layers.") from error
        reason = str(error).partition("\n")[0]
    if short:
        half = len(rows) // 2
        yield from _run(session, plan, shard, rows[:half], inputs[:half])
        yield from _run(session, plan, shard, rows[half:], inputs[half:])
        return
    size = "×".join(map(str, inputs[0].shape))
    for row in rows:
        shard.outcomes[row] = shard.outcomes[row].bad(f"the model does not run on an input of {size}: {reason}")


def _forward(session: Session, plan: PassPlan, inputs: Tensor) -> _Batch:
    inputs = to_model(session.model, inputs)
    addresses = [parse(layer) for layer in plan.layers]
    half = plan.precision != "float32"
    autocast = torch.autocast(inputs.device.type, dtype=getattr(torch, plan.precision)) if half else nullcontext()
    each = tuple(range(len(inputs)))
    infos = {} if plan.each == "picture" else layers_for(session, plan.layers, inputs)

    def run(layout: torch.memory_format) -> _Batch:
        laid_out = inputs.contiguous(memory_format=layout) if inputs.ndim == 4 else inputs
        seen: dict[str, Any] = {}

        def look(layer: str, maps: Tensor) -> None:
            seen[layer] = pool(maps) if plan.each == "picture" else maps.clone()  # what is found is known at the end

        stop = plan.each == "picture" and not plan.predictions
        with autocast, batch_norms_folded(session, [address.layer for address in addresses]):
            outputs = stream(session, laid_out, addresses, look, stop=stop)
        if plan.each != "picture":
            found = regions_found(session, inputs, outputs, plan.classes, plan.each, plan.shape)
            pictures = [picture for picture, of_picture in enumerate(found) for _ in of_picture.regions]
            size = (inputs.shape[2], inputs.shape[3])
            pooled = {layer: pooled_inside(seen[layer], found, infos[layer], size) for layer in plan.layers}
            return _Batch(
                pooled, pictures, None, [one for of_picture in found for one in enumerate(of_picture.regions)]
            )
        shares = plan.classes.probabilities(outputs, len(inputs)) if plan.predictions else None
        return _Batch(seen, each, shares)

    return quickest(session, run)


def _result(session: Session, plan: PassPlan, number: int, shard: _Shard) -> ShardResult:
    ran = np.argsort(shard.rows, kind="stable")
    order = torch.tensor(ran, dtype=torch.long, device="cpu")
    layers = {layer: _joined(shard.pooled[layer], order) for layer in plan.layers if layer in shard.pooled}
    good = _set_aside_not_finite(session, shard, sorted(shard.rows), layers)
    rows = [row for row, kept in zip(sorted(shard.rows), good.tolist(), strict=True) if kept]
    of_rows = [shard.outcomes[row].number for row in rows]
    regions = None
    if plan.each != "picture":
        found = [shard.regions[place] for place, kept in zip(ran.tolist(), good.tolist(), strict=True) if kept]
        regions = tuple(SurveyedRegion(of, *one) for of, one in zip(of_rows, found, strict=True))
    keys = of_rows if regions is None else [region.key for region in regions]
    numbers = torch.tensor(keys, dtype=torch.long, device="cpu")
    shares = torch.cat(shard.probabilities).cpu()[order][good] if shard.probabilities else None
    return ShardResult(
        number,
        tuple(shard.outcomes),
        {layer: _layer_result(pooled, good, numbers, plan.keep) for layer, pooled in layers.items()} if rows else {},
        None if shares is None or not rows else _predicted(shares, shares.shape[1] if plan.every_answer else TOP),
        regions,
    )


def _joined(parts: list[Pooled], order: Tensor) -> Pooled:
    """All batches of a layer in this order, one row per picture."""
    return _taken({name: torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])}, order)


def _taken(columns: Mapping[str, Tensor], rows: Tensor) -> Pooled:
    return Pooled(**{name: column[rows.to(column.device)] for name, column in columns.items()})


def _set_aside_not_finite(session: Session, shard: _Shard, rows: list[int], layers: Mapping[str, Pooled]) -> Tensor:
    """Which rows are finite in every layer; the others join the bad pictures."""
    good = torch.ones(len(rows), dtype=torch.bool, device="cpu")
    for layer, pooled in layers.items():
        finite = (pooled.mean.isfinite() & pooled.max.isfinite()).all(1).cpu()
        for at in (good & ~finite).nonzero()[:, 0].tolist():
            reason = f"layer {layer!r} gives values for it that are not finite"
            shard.outcomes[rows[at]] = shard.outcomes[rows[at]].bad(reason + ".")
            why = why_not_finite(session.model)
            if "own weights" in why:
                raise ModelError(f"{shard.outcomes[rows[at]].name}: {reason}. {why}")
        good &= finite
    return good & torch.tensor([shard.outcomes[row].reason is None for row in rows], dtype=torch.bool, device="cpu")


def _layer_result(pooled: Pooled, good: Tensor, numbers: Tensor, keep: int) -> LayerResult:
    kept = _taken(vars(pooled), good)
    values: dict[Pooling, Tensor] = {"max": kept.max, "mean": kept.mean}
    pictures = numbers.to(kept.mean.device)
    candidates = {(by, end): best(values[by], pictures, kept.place, keep, end).cpu() for by, end in RANKINGS}
    return LayerResult(
        kept.mean.cpu().numpy(),
        kept.max.cpu().numpy(),
        candidates,
        (kept.max > 0).sum(0).cpu().numpy(),
        kept.zeros.sum(0, dtype=torch.int64).cpu().numpy(),
        int(kept.positions.sum()),
    )


def _predicted(shares: Tensor, most: int) -> Predicted:
    highest, classes = shares.topk(min(most, shares.shape[1]), dim=1)
    return Predicted(classes.int().cpu().numpy(), highest.cpu().numpy())
