"""What is tried, and how: what must not change between two runs of one trial, as JSON."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from hashlib import sha256
from inspect import unwrap
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from featuremaps.errors import OptionError
from featuremaps.evidence.options import TrialOptions
from featuremaps.evidence.registry import MEASURES
from featuremaps.explain.request import Request
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.seen import Seen
from featuremaps.survey.storage.fingerprint import model_digest, preprocessing_digest

PLAIN = bool | int | float | str | None


def manifest_of(
    studied: StudiedModel,
    pictures: Sequence[Seen],
    request: Request,
    measures: Sequence[str],
    options: TrialOptions,
    random_label_model: nn.Module | None = None,
) -> dict[str, Any]:
    """Methods, layers, target, measures and their options, the pictures' names, the model, and how it is read.

    Of formulas that are not this library's, `formulas` has the digest of their code.
    """
    formulas = [*request.methods, *(MEASURES[name] for name in measures)]
    return {
        "methods": [method.name for method in request.methods],
        "layers": list(request.layers),
        "target": [described(target) for target in request.targets.values()],
        "measures": list(measures),
        "weights": options.weighted(measures),
        "seed": int(options.seed),
        "batch_size": int(options.batch_size),
        "options": described(options.of_names),
        "formulas": {each.name: code_digest(each.formula) for each in formulas if not _ours(each.formula)},
        "pictures": [seen.picture.name for seen in pictures],
        "model": model_digest(studied.model),
        "random label model": None if random_label_model is None else model_digest(random_label_model),
        "preprocessing": preprocessing_digest(studied.preprocessing),
        "reading": [studied.outputs, list(studied.classes or ()), described(studied.layout)],
    }


def check_tried(manifest: Mapping[str, Any], model: nn.Module) -> None:
    """`OptionError` where a trial was made with another model than this one; nothing is checked where none is told."""
    tried, now = manifest.get("model", ""), model_digest(model) if "model" in manifest else ""
    if tried != now:
        raise OptionError(
            f"the trial was made with another model, or before this one's weights changed (weights {tried[:12]}… then, "
            f"{now[:12]}… now): what came first there need not here. Try this one: scope.trial(pictures), or "
            "`featuremaps trial`."
        )


def described(value: object) -> Any:
    """A target or an option as JSON, so that one that means something else differs; of arrays their digests."""
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Tensor | np.ndarray):
        return [list(value.shape), digest_of(torch.as_tensor(value))]
    if isinstance(value, FunctionType):
        return [value.__module__, value.__qualname__, code_digest(value)]
    if isinstance(value, Mapping):
        return {str(key): described(item) for key, item in value.items()}
    if is_dataclass(value):
        return [type(value).__name__, *map(described, vars(value).values())]
    return list(map(described, value)) if isinstance(value, list | tuple) else repr(value)


def digest_of(*tensors: Tensor | None) -> str:
    """What tells pictures from others: of their inputs, and of their masks where they have any."""
    sha = sha256()
    for tensor in tensors:
        sha.update(b"none" if tensor is None else tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()


def code_digest(function: Callable[..., Any]) -> str:
    """Of what a function does, as far as its own code and what it closes over tell."""
    function = unwrap(function)
    closed = [described(cell.cell_contents) for cell in getattr(function, "__closure__", None) or ()]
    defaults = [described(value) for value in (getattr(function, "__kwdefaults__", None) or {}).values()]
    return sha256(repr((_code(getattr(function, "__code__", None)), closed, defaults)).encode()).hexdigest()


def _code(code: CodeType | None) -> object:
    if code is None:
        return None
    constants = [_code(each) if isinstance(each, CodeType) else each for each in code.co_consts]
    return code.co_code, code.co_names, constants


def _ours(formula: Callable[..., Any]) -> bool:
    return (formula.__module__ or "").partition(".")[0] == __name__.partition(".")[0]
