"""Real surveys on disk, written from values that are given or that a model has over some pictures.

Values are rounded to half precision first: that is what a survey keeps of them.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from filelock import FileLock
from PIL import Image
from torch import Tensor, nn

import featuremaps as fm
from featuremaps import demo
from featuremaps.demo.world import Recipe, pictures_of
from featuremaps.layers.info import LayerInfo
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.seen import see
from featuremaps.survey.storage.atomic_files import Store
from featuremaps.survey.storage.final_tables import finish
from featuremaps.survey.storage.fingerprint import model_digest
from featuremaps.survey.storage.manifest import Manifest, SurveyedLayer
from featuremaps.survey.storage.pooled import RANKINGS, best
from featuremaps.survey.storage.shard_files import BestSoFar, write_shard
from featuremaps.survey.storage.shard_result import LayerResult, LoadedPicture, Predicted, ShardResult
from featuremaps.survey.survey import Survey, open_survey
from map_samples import real_scope
from method_samples import unchecked

LABELS = ("scissors", "hammer", "neither")
FRESH = 7_000_000


@cache
def fresh_folders() -> Iterator[Path]:
    """Folders that go when this process ends; in memory where that is possible, so that no disk is waited for."""
    memory = Path("/dev/shm")
    home = TemporaryDirectory(prefix="tiny-surveys-", dir=memory if memory.is_dir() else None)
    return (Path(home.name, str(number)) for number in count())


@dataclass(frozen=True, eq=False)
class Values:
    """What a layer does in every picture: its mean and its largest activation (picture, channel), and where that is."""

    mean: np.ndarray
    largest: np.ndarray
    places: np.ndarray
    info: LayerInfo | None = None

    @property
    def channels(self) -> int:
        return self.mean.shape[1]

    def surveyed(self, name: str, input_size: tuple[int, ...]) -> SurveyedLayer:
        """How a manifest describes the layer; one that is made up sees the whole picture."""
        info = self.info
        if info is None:
            return SurveyedLayer(name, "Conv2d", self.channels, (1, 1), None, None, None, True, input_size)
        geometry = (info.size, info.stride, info.start, info.receptive_field, info.whole)
        return SurveyedLayer(name, info.type, self.channels, *geometry, input_size)

    def result(self, rows: slice, keep: int) -> LayerResult:
        """What a shard says of these pictures."""
        mean, largest, places = self.mean[rows], self.largest[rows], self.places[rows]
        pools = {"mean": torch.from_numpy(mean), "max": torch.from_numpy(largest)}
        numbers, packed = torch.arange(len(self.mean))[rows], torch.from_numpy(places[..., 0] << 16 | places[..., 1])
        ranked = {(by, end): best(pools[by], numbers, packed, keep, end) for by, end in RANKINGS}
        active = (largest > 0).sum(0)
        return LayerResult(mean, largest, ranked, active, active, 1)


def rounded(mean: object, largest: object = None, places: object = None, info: LayerInfo | None = None) -> Values:
    """Values as a survey keeps them; the largest are the means and at the first place where they are not given."""
    pooled = [np.asarray(each, np.float16).astype(np.float32) for each in (mean, mean if largest is None else largest)]
    first = np.zeros((*pooled[0].shape, 2)) if places is None else places
    return Values(*pooled, np.asarray(first, np.int32), info)


def write_survey(
    layers: Mapping[str, Values],
    labels: Sequence[int],
    classes: Sequence[str] | None = None,
    *,
    name: str = "made",
    names: Sequence[str] | None = None,
    paths: Sequence[str] | None = None,
    images: Sequence[Image.Image] = (),
    predicted: Sequence[int] | None = None,
    probabilities: Sequence[float] | None = None,
    model_classes: Sequence[str] | None = None,
    model: nn.Module | None = None,
    input_size: tuple[int, ...] = (8, 8),
    shard_size: int = 64,
    keep: int = 5,
) -> Survey:
    """Write a survey called `name` as a job does, shard by shard, and open it; -1 is no label."""
    folder, pictures = next(fresh_folders()) / name, len(labels)
    names = [f"{row}.png" for row in range(pictures)] if names is None else names
    if images:
        (folder / "originals").mkdir(parents=True)
        paths = [str(folder / "originals" / f"{row}.png") for row in range(pictures)]
        for path, image in zip(paths, images, strict=True):
            image.save(path, compress_level=1)
    manifest = Manifest(
        fingerprint={} if model is None else {"model": model_digest(model)},
        described={},
        model="made up" if model is None else type(model).__name__,
        classes=None if classes is None else tuple(classes),
        model_classes=None if model_classes is None else tuple(model_classes),
        layers=tuple(values.surveyed(layer, input_size) for layer, values in layers.items()),
        pictures=pictures,
        shard_size=shard_size,
        precision="float32",
        keep=keep,
        predictions=predicted is not None,
        created_by="tests",
    )
    store, best_so_far = Store(folder, manifest), BestSoFar(keep)
    store.begin()
    for shard in range(manifest.count):
        numbers = manifest.numbers(shard)
        rows = slice(numbers.start, numbers.stop)
        loaded = [
            LoadedPicture(
                row, names[row], Path(paths[row]) if paths else None, int(label) if label >= 0 else None, None
            )
            for row, label in zip(numbers, labels[rows], strict=True)
        ]
        answers = None
        if predicted is not None:
            sure = np.ones(pictures) if probabilities is None else np.asarray(probabilities)
            answers = Predicted(np.asarray(predicted, np.int32)[rows, None], np.asarray(sure, np.float32)[rows, None])
        results = {layer: values.result(rows, keep) for layer, values in layers.items()}
        write_shard(store, ShardResult(shard, tuple(loaded), results, answers), best_so_far)
    finish(store, best_so_far)
    return open_survey(folder)


def made_up(
    vectors: object, labels: Sequence[int], classes: Sequence[str] | None = None, *, largest: object = None, **more
) -> Survey:
    """A survey of one layer called "conv" with these values, mean and largest alike if those are not given."""
    return write_survey({"conv": rounded(vectors, largest)}, labels, classes, **more)


def survey_of_scope(scope: fm.Scope, pictures: object, layers: Sequence[str], labels: Sequence[int], **more) -> Survey:
    """What a pass of a real model over pictures of one size finds."""
    seen = see(pictures, scope.preprocessing).seen
    infos = StudiedModel(scope.model, scope.preprocessing).walk(seen[0].input[None])
    maps: dict[str, list[np.ndarray]] = {layer: [] for layer in layers}
    logits = []
    for start in range(0, len(seen), 16):
        inputs = torch.stack([one.input for one in seen[start : start + 16]])
        record = scope.record(inputs, list(layers), gradients=False)
        logits.append(record.logits)
        for layer in layers:
            maps[layer].append(record.activations[layer].numpy())
    values = {}
    for layer in layers:
        every = np.concatenate(maps[layer])
        flat = every.reshape(*every.shape[:2], -1)
        places = np.stack(np.divmod(flat.argmax(2), every.shape[3]), 2)
        values[layer] = rounded(flat.mean(2), flat.max(2), places, infos[layer])
    probabilities = torch.cat(logits).softmax(1).max(1)
    return write_survey(
        values,
        labels,
        names=[one.picture.name for one in seen],
        images=[one.picture.image for one in seen],
        predicted=probabilities.indices.tolist(),
        probabilities=probabilities.values.tolist(),
        model_classes=scope.classes,
        input_size=tuple(seen[0].input.shape[1:]),
        **more,
    )


def of_model(survey: Survey, model: nn.Module) -> Survey:
    """The survey as it is when opened with a model."""
    return replace(survey, studied=StudiedModel(model))


@cache
def cats_and_ships(shared: Path) -> Survey:
    """SqueezeNet over 40 cats and 40 ships of CIFAR-10, at its layer features.9."""
    names = ("cat", "ship")
    paths = [path for name in names for path in sorted((shared / "images" / "cifar10" / name).glob("*.jpg"))[:40]]
    return survey_of_scope(real_scope(shared), paths, ["features.9"], [0] * 40 + [1] * 40, classes=names)


@cache
def drawn(domain: str, each: int = 40, first: int = FRESH, plain: bool | None = None) -> tuple[Tensor, tuple[int, ...]]:
    """Scenes of every label, half of them on a plain background unless `plain` says, preprocessed, and their labels."""
    cases = [(n, label, i) for n, label in enumerate(LABELS) for i in range(each)]
    path = Path(os.environ["FEATUREMAPS_DRAWN"]) / f"{domain}-{each}-{first}-{plain}.npy"
    with FileLock(f"{path}.lock"), unchecked():  # the drawing is checked where it is tested
        if not path.exists():
            shown = [bool(i % 2) if plain is None else plain for _, _, i in cases]
            places = zip(cases, shown, strict=True)
            recipes = [Recipe(label, domain, ground, first + i + 1000 * n) for (n, label, i), ground in places]
            np.save(path, pictures_of(recipes))
    convert = demo.transform("demo")
    inputs = torch.stack([convert(Image.fromarray(picture)) for picture in np.load(path)])
    return inputs, tuple(n for n, _, _ in cases)


@cache
def survey_of_demo(
    name: str, domain: str, each: int = 40, first: int = FRESH, layers: tuple[str, ...] = ("layer2", "layer4")
) -> Survey:
    """A survey of a bundled network over drawn scenes."""
    inputs, labels = drawn(domain, each, first)
    names = [f"{LABELS[label]}/{i:03}.png" for i, label in enumerate(labels)]
    told = {"model_classes": demo.CLASSES[name], "name": f"{name}-{domain}"}
    return survey_of_model(demo.network(name), inputs, layers, labels, LABELS, names=names, **told)


def survey_of_model(
    model: nn.Module, inputs: Tensor, layers: Sequence[str], labels: Sequence[int], classes: Sequence[str], **more
) -> Survey:
    """A survey of any model over its inputs, by plain hooks."""
    kept: dict[str, Tensor] = {}

    def keep(layer: str) -> object:
        return lambda module, args, output: kept.__setitem__(layer, output.detach().clone())

    means: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    largest: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    predicted = []
    handles = [model.get_submodule(layer).register_forward_hook(keep(layer)) for layer in layers]
    with torch.inference_mode():
        for batch in inputs.split(32):
            predicted += model(batch).argmax(1).tolist()
            for layer in layers:
                means[layer].append(kept[layer].mean((2, 3)))
                largest[layer].append(kept[layer].amax((2, 3)))
    for handle in handles:
        handle.remove()
    values = {layer: rounded(torch.cat(means[layer]), torch.cat(largest[layer])) for layer in layers}
    return write_survey(values, labels, classes, predicted=predicted, model=model, **more)
