"""Options of all verbs: what is refused when they are made, and their defaults in the verbs of `Scope`."""

import inspect
import re
from dataclasses import MISSING, FrozenInstanceError, fields
from typing import Any

import pytest

import featuremaps as fm
from featuremaps.draw.dream import DreamOptions
from featuremaps.draw.invert import InvertOptions
from featuremaps.draw.options import DrawOptions
from featuremaps.draw.style import Weights
from featuremaps.draw.stylize import StylizeOptions
from featuremaps.errors import OptionError
from featuremaps.explain.options import ExplainOptions
from featuremaps.options import made
from featuremaps.survey.engine.options import SurveyOptions
from method_samples import unchecked

VERBS = [
    (ExplainOptions, fm.Scope.explain),
    (ExplainOptions, fm.Scope.compare),
    (DrawOptions, fm.Scope.draw),
    (InvertOptions, fm.Scope.invert),
    (StylizeOptions, fm.Scope.stylize),
    (Weights, fm.Scope.stylize),
    (DreamOptions, fm.Scope.dream),
    (SurveyOptions, fm.Scope.survey),
]
INNER = ("of_methods", "jitter", "weights", "shard")
"""What has another form or no place in a verb."""


@pytest.mark.parametrize(("kind", "verb"), VERBS)
def test_a_verb_has_the_options_of_its_class_and_their_defaults(kind: type[Any], verb: Any) -> None:
    parameters = inspect.signature(verb).parameters
    absent = (*INNER, "rate") if kind is StylizeOptions else INNER
    for field in fields(kind):
        if field.name not in absent:
            assert field.default is not MISSING
            assert parameters[field.name].default == field.default


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (ExplainOptions, {"precision": "float23"}, "precision='float23' is not known; choose 'float32', 'bfloat16'"),
        (ExplainOptions, {"precision": "float23"}, "Did you mean 'float32'"),
        (ExplainOptions, {"smooth": ["augment", "eigne"]}, "smooth='eigne' is not known.*Did you mean 'eigen'"),
        (ExplainOptions, {"batch_size": 0}, "batch_size is how many pictures run together, 1 or more; got 0"),
        (DrawOptions, {"precision": "atuo"}, "precision='atuo' is not known.*Did you mean 'auto'"),
        (DrawOptions, {"canvas": "furier"}, "there is no canvas 'furier'.*Did you mean 'fourier'"),
        (DrawOptions, {"variants": 0}, "variants is how many pictures of each unit are drawn, 1 or more; got 0"),
        (DrawOptions, {"batch_size": 0}, "batch_size is how many pictures are drawn together, 1 or more; got 0"),
        (DrawOptions, {"size": 0}, r"size is \(height, width\) in pixels, 1 or more; got \(0, 0\)"),
        (DrawOptions, {"frames": -1}, "frames is how many are kept, 0 or more; got -1"),
        (InvertOptions, {"optimizer": "lbgfs"}, "optimizer='lbgfs' is not known.*Did you mean 'lbfgs'"),
        (InvertOptions, {"steps": 0}, "steps is how often the picture is changed, 1 or more; got 0"),
        (InvertOptions, {"rate": 0.0}, "rate is the size of a step, above 0; got 0.0"),
        (InvertOptions, {"canvas": "pixel"}, "there is no canvas 'pixel'.*Did you mean 'pixels'"),
        (StylizeOptions, {"optimizer": "adma"}, "Did you mean 'adam'"),
        (StylizeOptions, {"size": (0, 9)}, "size is"),
        (StylizeOptions, {"steps": 0}, "steps is how often"),
        (Weights, {"alpha": float("nan")}, "alpha is a weight, 0 or more; got nan"),
        (DreamOptions, {"octaves": 0}, "octaves is 1 or more; got 0"),
        (DreamOptions, {"steps": 0}, "steps is how often"),
        (SurveyOptions, {"precision": "half"}, "precision='half' is not known"),
        (SurveyOptions, {"keep": 0}, "keep is a number of pictures, 1 or more; got 0"),
        (SurveyOptions, {"shard": 0}, "shard is a number of pictures, 1 or more; got 0"),
        (SurveyOptions, {"workers": -1}, "workers is how many read pictures at once, 0 or more; got -1"),
        (SurveyOptions, {"engine": "locla"}, "engine is 'local' or 'ray'; got 'locla'. Did you mean 'local'"),
    ],
)
def test_wrong_values_are_refused_when_options_are_made(kind: type[Any], given: dict[str, Any], message: str) -> None:
    with unchecked(), pytest.raises(OptionError, match=message):
        kind(**given)


@pytest.mark.parametrize("kind", list(dict.fromkeys(kind for kind, _ in VERBS)), ids=lambda kind: kind.__name__)
def test_a_name_that_is_no_option_is_told_with_the_nearest(kind: type[Any]) -> None:
    name = fields(kind)[0].name
    with pytest.raises(OptionError, match=rf"there is no option '{name}x'; choose .*Did you mean '{name}'"):
        made(kind, **{f"{name}x": 1})
    with pytest.raises(FrozenInstanceError):
        setattr(kind(), name, 1)


def test_a_report_tells_an_unknown_option_before_anything_is_read() -> None:
    message = re.escape(
        "there is no option 'presicion'; choose seed, precision, smooth, batch_size, threshold, of_methods."
    )
    with pytest.raises(OptionError, match=message + " Did you mean 'precision'"):
        fm.load("demo").report("nowhere.jpg", presicion="bfloat16")
