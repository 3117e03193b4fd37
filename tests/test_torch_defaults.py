"""A default device or type that the process has set changes nothing: a default device of "meta" has no numbers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import featuremaps as fm
from method_samples import FEWER, Little, noise
from picture_samples import quarters

METHODS = [name for name, method in fm.METHODS.items() if not {"attentions", "similarities"} & {*method.needs}]
VERBS: dict[str, Callable[[fm.Scope, Path], Any]] = {
    "layers": lambda scope, _: scope.layers().last,
    "predict": lambda scope, _: scope.predict(noise(2)),
    "maps": lambda scope, _: scope.maps(noise(2), "features").tensor,
    "walk": lambda scope, _: scope.maps(noise(2), "all").zeros,
    "project": lambda scope, _: scope.project(noise(2), "features:1", most=1).units[0][0].value,
    "factorize": lambda scope, _: scope.factorize(noise(2), "features", concepts=2).tensor,
    "draw": lambda scope, _: scope.draw("features:1", size=16, steps=2)[0].value,
    "invert": lambda scope, _: scope.invert(noise(1)[0], "features", steps=2)[0].value,
    "dream": lambda scope, _: scope.dream(noise(1)[0], "features", octaves=1, steps=1).value,
    "survey": lambda scope, folder: scope.survey(list(noise(4)), "features", folder / "s", workers=0).vectors(
        "features"
    ),
    "report": lambda scope, folder: scope.report(
        noise(1), folder / "r.html", methods="grad_cam", layers="features"
    ).is_file(),
}


@pytest.fixture(params=["float64", "meta"])
def defaults(request: pytest.FixtureRequest) -> Iterator[Callable[[], None]]:
    def set_them() -> None:
        if request.param == "meta":
            torch.set_default_device("meta")
        else:
            torch.set_default_dtype(torch.float64)

    yield set_them
    torch.set_default_device(None)
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("method", METHODS)
def test_methods(method: str, defaults: Callable[[], None]) -> None:
    inputs, scope = noise(2), fm.Scope(Little().eval())

    def explained() -> torch.Tensor:
        return scope.explain(inputs, method, layer="features", target=1, **FEWER.get(method, {})).tensor

    expected = explained()
    defaults()
    found = explained()
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found.to("cpu"), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("verb", VERBS)
def test_verbs(verb: str, defaults: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, scope = {count: noise(count) for count in (1, 2, 4)}, fm.Scope(Little().eval())
    monkeypatch.setitem(globals(), "noise", lambda count: inputs[count])
    for folder in ("before", "after"):
        (tmp_path / folder).mkdir()
    expected = VERBS[verb](scope, tmp_path / "before")
    defaults()
    found = VERBS[verb](scope, tmp_path / "after")
    if isinstance(expected, torch.Tensor):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-3)


def test_pictures_without_a_transform() -> None:
    scope = fm.Scope(Little().eval())
    expected = scope.see(quarters(20, 24)).seen[0].input
    torch.set_default_device("meta")
    try:
        torch.testing.assert_close(scope.see(quarters(20, 24)).seen[0].input, expected)
    finally:
        torch.set_default_device(None)
