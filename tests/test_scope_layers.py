"""A layer is a module of the model for every verb that takes one; a method of `explain` is one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from featuremaps import Scope
from featuremaps.errors import OptionError
from featuremaps.explain.request import one_method
from method_samples import Little, noise

PICTURES = noise(2)
VERBS: dict[str, Callable[[Scope, Any, Path], Any]] = {
    "record": lambda scope, layer, _: scope.record(PICTURES, layer, 0).activations.popitem()[1],
    "maps": lambda scope, layer, _: scope.maps(PICTURES, layer).maps[0],
    "filters": lambda scope, layer, _: scope.filters(layer).tensor,
    "factorize": lambda scope, layer, _: scope.factorize(PICTURES, layer, concepts=1, negative="clip").layer,
    "explain": lambda scope, layer, _: scope.explain(PICTURES, layer=layer, target=0).tensor,
    "compare": lambda scope, layer, _: (
        scope.compare(PICTURES, layers=layer, targets=0)["grad_cam", "features.conv2", 0].tensor
    ),
    "draw": lambda scope, layer, _: [drawn.name for drawn in scope.draw(layer=layer, top=1, steps=1, size=16)],
    "draw a layer": lambda scope, layer, _: [drawn.name for drawn in scope.draw(layer, steps=1, size=16)],
    "invert": lambda scope, layer, _: [drawn.name for drawn in scope.invert(PICTURES[0], layer, steps=1)],
    "stylize": lambda scope, layer, _: scope.stylize(PICTURES[0], content_layers=layer, steps=1).picture,
    "dream": lambda scope, layer, _: scope.dream(PICTURES[0], layer, octaves=1, steps=1).picture,
    "survey": lambda scope, layer, out: list(scope.survey(list(PICTURES), layer, out, workers=0).layers),
    "report": lambda scope, layer, out: scope.report(PICTURES, out / "a.html", layers=layer, anatomy=False).name,
}


def plain_result(result: Any) -> Any:
    return result.detach() if isinstance(result, torch.Tensor) else result


@pytest.mark.parametrize("verb", VERBS)
def test_a_module_is_the_layer_of_its_name(verb: str, tmp_path: Path) -> None:
    model = Little()
    scope = Scope(model)
    (tmp_path / "name").mkdir(), (tmp_path / "module").mkdir()
    expected = plain_result(VERBS[verb](scope, "features.conv2", tmp_path / "name"))
    given = plain_result(VERBS[verb](scope, model.features.conv2, tmp_path / "module"))
    if isinstance(expected, torch.Tensor):
        torch.testing.assert_close(given, expected)
    else:
        assert given == expected


def test_explain_takes_one_method() -> None:
    with pytest.raises(OptionError, match=r"explain takes one method, and 2 were given; compare\(methods=…\) takes"):
        one_method(["grad_cam", "layer_cam"])
    with pytest.raises(OptionError, match=r"one method, and 0 were given"):
        one_method([])
