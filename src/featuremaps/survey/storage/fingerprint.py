"""What must not change between two runs of one survey, as a sha256 for each thing, so that the difference is known."""

import hashlib
import re
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from featuremaps.editing.edited_model import removals_in
from featuremaps.errors import FeatureMapsWarning, ImageError, SurveyError
from featuremaps.pictures.load import Picture
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.progress import track
from featuremaps.session import random_state, unwrapped
from featuremaps.survey.datasets.examples import Examples, digest
from featuremaps.survey.storage.integrity import AT_ONCE
from featuremaps.survey.storage.manifest import ANEW, Manifest
from featuremaps.survey.storage.parquet_tables import reading
from featuremaps.survey.storage.shard_files import part_file

THINGS = {
    "model": "the model (its structure or weights)",
    "preprocessing": "the preprocessing",
    "layers": "the layers",
    "pictures": "the list of pictures, their labels or sizes",
    "settings": "the settings",
}


def model_digest(model: nn.Module) -> str:
    """Of what the model prints, of every parameter and buffer to the last bit, and of edits made in it."""
    model = unwrapped(model)
    sha = hashlib.sha256(re.sub(r" at 0x[0-9a-fA-F]+", "", repr(model)).encode())
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().flatten()
        sha.update(flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
    for removal in removals_in(model):
        for tensor in (removal.directions, removal.values):
            sha.update(f"{removal.layer} {tuple(tensor.shape)}".encode() + tensor.cpu().numpy().tobytes())
    return sha.hexdigest()


def described(model: nn.Module) -> str:
    """A model in a few words: its class and how many parameters it has."""
    model = unwrapped(model)
    return f"{type(model).__name__} with {sum(p.numel() for p in model.parameters()):,} parameters"


def preprocessing_digest(preprocessing: Preprocessing) -> str:
    """Of what the transform prints, and of what it makes of two pictures of noise."""
    parts = [preprocessing.describe()]
    for width, height in ((256, 256), (400, 300)):
        noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        try:
            with random_state():
                torch.default_generator.manual_seed(0)
                made = preprocessing(Picture("noise", kept=Image.fromarray(noise)))
            levels = (made * 1000).round().to(torch.int64).numpy()
            parts += [str(tuple(made.shape)), hashlib.sha256(levels.tobytes()).hexdigest()]
        except ImageError as error:
            parts.append(type(error).__name__)
    return digest(parts)


def check_same(there: Manifest, asked: Manifest, folder: Path) -> None:
    """`SurveyError` that says what differs between the survey on disk and the one asked for, and how."""
    lines = []
    for thing, words in THINGS.items():
        if there.fingerprint.get(thing) != asked.fingerprint[thing]:
            before, after = there.described.get(thing, "unknown"), asked.described[thing]
            lines.append(f"  {words}: " + (f"{before} there, {after} now" if before != after else before))
    if lines:
        raise SurveyError(
            f"{folder} holds a survey that differs from the one asked for, so it cannot be gone on with. Different:\n"
            + "\n".join(lines)
            + "\nGive another out= for a new survey, or ask for what is there."
        )


def check_pictures(there: Manifest, folder: Path, examples: Examples) -> None:
    """`SurveyError` where pictures of the finished shards were replaced since, which their names and sizes do not tell.

    Pictures that are no files cannot be checked.
    """
    for shard in track(there.shards, "checking pictures"):
        with reading(folder / part_file("pictures", shard.number)) as file:
            known = file.read(columns=["picture", "name", "sha256"]).to_pylist()
        known = [row for row in known if row["sha256"] is not None]
        with ThreadPoolExecutor(AT_ONCE, "checking") as threads:
            now = list(threads.map(examples.sha256, [row["picture"] for row in known]))
        changed = [row["name"] for row, sha256 in zip(known, now, strict=True) if row["sha256"] != sha256]
        if changed:
            raise SurveyError(
                f"{folder} holds the beginning of a survey of other pictures: {len(changed)} were replaced since they "
                f"were surveyed (first {changed[0]}). Put back what was there, or {ANEW}."
            )


def check_made_with(manifest: Manifest, model: nn.Module, preprocessing: Preprocessing, folder: Path) -> None:
    """`SurveyError` where a survey was made with another model or preprocessing than those given."""
    now = {"model": model_digest(model), "preprocessing": preprocessing_digest(preprocessing)}
    differs = _differing(manifest.fingerprint, now)
    if differs:
        what = " and ".join(f"{THINGS[thing]}: it was {manifest.described.get(thing, 'unknown')}" for thing in differs)
        raise SurveyError(
            f"the survey in {folder} was made with another model than the one given. Different: {what}. Give the model "
            "that was surveyed, with its weights and its preprocessing."
        )


def check_same_model(model: nn.Module, was: str, weights: str) -> None:
    """`SurveyError` where the weights are not those remembered; nothing is checked where none are."""
    digest_now = model_digest(model) if weights else ""
    if digest_now == weights:
        return
    now = described(model)
    advice = (
        "It has been trained on, converted to another precision, or is another checkpoint. "
        if now == was
        else "It is another model. "
    )
    raise SurveyError(
        f"this detector was made for {was or 'a model'} (weights {weights[:12]}…), and was given {now} "
        f"(weights {digest_now[:12]}…). {advice}Its threshold means nothing there: give the model it was made for, or "
        "survey this one and fit a detector to it."
    )


def check_carried(here: Manifest, there: Manifest, name: str) -> None:
    """`SurveyError` where what one survey found cannot be tried on another: that is of another model.

    A `FeatureMapsWarning` where only the preprocessing differs.
    """
    differs = _differing(
        here.fingerprint, {thing: there.fingerprint.get(thing) for thing in ("model", "preprocessing")}
    )
    lines = "; ".join(
        f"{THINGS[thing]}: {here.described.get(thing)} and {there.described.get(thing)}" for thing in differs
    )
    if "model" in differs:
        raise SurveyError(
            f"survey {name!r} is of another model, whose channels mean other things. Different: {lines}. Survey its "
            "pictures with the same model, or compare the two with compare_models."
        )
    if differs:
        warnings.warn(
            f"survey {name!r} was made with other preprocessing, so its values may differ for that reason alone. "
            f"Different: {lines}.",
            FeatureMapsWarning,
            stacklevel=2,
        )


def _differing(known: Mapping[str, str], now: Mapping[str, str | None]) -> list[str]:
    return [thing for thing, digest_now in now.items() if known.get(thing) != digest_now]
