"""From what a user asks of a survey to a job: everything checked, the layers found, the folder ready to go on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from featuremaps.errors import LayerNotFoundError, OptionError, SurveyError
from featuremaps.layers import LayerInfo, Layers
from featuremaps.layers.layout import needs_layout
from featuremaps.models.studied_model import StudiedModel
from featuremaps.options import Each
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.runtime.capture import device_of
from featuremaps.survey.datasets.examples import Examples, digest
from featuremaps.survey.engine.answers import FirstAnswer, are_wanted, what_counts
from featuremaps.survey.engine.compute_shard import PassPlan
from featuremaps.survey.engine.loader import load_alone
from featuremaps.survey.engine.options import SurveyOptions
from featuremaps.survey.storage.atomic_files import Store
from featuremaps.survey.storage.fingerprint import check_pictures, check_same, model_digest, preprocessing_digest
from featuremaps.survey.storage.manifest import NAME, PLURALS, Manifest, SurveyedLayer, read_manifest
from featuremaps.survey.storage.pooled import PICTURES
from featuremaps.survey.storage.shard_result import MOST_REGIONS

SHARDS = 128  # about as many as a survey is made of, between the two sizes below
SMALLEST, LARGEST = 512, 8192
TRIED = 1000  # pictures read in search of one that can be
SHARD_VALUES = 2**24  # most channels times pictures held until a shard is written


@dataclass(frozen=True, eq=False)
class Job:
    """A survey that is being made: everything an engine needs to compute its shards.

    `outputs` is how many class scores the model gives a picture, where its answers are kept and are such scores.
    """

    model: nn.Module
    preprocessing: Preprocessing
    examples: Examples
    plan: PassPlan
    store: Store
    workers: int | None
    outputs: int | None = None


def prepared(
    studied: StudiedModel, examples: Examples, layers: str | Sequence[str], out: Path, options: SurveyOptions
) -> Job:
    """The job of a new survey, or of what is missing of the one in `out`, which takes over class names given anew."""
    preprocessing, classes = studied.preprocessing, studied.classes
    first = _first(examples, preprocessing)
    known = studied.walk(first[None])
    there = read_manifest(out) if options.resume and (out / NAME).exists() else None
    answer = cache(partial(FirstAnswer, studied, first, known))
    each = what_counts(answer, examples, options, None if there is None else there.each)
    infos = [known[name] for name in known.resolve(_whole(layers, known, each))]
    surveyed = tuple(_surveyed(info, first) for info in infos)
    if each != "picture":
        _check_one_label(options, each)
        _check_regions(infos, each, len(examples))
        answers: ClassOutputs | None = answer().reading(each, options.threshold)
    else:
        answers = answer().predicted(options.predictions) if are_wanted(known, infos, options.predictions) else None
        if answers is not None and options.multi_label:
            answers = _no_alternatives(answers)
    known_size = options.shard or (there.shard_size if there else None)
    manifest = Manifest(
        **_identity(studied, examples, surveyed),
        classes=examples.classes,
        model_classes=classes,
        layers=surveyed,
        pictures=len(examples),
        shard_size=known_size or _shard_size(len(examples), sum(layer.channels for layer in surveyed)),
        precision=options.precision,
        keep=options.keep,
        predictions=answers is not None and each == "picture",
        multi_label=options.multi_label,
        created_by=f"featuremaps {version('featuremaps')}",
        each=each,
        threshold=options.threshold if each == "box" else None,
    ).with_settings()
    if there is not None:
        check_same(there, manifest, out)
        there = there if classes is None else replace(there, model_classes=classes)
    store = Store(out, there or manifest)
    store.begin(fresh=not options.resume)
    if not store.manifest.complete:
        check_pictures(store.manifest, out, examples)
    plan = _pass(studied, first, surveyed, options, manifest, answers)
    outputs = answer().width if manifest.predictions else None
    return Job(studied.model, preprocessing, examples, plan, store, options.workers, outputs)


def _pass(
    studied: StudiedModel,
    first: Tensor,
    layers: Sequence[SurveyedLayer],
    options: SurveyOptions,
    manifest: Manifest,
    answers: ClassOutputs | None,
) -> PassPlan:
    """What is done with every picture; `answers` say how what the model gives is read, if it is."""
    return PassPlan(
        tuple(layer.name for layer in layers),
        tuple(first.shape),
        options.batch_size or (16 if device_of(studied.model).type == "cpu" else 128),
        options.precision,
        manifest.predictions,
        options.keep,
        studied.layout,
        answers or ClassOutputs(),
        manifest.each,
        every_answer=manifest.multi_label,
    )


def _first(examples: Examples, preprocessing: Preprocessing) -> Tensor:
    """The first picture that can be read, as the model receives it."""
    reasons: list[str] = []
    tried = min(len(examples), TRIED)
    for number in range(tried):
        loaded = load_alone(examples, preprocessing, number)
        if loaded.input is not None:
            return loaded.input
        reasons.append(f"{loaded.path or loaded.name}: {loaded.reason}")
        reasons = reasons[:10]
    of_these = f"{tried}" if tried == len(examples) else f"the first {tried} of {len(examples)}"
    raise SurveyError(f"None of {of_these} pictures could be read:\n  " + "\n  ".join(reasons))


def _whole(layers: str | Sequence[str], known: Layers, each: Each) -> list[str]:
    """The layers asked for; `LayerNotFoundError` for one channel of one.

    Where boxes count, "last" is the finest of the maps that the detector's heads read, in which each box has most
    places.
    """
    asked = [layers] if isinstance(layers, str) else list(layers)
    for name in asked:
        layer, _, channel = name.rpartition(":")
        if layer and channel.isdecimal() and name not in known.names:
            raise LayerNotFoundError(f"{name!r} is one channel, and a survey is of whole layers: name {layer!r}.")
    if each == "box" and known.levels and known.get("last") is None:
        return [known.levels[0] if name == "last" else name for name in asked]
    return asked


def _check_regions(infos: Sequence[LayerInfo], each: Each, pictures: int) -> None:
    """`OptionError` where layers have no places to tell regions apart by, or pictures are too many to number these."""
    several = PLURALS[each]
    if single := [info.name for info in infos if info.positions <= 1]:
        others = [info.name for info in infos if info.positions > 1]
        instead = f"Leave it out: layers={others}" if others else "Name one with more places"
        raise OptionError(
            f"layer {single[0]!r} has one place for the whole picture, which all {several} in it share, so that it "
            f"cannot tell them apart. {instead}, or survey whole pictures: each='picture' (--each picture)."
        )
    if flat := [info.name for info in infos if info.size is not None and len(info.size) != 2]:
        raise OptionError(
            f"the maps of layer {flat[0]!r} are not of pictures, in which {several} have their places. Survey whole "
            "ones: each='picture' (--each picture)."
        )
    if pictures > PICTURES // MOST_REGIONS:
        raise OptionError(
            f"{pictures:,} pictures are more than the {PICTURES // MOST_REGIONS:,} whose {several} one survey can "
            "number. Survey them in parts, a folder each."
        )


def _check_one_label(options: SurveyOptions, each: Each) -> None:
    if options.multi_label:
        raise OptionError(
            f"multi_label=True is about labels of whole pictures, and this survey counts {PLURALS[each]}: survey whole "
            "pictures, each='picture' (--each picture)."
        )


def _no_alternatives(answers: ClassOutputs) -> ClassOutputs:
    """The model's answers where pictures have several labels: a probability for each, never of one among all."""
    if answers.kind in ("logits", "log_probabilities"):
        raise OptionError(
            f"multi_label=True says that a picture may have several labels, and outputs={answers.kind!r} that the "
            'model chooses one: say Scope(model, outputs="multi_label"), or predictions=False.'
        )
    return answers if answers.kind is not None else replace(answers, kind="multi_label")


def _surveyed(info: LayerInfo, first: Tensor) -> SurveyedLayer:
    output = None if info.shape is None else torch.empty(info.shape, device="meta")
    channels = needs_layout(info.layout, info.name, output, info.note).channels
    geometry = (info.size, info.stride, info.start, info.receptive_field, info.whole)
    return SurveyedLayer(info.name, info.type, channels, *geometry, tuple(first.shape[1:]))


def _shard_size(pictures: int, channels: int) -> int:
    """A power of two: some hundred shards, none too large to hold."""
    wanted = max(SMALLEST, min(LARGEST, pictures // SHARDS))
    held = max(64, SHARD_VALUES // channels)
    return int(2 ** (min(wanted, held).bit_length() - 1))


def _identity(studied: StudiedModel, examples: Examples, layers: tuple[SurveyedLayer, ...]) -> dict[str, Any]:
    """What the survey is of, in words and as fingerprints."""
    preprocessing = studied.preprocessing
    of_classes = f" of {len(examples.classes)} classes" if examples.classes else ""
    described = {
        "model": studied.name or type(studied.model).__name__,
        "preprocessing": preprocessing.describe(),
        "layers": ", ".join(layer.name for layer in layers),
        "pictures": f"{len(examples)} pictures{of_classes}",
    }
    fingerprint = {
        "model": model_digest(studied.model),
        "preprocessing": preprocessing_digest(preprocessing),
        "layers": digest([*map(repr, layers), *map(str, filter(None, (studied.layout, studied.outputs)))]),
        "pictures": digest([len(examples), *(examples.classes or ()), examples.identity()]),
    }
    return {"model": described["model"], "described": described, "fingerprint": fingerprint}
