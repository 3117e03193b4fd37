"""Vision models from the Hugging Face hub or a local folder: with heads of all kinds, CLIP, and backbones."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from featuremaps.errors import SourceError
from featuremaps.models.detectors_of_texts import DetectorOfTexts, looking_for, looks_for_texts
from featuremaps.models.huggingface_models import class_names, of_pictures
from featuremaps.models.mask_queries import is_told_its_task
from featuremaps.models.pictures_and_texts import PicturesAndTexts, compares_with_texts, encoded
from featuremaps.pictures.processor import Processor
from featuremaps.sources.checkpoint import fit_weights, read_weights
from featuremaps.sources.loaded import Loaded, in_short, needs_package
from featuremaps.sources.registry import source

PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_SAVE = "Save the whole processor beside the model: processor.save_pretrained(folder)."


@source("hf")
def load(name: str, weights: Path | None, classes: Sequence[str] | None = None) -> Loaded:
    """A repository of the hub or a folder by `save_pretrained`; code in a repository is never run.

    `classes` are the texts that a model of pictures and texts compares a picture with.
    """
    transformers = needs_package("transformers")
    try:
        architecture = (transformers.AutoConfig.from_pretrained(name).architectures or ["AutoModel"])[0]
        kind = getattr(transformers, architecture, transformers.AutoModel)
        model, report = kind.from_pretrained(name, output_loading_info=True)
        known = not Path(name).is_dir() or any(Path(name, file).is_file() for file in PROCESSORS)
        processor = Processor(transformers.AutoImageProcessor.from_pretrained(name)) if known else None
    except Exception as error:
        raise SourceError(f"the Hugging Face model {name!r} could not be loaded: {in_short(error)}") from error
    if "pixel_values" not in inspect.signature(model.forward).parameters:
        takes = next(iter(inspect.signature(model.forward).parameters))
        raise SourceError(
            f"{name!r} is a {type(model).__name__}, which takes {takes} and "
            "no pictures. Give a vision model: one for classification, segmentation, detection, or a backbone."
        )
    if weights is not None:
        fit_weights(model, read_weights(weights), weights)
    elif report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise SourceError(
            f"{name!r} lacks {len(missing)} weights of {type(model).__name__} ({', '.join(missing[:3])}…), which would "
            "be random. Give them as weights, or a folder written by model.save_pretrained()."
        )
    model.eval()
    if compares_with_texts(model):
        texts = None if classes is None else encoded(model, _tokenizer(transformers, name), classes, name, _SAVE)
        compared = PicturesAndTexts(model, texts).eval()
        return Loaded(compared, processor, classes, compared.kind)
    if looks_for_texts(model) or is_told_its_task(model):
        processor = Processor(transformers.AutoProcessor.from_pretrained(name))
    if looks_for_texts(model):
        return Loaded(looking_for(model, processor, classes), processor, classes, DetectorOfTexts.kind)
    return Loaded(of_pictures(model, processor, classes), processor, class_names(model))


def _tokenizer(transformers: Any, name: str) -> Any:
    """The model's own tokenizer."""
    try:
        return transformers.AutoTokenizer.from_pretrained(name)
    except Exception as error:
        raise SourceError(f"{name!r} has no tokenizer for the texts in classes=…: {in_short(error)} {_SAVE}") from error
