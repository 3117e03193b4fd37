"""Weights from a file: safetensors, or a PyTorch file read without running any code in it."""

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from featuremaps.errors import FeatureMapsWarning, SourceError, nearest
from featuremaps.session import warnings_ignored
from featuremaps.sources.unread import why_unread

WRAPPERS = ("module.", "_orig_mod.", "model.", "net.", "backbone.")
AVERAGED = ("state_dict_ema", "ema_state_dict", "model_ema", "ema_model", "ema", "params_ema", "teacher")
INSIDE = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
"""What torch puts before the names inside a part of a model that it compiled or wrapped."""
HOLDERS = (*AVERAGED, "state_dict", "model_state_dict", "model", "net", "weights", "module", "params", "student")
"""What training programs keep weights under; the first that is there counts."""
TRUSTED: ContextVar[bool] = ContextVar("TRUSTED", default=False)
"""Whether the user said that files may run code: `load(…, trust=True)`."""
PROBE = 1009
"""A number of classes that nobody has."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict in a file, found also inside training checkpoints; raises `SourceError`.

    Averaged weights (EMA) are taken before those they were averaged of, which is said. The versions of modules that
    PyTorch keeps beside a state dict stay beside it.
    """
    if not path.is_file():
        what = "is a folder: give the file in it" if path.is_dir() else "does not exist"
        raise SourceError(f"weights file {str(path)!r} {what}.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with warnings_ignored():
            content = torch.load(path, map_location="cpu", weights_only=not TRUSTED.get())
    except Exception as error:
        raise SourceError(f"weights file {str(path)!r} cannot be read: {why_unread(path, error)}") from error
    visited, seen = set[int](), content
    while isinstance(content, Mapping | nn.Module) and id(content) not in visited:
        visited.add(id(content))  # a checkpoint may hold itself
        if isinstance(content, nn.Module):
            content = content.state_dict()
        tensors = OrderedDict((str(key), value) for key, value in content.items() if isinstance(value, Tensor))
        if tensors:
            tensors.pop("n_averaged", None)
            tensors._metadata = getattr(content, "_metadata", None)  # type: ignore[attr-defined]
            return tensors
        seen = content
        content = _held(content, path)
    held = f"has {', '.join(map(repr, [*seen][:5]))}, and " if isinstance(seen, Mapping) and seen else ""
    raise SourceError(
        f"weights file {str(path)!r} {held}holds no state dict (a mapping of names to tensors). Save the weights "
        "alone: torch.save(model.state_dict(), 'weights.pt')."
    )


def _held(checkpoint: Mapping[str, Any], path: Path) -> Any:
    """What a training checkpoint keeps its weights under; a `FeatureMapsWarning` where averaged ones are chosen."""
    keys = [key for key in HOLDERS if isinstance(checkpoint.get(key), Mapping | nn.Module)]
    if len(keys) > 1 and keys[0] in AVERAGED and keys[1] not in AVERAGED:
        warnings.warn(
            f"{str(path)!r} holds {keys[1]!r} and its average {keys[0]!r}; the average is taken, as timm does. For the "
            f"others: torch.save(torch.load({str(path)!r})[{keys[1]!r}], 'weights.pt').",
            FeatureMapsWarning,
            stacklevel=5,
        )
    if keys:
        return checkpoint[keys[0]]
    others = [each for each in checkpoint.values() if isinstance(each, nn.Module) or _is_state_dict(each)]
    others = others or [each for each in checkpoint.values() if isinstance(each, Mapping) and _is_holder(each)]
    return others[0] if len(others) == 1 else None


def _is_holder(value: Mapping[str, Any]) -> bool:
    """Whether this is a training checkpoint too, which keeps its weights under a known name."""
    return any(isinstance(value.get(key), Mapping | nn.Module) for key in HOLDERS)


def _is_state_dict(value: object) -> bool:
    """Whether this maps names to tensors and to nothing else."""
    whole = isinstance(value, Mapping) and bool(value)
    return whole and all(isinstance(key, str) and isinstance(part, Tensor) for key, part in value.items())  # type: ignore[attr-defined]


def fit_weights(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load weights into a model, whatever wrapper's prefix they carry; every tensor must find its place."""
    expected = model.state_dict()
    weights, versions = _unwrapped(weights, set(expected), path), getattr(weights, "_metadata", None)
    missing = [key for key in expected if key not in weights and not key.endswith("num_batches_tracked")]
    unknown = [key for key in weights if key not in expected]
    shapes = [key for key in weights if key in expected and weights[key].shape != expected[key].shape]
    if missing or unknown or shapes:
        faults = []
        if missing:
            faults.append(f"{len(missing)} missing ({', '.join(missing[:3])}…)")
        if unknown:
            hint = nearest(unknown[0], missing, 1)
            faults.append(f"{len(unknown)} unknown ({', '.join(unknown[:3])}…{f', like {hint[0]}' if hint else ''})")
        if shapes:
            key = shapes[0]
            faults.append(f"{key} is {tuple(weights[key].shape)} and should be {tuple(expected[key].shape)}")
        way = _way_out([*expected], missing, unknown, [(weights[key].shape, expected[key].shape) for key in shapes])
        raise SourceError(f"weights in {str(path)!r} do not fit {type(model).__name__}: {'; '.join(faults)}.{way}")
    _check_numbers(expected, weights, path)
    fitting = OrderedDict(weights)
    # Names and shapes are those of this version, which is taken where a file (safetensors) says none.
    fitting._metadata = versions if versions and set(versions) == set(expected._metadata) else expected._metadata  # type: ignore[attr-defined]
    model.load_state_dict(fitting, strict=False)


def _check_numbers(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor], path: Path) -> None:
    """`SourceError` where whole numbers stand for weights with a fraction, as where these were quantised."""
    whole = [
        key for key in expected if expected[key].is_floating_point() and key in weights and _is_whole(weights[key])
    ]
    if whole:
        raise SourceError(
            f"weights in {str(path)!r} hold whole numbers for {len(whole)} of the model's tensors ({whole[0]} is "
            f"{str(weights[whole[0]].dtype).removeprefix('torch.')}), as quantised ones do, which mean other values "
            "than they are: save the weights before they are quantised, or turned back (dequantize)."
        )


def _is_whole(value: Tensor) -> bool:
    return value.is_quantized or not (value.is_floating_point() or value.is_complex())


def _way_out(
    names: list[str], missing: list[str], unknown: list[str], shapes: list[tuple[torch.Size, torch.Size]]
) -> str:
    """What to do about weights that differ from a model's in its head alone; "" where more sets them apart."""
    parts = {key.partition(".")[0] for key in (*missing, *unknown)}
    part = next(iter(parts), "")
    if not shapes and len(parts) == 1 and missing == [name for name in names if name.partition(".")[0] == part]:
        return (
            f" Only {part!r} differs, which was replaced before the training: build the model as it was trained "
            f"(model.{part} = …), load the weights, and give featuremaps.Scope(model)."
        )
    rows = {(given[0], own[0]) for given, own in shapes if given and own and given[1:] == own[1:]}
    if not (missing or unknown) and len(rows) == 1:
        given, own = rows.pop()
        return f" They are of a model with {given} outputs, and this one has {own}: build it with as many."
    return ""


def with_weights(build: Callable[..., nn.Module], path: Path) -> tuple[nn.Module, bool]:
    """The model that `build(num_classes=…)` makes, with the weights in a file, and whether these have its own classes.

    It has as many classes as the weights, where that is all that sets them apart from those of `build()`.
    """
    tensors, model = read_weights(path), build()
    expected = model.state_dict()
    weights = _unwrapped(tensors, set(expected), path)
    differ = {
        key: weights[key].shape[0]
        for key, value in expected.items()
        if key in weights and weights[key].shape != value.shape and weights[key].shape[1:] == value.shape[1:]
    }
    if differ:  # a detector has several rows for each class, one for each box and side
        probe = build(num_classes=PROBE).state_dict()
        counts = {length * PROBE / probe[key].shape[0] for key, length in differ.items()}
        count = counts.pop()
        if not counts and count.is_integer():
            model = build(num_classes=int(count))
    fit_weights(model, tensors, path)
    return model, not differ


@contextmanager
def downloading(what: str) -> Iterator[None]:
    """While weights are downloaded; `SourceError` with what to do instead where they cannot be."""
    try:
        yield
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(
            f"the weights of {what} could not be downloaded ({error}). Give a file instead: "
            "weights='file.safetensors' in Python, --weights FILE on the command line."
        ) from error


def _unwrapped(weights: Mapping[str, Tensor], expected: set[str], path: Path) -> Mapping[str, Tensor]:
    """The weights of the model out of those of what it was wrapped in or trained as a part of, by a common prefix.

    `SourceError` where there are several such sets; what belongs to something else is left out, which is said.
    """
    weights = _without_inner(weights, expected)
    needed = [key for key in expected if not key.endswith("num_batches_tracked")]
    longest = max(needed, key=len, default="")
    prefixes = {key.removesuffix(longest) for key in weights if longest and key.endswith(longest)}
    whole = sorted(prefix for prefix in prefixes if all(prefix + key in weights for key in needed))
    if "" in whole:
        return weights
    averaged = [prefix for prefix in whole if prefix.startswith("ema")]
    whole = averaged if len(averaged) == 1 else whole
    if len(whole) > 1:
        raise SourceError(
            f"weights in {str(path)!r} fit several times, under {', '.join(map(repr, whole))}. Save those you mean, "
            f"all whose names begin with {whole[0]!r} for example, in a file of their own."
        )
    if not whole:
        return _without_wrappers(weights, expected)
    others = [key for key in weights if not key.startswith(whole[0])]
    if others:
        warnings.warn(
            f"{str(path)!r}: the weights under {whole[0]!r} are the model's; {len(others)} others are left out "
            f"({', '.join(others[:3])}{', …' if len(others) > 3 else ''}).",
            FeatureMapsWarning,
            stacklevel=5,
        )
    return {key.removeprefix(whole[0]): value for key, value in weights.items() if key.startswith(whole[0])}


def _without_inner(weights: Mapping[str, Tensor], expected: set[str]) -> Mapping[str, Tensor]:
    """The weights by names without what torch puts into them where it compiles or wraps a part of a model."""
    names = {}
    for key in weights:
        plain = key
        for word in INSIDE:
            plain = plain if key in expected else plain.replace(word, "")
        names[key] = plain
    return {names[key]: value for key, value in weights.items()} if len({*names.values()}) == len(names) else weights


def _without_wrappers(weights: Mapping[str, Tensor], expected: set[str]) -> Mapping[str, Tensor]:
    """The weights without a usual prefix that all of them share and the model does not know."""
    changed = True
    while changed and not (set(weights) & expected):
        changed = False
        for prefix in WRAPPERS:
            if weights and all(key.startswith(prefix) for key in weights):
                weights = {key.removeprefix(prefix): value for key, value in weights.items()}
                changed = True
    return weights
