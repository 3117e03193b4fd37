"""Asking for maps: keys, targets per picture, sizes, short memory, warnings, and what is refused."""

from collections.abc import Callable, Iterator

import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import MethodError, ModelError, OptionError, TargetError
from featuremaps.explain.compare import compare
from featuremaps.explain.options import ExplainOptions
from featuremaps.explain.request import Request
from featuremaps.explain.warnings import map_warnings
from featuremaps.layers.known import known_layers
from featuremaps.methods import METHODS, find_method
from featuremaps.pictures.load import gather
from featuremaps.pictures.seen import Seen
from featuremaps.targets.targets import Each, as_target
from method_samples import Little, noise, unchecked


class Cramped(Little):
    """Has memory for `room` pictures at a time, and tells of each batch how large it was."""

    def __init__(self, room: int, tell: Callable[[int], object] = id) -> None:
        super().__init__()
        self.room, self.tell = room, tell

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.room:
            raise torch.OutOfMemoryError(f"no room for {len(x)}")
        self.tell(len(x))
        return super().forward(x)


def seen(pictures: Tensor) -> tuple[Seen, ...]:
    return fm.Scope(Little()).see(pictures).seen


def request(*methods: str, **given: object) -> Request:
    how = {name: given.pop(name) for name in ("smooth", "of_methods", "batch_size") if name in given}
    asked = {"layers": ("features",), "targets": {0: as_target(0)}, "options": ExplainOptions(**how)} | given  # type: ignore[arg-type]
    return Request(methods=tuple(find_method(name) for name in methods), **asked)  # type: ignore[arg-type]


@pytest.fixture
def _faulty() -> Iterator[None]:
    """Two methods that do not work, registered for one test."""

    @fm.method(paper="none")
    def raising(activations: Tensor) -> Tensor:
        """Fails."""
        raise ValueError("no luck")

    @fm.method(paper="none")
    def shapeless(activations: Tensor) -> Tensor:
        """Gives another shape."""
        return activations

    yield
    for name in ("raising", "shapeless"):
        METHODS.remove(name)


def test_comparison_is_keyed_by_what_was_asked_for() -> None:
    margin = fm.Margin("hammer", "saw")
    scope = fm.Scope(Little(), classes=["hammer", "saw", "drill", "level"])
    comparison = scope.compare(noise(2), ["Grad-CAM", "layer_cam"], "features*", [None, "saw", 3, margin, [0, 1]])
    assert list(comparison)[:2] == [("grad_cam", "features", None), ("layer_cam", "features", None)]
    assert {key[2] for key in comparison} == {None, "saw", 3, margin, (0, 1)}
    assert comparison["grad_cam", "features", "saw"].targets == ("saw", "saw")
    assert comparison["grad_cam", "features", (0, 1)].targets == ("hammer", "saw")
    assert comparison["grad_cam", "features", margin].targets == ("hammer rather than saw",) * 2
    for answers, expected in zip(comparison.answers, Little()(noise(2)), strict=True):
        torch.testing.assert_close(answers.scores, expected.detach())
        torch.testing.assert_close(answers.probabilities, expected.detach().softmax(0))


def test_targets_that_cannot_be_keys_are_keyed_by_how_they_read() -> None:
    comparison = fm.Scope(Little()).compare(noise(2), targets=[fm.Logit([0, 1]), fm.Probability(torch.tensor([0, 1]))])
    keys = [key[2] for key in comparison]
    assert keys[0] == "Logit(which=[0, 1])"
    assert len(keys) == 2


def test_one_target_per_picture_reaches_its_own_picture_in_any_chunk() -> None:
    scope, pictures = fm.Scope(Little()), noise(5)
    wanted = [3, 1, 2, 0, 1]
    alone = torch.cat([scope.explain(p[None], target=t).tensor for p, t in zip(pictures, wanted, strict=True)])
    for target in (wanted, tuple(wanted), torch.tensor(wanted), [fm.Logit(t) for t in wanted]):
        for size in (1, 2, 32):
            heat = scope.explain(pictures, target=target, batch_size=size)
            assert heat.targets == tuple(f"class {t}" for t in wanted)
            torch.testing.assert_close(heat.tensor, alone)


def test_a_wrong_number_of_targets_is_an_error_also_in_chunks() -> None:
    for size in (1, 2, 32):
        with pytest.raises(TargetError, match=r"3 targets for 4 pictures.*compare\(targets=\[…\]\)"):
            fm.Scope(Little()).explain(noise(4), target=[0, 1, 2], batch_size=size)


def test_pictures_of_different_sizes() -> None:
    pictures = [torch.randn(3, *size) for size in ((16, 16), (24, 16), (16, 16), (20, 28))]
    scope = fm.Scope(Little())
    heat = scope.explain(pictures, layer="features", target=[0, 1, 2, 3])
    assert [tuple(map.shape) for map in heat.maps] == [(4, 4), (6, 4), (4, 4), (5, 7)]
    assert heat.targets == ("class 0", "class 1", "class 2", "class 3")
    for i, picture in enumerate(pictures):
        alone = scope.explain(picture[None], layer="features", target=i)
        torch.testing.assert_close(heat.maps[i], alone.maps[0])


@pytest.mark.parametrize("method", ["grad_cam", "eigen_cam", "smooth_grad_cam_pp"])
def test_short_memory_gives_the_same_maps(method: str) -> None:
    sizes: list[int] = []
    model, pictures = Cramped(2, sizes.append), noise(7)
    scope = fm.Scope(model)
    found = scope.explain(pictures, method, layer="features.conv3", target=[0, 1, 2, 3, 0, 1, 2])
    expected = fm.Scope(Little()).explain(
        pictures, method, layer="features.conv3", target=[0, 1, 2, 3, 0, 1, 2], batch_size=2
    )
    assert found.targets == expected.targets
    torch.testing.assert_close(found.tensor, expected.tensor)
    assert max(sizes) <= 2


def test_memory_that_does_not_hold_one_picture() -> None:
    with pytest.raises(ModelError, match="memory ran out on a single picture; use smaller pictures or fewer layers"):
        fm.Scope(Cramped(0)).explain(noise(3), layer="features")


def test_other_runtime_errors_are_not_taken_for_short_memory() -> None:
    class Broken(Little):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        fm.Scope(Broken()).explain(noise(3), layer="features")


def test_short_memory_inside_a_method_is_no_failure_of_the_method() -> None:
    """Also where failures are kept, as in a report, the pictures are run in smaller batches."""
    model = Cramped(8)
    kept = compare(
        model, seen(noise(4)), request("score_cam", of_methods={"score_cam": {"chunk": 6}}, keep_failures=True)
    )
    expected = compare(Little(), seen(noise(4)), request("score_cam"))
    assert kept.failures == {}
    torch.testing.assert_close(kept["score_cam", "features", 0].tensor, expected["score_cam", "features", 0].tensor)
    model = Cramped(1)
    kept = compare(model, seen(noise(2)), request("score_cam", "grad_cam", keep_failures=True))
    assert list(kept) == [("grad_cam", "features", 0)]
    assert kept.failures["score_cam", "features", 0].startswith("ModelError: memory ran out on a single")


@pytest.mark.usefixtures("_faulty")
@pytest.mark.parametrize("smooth", [(), ("augment",)])
def test_failures_are_kept_where_asked_and_raised_where_not(smooth: tuple[str, ...]) -> None:
    asked = request("grad_cam", "raising", "shapeless", keep_failures=True, smooth=smooth, batch_size=1)
    comparison = compare(Little(), seen(noise(2)), asked)
    assert list(comparison) == [("grad_cam", "features", 0)]
    assert comparison.failures == {
        ("raising", "features", 0): "ValueError: no luck",
        ("shapeless", "features", 0): (
            "MethodError: method 'shapeless' must return a map (1, 4, 4) (batch, height, width); "
            "it gave shape (1, 8, 4, 4)."
        ),
    }
    with pytest.raises(ValueError, match="no luck"):
        compare(Little(), seen(noise(2)), request("raising"))
    with pytest.raises(MethodError, match="must return a map"):
        compare(Little(), seen(noise(2)), request("shapeless"))


def test_a_method_that_fails_on_some_copies_only_has_no_map() -> None:
    calls = []

    @fm.method(paper="none")
    def moody(activations: Tensor) -> Tensor:
        """Works the first time."""
        calls.append(len(activations))
        if len(calls) > 1:
            raise ValueError("not again")
        return activations.sum(1)

    try:
        asked = request("moody", "grad_cam", keep_failures=True, smooth="augment")
        comparison = compare(Little(), seen(noise(1)), asked)
    finally:
        METHODS.remove("moody")
    assert list(comparison) == [("grad_cam", "features", 0)]
    assert comparison.failures == {("moody", "features", 0): "ValueError: not again"}


def test_class_free_methods_stop_after_their_layer() -> None:
    known: list[bool] = []

    class Blocked(Little):
        def forward(self, x: Tensor) -> Tensor:
            if not known:
                return super().forward(x)
            self.features(x)
            raise AssertionError("ran on")

    model = Blocked()
    known_layers(model, noise(1))
    known.append(True)
    comparison = compare(model, seen(noise(2)), request("eigen_cam", "fem", stop_early=True))
    assert comparison.answers == (None, None)
    assert comparison["eigen_cam", "features", 0].targets == ("", "")
    with pytest.raises(ModelError, match="ran on"):
        compare(model, seen(noise(2)), request("eigen_cam"))


def test_one_layer_for_explain() -> None:
    scope = fm.Scope(Little())
    with pytest.raises(OptionError, match=r"layer='features.\*' names \d layers \(features\.conv1, .*use compare"):
        scope.explain(noise(1), layer="features.*")
    assert scope.explain(noise(1), layer="features.conv[3]").layer == "features.conv3"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"smooth": "augmented"},
            r"smooth='augmented' is not known; choose 'augment' or 'eigen'. Did you mean 'augment'",
        ),
        ({"smooth": ["eigen", "both"]}, "smooth='both' is not known"),
        ({"precision": "half"}, "precision='half' is not known; choose 'float32', 'bfloat16' or 'float16'"),
        ({"batch_size": 0}, "batch_size is how many pictures run together, 1 or more; got 0"),
        ({"combin": "sum"}, r"method 'grad_cam' has no option 'combin'; it takes combine. Did you mean 'combine'"),
        ({"combine": "max"}, "option 'combine' of method 'grad_cam' must be 'sum' or 'principal'; got 'max'"),
    ],
)
def test_wrong_options(given: dict[str, object], message: str) -> None:
    with unchecked(), pytest.raises(OptionError, match=message):
        fm.Scope(Little()).explain(noise(1), "grad_cam", **given)


def test_wrong_requests() -> None:
    scope = fm.Scope(Little())
    with pytest.raises(
        OptionError, match="options were given for 'score_cam', which is not among the methods: grad_cam"
    ):
        scope.compare(noise(1), options={"score_cam": {"chunk": 2}})
    for given in ({"methods": []}, {"targets": []}):
        with pytest.raises(OptionError, match="at least one method and one target"):
            scope.compare(noise(1), **given)
    with pytest.raises(OptionError, match="no layer was given; 'last' is the last one"):
        scope.compare(noise(1), layers=[])


def warned(model: nn.Module, target: object = 0, method: str = "grad_cam", layer: str = "features") -> list[str]:
    heat = fm.Scope(model).explain(noise(1), method, layer=layer, target=target)
    return list(heat.warnings[0])


def with_head(weight: float | Tensor, bias: float = 0.0) -> Little:
    model = Little()
    with torch.no_grad():
        model.head.weight.copy_(torch.as_tensor(weight).expand(4, 8))
        model.head.bias.fill_(bias)
    return model


def test_a_sound_map_has_no_warning() -> None:
    assert warned(with_head(1.0)) == []


def test_warning_of_a_negative_map_gives_the_score() -> None:
    (text,) = warned(with_head(-1.0, bias=0.5))
    score = float(with_head(-1.0, bias=0.5)(noise(1))[0, 0].detach())
    assert score < 0
    assert text == (
        f"Every value is negative: this layer speaks against the target (its score is {score:.3g}). It is shown signed."
    )


def test_warning_of_a_negative_map_where_a_head_reads_places_apart_names_methods_that_do_too() -> None:
    """One place speaks for the class, all others against it, and what the places have in common wins in the mean."""
    head = nn.Linear(4, 2, bias=False)
    model = nn.Sequential(nn.Conv2d(3, 1, 3, 2, 1), nn.Sigmoid(), nn.Flatten(), head)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[3.0, -2.0, -2.0, -2.0], [0.0, 0.0, 0.0, 0.0]]))
    scope = fm.Scope(model)
    picture = noise(1)[..., :4, :4]
    (text,) = scope.explain(picture, "grad_cam", layer="1", target=0).warnings[0]
    assert text.startswith("Every value is negative")
    assert "hires_cam" in text
    for method in ("hires_cam", "layer_cam"):
        heat = scope.explain(picture, method, layer="1", target=0)
        assert heat.warnings[0] == ()
        assert int(heat.tensor.argmax()) == 0


def test_warnings_of_empty_maps_say_why() -> None:
    empty = "The map is zero everywhere: "
    dead = Little()
    with torch.no_grad():
        dead.features.conv3.weight.zero_()
        dead.features.conv3.bias.fill_(-1.0)
    assert warned(dead) == [empty + "every activation of the layer is zero (a dead layer) for this picture."]
    assert warned(with_head(0.0)) == [
        empty + "the target's gradient is zero at the layer (a saturated or constant score, or a dead path)."
    ]
    assert warned(with_head(-1.0), method="layer_cam") == [
        empty + "every gradient is negative: nothing in the layer speaks for the target."
    ]
    assert warned(with_head(0.0, bias=1.0), method="ablation_cam") == [empty + "no channel was given any weight."]


def test_warning_of_a_constant_map() -> None:
    record = fm.Scope(Little()).record(noise(1), "features", target=0)
    map = torch.full((1, 4, 4), 2.0)
    assert map_warnings(map, record, "features", 0, True) == (
        ("The map is the same everywhere: it prefers no place.",),
    )


def test_warning_of_values_that_are_not_finite_and_of_one_picture_among_others() -> None:
    record = fm.Scope(Little()).record(noise(3), "features", target=0)
    maps = torch.rand(3, 4, 4)
    maps[1, 0, 0], maps[1, 0, 1] = torch.nan, torch.inf
    assert map_warnings(maps, record, ["features"], 0, True) == ((), ("2 of 16 values are not finite.",), ())


def test_a_map_of_one_place_is_judged_too() -> None:
    record = fm.Scope(Little()).record(noise(3), "features", target=0)
    maps = torch.tensor([2.0, -2.0, torch.nan]).reshape(3, 1, 1)
    sound, negative, broken = map_warnings(maps, record, ["features"], 0, True)
    assert sound == ()
    assert negative[0].startswith("Every value is negative")
    assert broken == ("1 of 1 values are not finite.",)


def test_model_is_asked_once_for_a_score_that_is_not_finite() -> None:
    class Overflowing(Little):
        def forward(self, x: Tensor) -> Tensor:
            scores = super().forward(x)
            return scores / (x.amax((1, 2, 3)) < 1e9).float()[:, None]

    pictures = noise(3)
    pictures[1] = 1e10
    with pytest.raises(TargetError, match=r"the score of 'class 0' is not finite for picture 1: (inf|-inf|nan)"):
        fm.Scope(Overflowing()).explain(pictures, layer="features", target=0)


def test_requests_of_some_pictures_keep_their_own_targets() -> None:
    asked = request("grad_cam", targets={"k": as_target([5, 6, 7])})
    part = asked.of([2, 0], seen(noise(3))).targets["k"]
    assert part == as_target([7, 5])
    each = request("grad_cam", targets={"k": Each((fm.Logit(1), fm.Margin(2, 3)))})
    each = each.of([1], seen(noise(2))).targets["k"]
    assert each == Each((fm.Margin(2, 3),))


def test_pictures_are_gathered_once_and_files_keep_their_names() -> None:
    pictures = gather([torch.rand(3, 16, 16), torch.rand(3, 16, 16)])
    heat = fm.Scope(Little()).explain(pictures, layer="features")
    assert [one.picture.name for one in heat.pictures] == [picture.name for picture in pictures]


class Frozen(nn.Module):
    """A backbone that the model itself runs without gradients, or whose maps it detaches, as transfer learning does."""

    def __init__(self, how: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features, self.head, self.how = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU()), nn.Linear(8, 4), how

    def forward(self, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.how != "no_grad"):
            maps = self.features(x)
        return self.head((maps.detach() if self.how == "detach" else maps).mean((2, 3)))


@pytest.mark.parametrize("method", ["grad_cam", "shapley_cam", "finer_cam", "ablation_cam", "cam"])
def test_a_backbone_without_gradients_is_explained_from_its_maps_on(method: str) -> None:
    expected = fm.Scope(Frozen("").eval()).explain(noise(2), method, layer="features", target=1)
    frozen = fm.Scope(Frozen("no_grad").eval()).explain(noise(2), method, layer="features", target=1)
    torch.testing.assert_close(frozen.tensor, expected.tensor)


NOTHING = [("detach", method) for method in ("grad_cam", "shapley_cam", "finer_cam")]
NOTHING += [(how, method) for how in ("no_grad", "detach") for method in ("saliency", "full_grad", "lrp")]


@pytest.mark.parametrize(("how", "method"), NOTHING)
def test_where_nothing_comes_back_the_map_is_zero_and_says_so(how: str, method: str) -> None:
    heat = fm.Scope(Frozen(how).eval()).explain(noise(2), method, layer="features", target=1)
    assert not heat.tensor.any()
    assert all("zero" in notes[0] for notes in heat.warnings)


def test_mirrored_copies_are_not_explained_for_a_place() -> None:
    """A box stays where it is; what a function means only its author knows; a signal has no mirror image."""
    model = torch.nn.Conv2d(3, 2, 3, padding=1)
    scope, pictures = fm.Scope(model), torch.rand(1, 3, 8, 8)
    mask = torch.zeros(8, 8)
    mask[:, :4] = 1
    told = scope.explain(pictures, "saliency", target=fm.Mask(mask, 1), smooth="augment")
    mirrored = scope.explain(pictures.flip(-1), "saliency", target=fm.Mask(mask.flip(-1), 1), smooth="augment")
    torch.testing.assert_close(mirrored.values[0].flip(-1), told.values[0])
    queries = fm.Scope(torch.nn.Sequential(model, torch.nn.Flatten(2)))
    with pytest.raises(OptionError, match=r"a target with a place \(Box, Query\) is not mirrored"):
        queries.explain(pictures, "saliency", target=fm.Query(1, 3), smooth="augment")
    heat = scope.explain(pictures, "saliency", target=lambda maps: maps[:, 1].mean((1, 2)), smooth="augment")
    assert "Mirrored copies" in heat.warnings[0][0]
    assert scope.explain(pictures, "saliency", target=1, smooth="augment").warnings == ((),)


def test_a_figure_has_a_colour_bar_for_every_way_its_maps_are_scaled() -> None:
    found = fm.Scope(Little()).compare(noise()[:1], ["layer_cam", "input_x_gradient"], targets=0)
    bars = [axes.get_ylabel() for axes in found.figure().axes if axes.get_ylabel().endswith("strongest)")]
    assert len(bars) == 2
    assert [text.startswith("against") for text in sorted(bars)] == [True, False]
    (only,) = (axes for axes in found.figure(scaling="signed").axes if axes.get_ylabel().startswith("against"))
    assert only.get_ylim() == (-1.0, 1.0)


def test_every_column_of_a_figure_has_its_method_above_it() -> None:
    scope, both = fm.Scope(Little()), ["layer_cam", "saliency"]
    beside = scope.compare(noise()[:1], both, targets=[0, 1])
    assert [axes.get_title() for axes in beside.figure().axes[:6]] == ["picture 0", "LayerCAM", "Saliency", "", "", ""]
    below = scope.compare(noise()[:1], both, "all", 0)
    titles = [axes.get_title() for axes in below.figure().axes]
    assert {"LayerCAM", "Saliency"} <= set(titles)
    assert titles.count("LayerCAM") == titles.count("Saliency") == 1


def test_a_figure_shows_all_pictures_or_says_how_many_it_leaves_out() -> None:
    found = fm.Scope(Little()).compare(noise()[:1].repeat(5, 1, 1, 1), ["layer_cam", "grad_cam"], targets=[0, 1])

    def shown(figure: Figure) -> list[str]:
        return [axes.get_title() for axes in figure.axes if axes.get_title().startswith("picture")]

    every = found.figure()
    assert shown(every) == [f"picture {number}" for number in range(5)]
    assert every.get_suptitle() == ""
    some = found.figure(most=5)  # two rows a picture
    assert shown(some) == ["picture 0", "picture 1"]
    assert some.get_suptitle() == "the first 2 of 5 pictures; figure(2) shows the next"
    assert shown(found.figure(2)) == ["picture 2"]
    assert shown(found.figure(most=1)) == ["picture 0"]  # never less than one
    assert "top prediction" in repr(fm.Scope(Little()).compare(noise()[:1], "grad_cam"))
