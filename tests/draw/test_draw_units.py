"""Drawing units: the value rises, seeds repeat, a batch equals one by one, the model stays, bad input is said."""

import gc
import weakref

import pytest
import torch
from torch import Tensor, nn
from torchvision.transforms import v2

import featuremaps as fm
from featuremaps.draw import Caricature, Channel, Direction, Jitter, Match, interpolated
from featuremaps.errors import LayerNotFoundError, LayoutError, ModelError, OptionError, TargetError
from featuremaps.pictures.load import gather
from method_samples import Curved, Little, cifar_model, noise, squeezenet, unchecked
from nets import Raising
from snapshots import snapshot

CIFAR = v2.Compose(
    [
        v2.ToImage(),
        v2.Resize(32),
        v2.CenterCrop(32),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
QUICK = {"steps": 12, "size": 24}


@pytest.fixture(scope="module")
def cifar(shared) -> fm.Scope:
    return fm.Scope(cifar_model(shared), CIFAR, CLASSES)


def little() -> fm.Scope:
    return fm.Scope(Little().eval())


OBJECTIVES = {
    "channel": "layer3:5",
    "neuron": "layer2:3@4,7",
    "middle": "layer2:3@middle",
    "layer": "layer2",
    "class": "ship",
    "index": 3,
    "sum": "layer3:5 + 0.5*layer2:1",
    "minus": "-layer1:2",
    "why": "cat - dog",
    "direction": Direction("layer3", torch.linspace(-1, 1, 64)),
    "interpolation": interpolated(Channel("layer3", 1), Channel("layer3", 2), 3)[1],
}


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("canvas", ["fourier", "pixels"])
def test_every_objective_rises_on_a_trained_model(cifar, kind: str, canvas: str) -> None:
    drawn = cifar.draw([OBJECTIVES[kind]], steps=40, canvas=canvas, size=32, patience=None)[0]
    start = float(drawn.curve[0])
    assert drawn.curve.shape == (40,)
    assert float(drawn.curve[-6:].mean()) > start
    assert drawn.value is not None
    assert drawn.value > 1.2 * start
    assert drawn.picture.shape == (3, 32, 32)
    assert 0 <= float(drawn.picture.min()) <= float(drawn.picture.max()) <= 1


@pytest.mark.parametrize("canvas", ["maco", "cppn"])
def test_the_other_canvases_rise_too(cifar, canvas: str) -> None:
    drawn = cifar.draw("ship", steps=32, canvas=canvas, size=32, patience=None)[0]
    assert float(drawn.curve[-4:].mean()) > float(drawn.curve[:4].mean())
    assert (drawn.alpha is not None) == (canvas == "maco")


def test_the_model_recognises_the_class_it_was_drawn_for(cifar) -> None:
    drawn = cifar.draw(list(CLASSES), steps=64)
    inputs = torch.stack([CIFAR(one.image) for one in drawn])
    shares = cifar.model(inputs).softmax(1).detach()
    assert (shares.argmax(1) == torch.arange(10)).all()
    assert shares.diagonal().min() > 0.9


def test_the_value_is_that_of_the_finished_picture(cifar) -> None:
    """As anyone would measure it: the saved picture, preprocessed, shown once."""
    drawn = cifar.draw(["layer3:5", "cat"], steps=12)
    record = cifar.record([drawn[0].image, drawn[1].image], "layer3", gradients=False)
    assert drawn[0].value == pytest.approx(float(record.activations["layer3"][0, 5].mean()), rel=1e-3)
    assert drawn[1].value == pytest.approx(float(record.logits[1, 3]), rel=1e-3)


def test_real_pictures_are_the_measure(cifar, shared) -> None:
    pictures = [str(path) for path in sorted((shared / "images/cifar10/cat").glob("*.jpg"))[:8]]
    drawn = cifar.draw("layer3:5", steps=12, real=pictures)[0]
    maps = cifar.record(pictures, "layer3", gradients=False).activations["layer3"][:, 5].mean((1, 2))
    assert drawn.real is not None
    assert drawn.real.value == pytest.approx(float(maps.max()), rel=1e-4)
    assert drawn.real.name in pictures[int(maps.argmax())]
    assert drawn.score == pytest.approx(drawn.value / drawn.real.value)


def test_seeds_repeat_and_differ() -> None:
    scope = little()
    first, again = (scope.draw("features.conv2:1", seed=3, **QUICK)[0] for _ in range(2))
    other = scope.draw("features.conv2:1", seed=4, **QUICK)[0]
    assert torch.equal(first.picture, again.picture)
    assert torch.equal(first.curve, again.curve)
    assert not torch.allclose(first.picture, other.picture, atol=0.01)


def test_together_is_as_alone() -> None:
    scope, units = little(), ["features.conv1:0", "features.conv2:1", "features.conv2:3", 2]
    together = scope.draw(units, patience=None, **QUICK)
    assert [one.name for one in together] == ["features.conv1:0", "features.conv2:1", "features.conv2:3", "class 2"]
    halves = scope.draw(units, patience=None, batch_size=1, **QUICK)
    for unit, one, half in zip(units, together, halves, strict=True):
        alone = scope.draw(unit, patience=None, **QUICK)[0]
        torch.testing.assert_close(one.picture, alone.picture, rtol=0, atol=2e-3)
        torch.testing.assert_close(half.picture, alone.picture, rtol=0, atol=2e-3)


def test_units_of_one_depth_share_their_passes() -> None:
    scope, ran = little(), []
    handles = [
        scope.model.get_submodule(name).register_forward_hook(lambda m, a, o, name=name: ran.append((name, len(o))))
        for name in ("features.conv1", "features.conv2", "head")
    ]
    scope.draw([f"features.conv1:{channel}" for channel in range(4)], patience=None, steps=3, size=16)
    for handle in handles:
        handle.remove()
    steps = [each for each in ran if each[1] == 4]
    assert steps == [("features.conv1", 4)] * 3


def test_variants_differ_more_when_asked_to(cifar) -> None:
    from featuremaps.draw.objective import likeness

    def alike(diversity: float) -> float:
        drawn = cifar.draw("layer2:7", variants=3, diversity=diversity, steps=24)
        assert [one.name for one in drawn] == [f"layer2:7 ({n})" for n in (1, 2, 3)]
        maps = cifar.record([one.image for one in drawn], "layer2", gradients=False).activations["layer2"]
        return float(likeness(maps).mean())

    assert alike(2.0) < alike(0.0)


def test_match_and_caricature_of_a_reference(cifar, shared) -> None:
    picture = CIFAR(gather(shared / "images/cifar10/ship")[0].image)[None]
    match, more = cifar.draw(
        [Match("layer1", picture), Caricature("layer2", picture)], steps=64, jitter=Jitter().without()
    )
    assert match.value > 0.5 * float(match.curve[0])
    assert match.value < 0
    assert more.value > 1  # more of it than the picture itself has
    assert match.name == "layer1 as in the reference"


@pytest.mark.parametrize(("channels", "size"), [(1, (20, 28)), (5, (17, 16)), (3, 21)])
def test_any_channels_size_and_aspect(channels: int, size) -> None:
    model = nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3)).eval()
    drawn = fm.Scope(model).draw("2:1", size=size, steps=6)[0]
    assert drawn.picture.shape == (channels, *((size, size) if isinstance(size, int) else size))
    assert drawn.image.mode == ("L" if channels == 1 else "RGB")


def test_without_a_size_it_is_the_models_own(cifar) -> None:
    assert cifar.draw("layer1:0", steps=2)[0].picture.shape == (3, 32, 32)


class Dead(nn.Module):
    """A unit that no grey picture wakes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 5)
        nn.init.constant_(self.conv.bias, -0.1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x - 0.5))


def test_a_dead_unit_is_woken_and_it_is_said() -> None:
    drawn = fm.Scope(Dead().eval()).draw("conv:1", steps=8, size=16)[0]
    assert not drawn.notes
    woken = fm.Scope(nn.Sequential(Dead()).eval()).draw("0:1", steps=96, size=16, patience=None)[0]
    assert woken.curve[0] == 0
    assert woken.value > 0
    assert "led around dead ReLUs in" in woken.notes[0]


def test_it_is_said_where_nothing_leads_to_a_unit() -> None:
    model = Dead()
    with torch.no_grad():
        model.conv.weight[2] = 0
    model = nn.Sequential(model).eval()
    nothing, woken = fm.Scope(model).draw(["0:2", "0:1"], steps=6, size=16)
    assert nothing.value == 0
    assert "no gradient came back in any of 6 steps" in nothing.notes[0]
    assert not any("no gradient" in note for note in woken.notes)
    grey = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(1))
    by_search = fm.Scope(model).invert(grey, "0", steps=5, optimizer="lbfgs")[0]
    told = [note for note in by_search.notes if "led around dead ReLUs" in note]
    assert all(int(note.split(" in ")[1].split(" of ")[0]) <= 5 for note in told)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"patience": 0}, "patience is after how many steps .* 1 or more, or None; got 0"),
        ({"size": 16.0}, r"size is \(height, width\) in pixels, 1 or more; got 16.0"),
        ({"size": "16"}, "size is .* got '16'"),
        ({"size": (16,)}, r"size is .* got \(16,\)"),
        ({"jitter": "no"}, "jitter is a featuremaps.draw.Jitter.* got 'no'"),
        ({"diversity": -1.0}, "diversity is a share, 0 or more; got -1.0"),
        ({"diversity": float("inf")}, "diversity is a share, 0 or more; got inf"),
        ({"canvas": "multiscale", "size": 48}, "size does not apply to the multiscale canvas"),
        ({"canvas": "multiscale", "rate": 0.1}, "rate does not apply to the multiscale canvas"),
        ({"canvas": "multiscale", "alpha": True}, "alpha does not apply to the multiscale canvas"),
    ],
)
def test_options_that_do_not_fit(wrong: dict[str, object], words: str) -> None:
    with unchecked(), pytest.raises(OptionError, match=words):
        little().draw("features.conv1:0", **wrong)


def test_names_of_classes_as_people_have_them() -> None:
    """Line breaks stay out of figures, and a name that two classes have is no name that is missing."""
    scope = fm.Scope(Little(), classes=["line\nbreak", "猫 🐱", "twice", "twice"])
    drawn = scope.draw(["line\nbreak", 1, 2, 3], **QUICK)
    assert [each.name for each in drawn] == ["line\nbreak", "猫 🐱", "twice", "twice"]
    (sheet,) = drawn.figure().axes
    assert "line break" in [text.get_text() for text in sheet.texts]
    assert drawn[0]._repr_png_()
    with pytest.raises(TargetError, match=r"'twice' names several classes: 2, 3. Give the index instead."):
        scope.draw("twice", **QUICK)
    with pytest.raises(TargetError, match=r"'twice' names several classes"):
        scope.draw("features.conv1:0 - twice", **QUICK)


def test_frames_and_the_animation(tmp_path) -> None:
    drawn = little().draw("features.conv1:0", frames=4, **QUICK)[0]
    assert len(drawn.frames) == 4
    assert drawn.frames[0].shape == (3, 24, 24)
    assert drawn.animation(tmp_path / "way.webp").stat().st_size > 100


def test_settings_make_the_picture_again() -> None:
    scope = little()
    drawn = scope.draw("features.conv2:1", seed=5, jitter=Jitter(rotate=10.0), **QUICK)[0]
    told = drawn.settings
    again = scope.draw(
        told["drawn"],
        canvas=told["canvas"],
        size=tuple(told["size"]),
        steps=told["steps"],
        rate=told["rate"],
        seed=told["seed"],
        jitter=Jitter(**{**told["jitter"], "scale": tuple(told["jitter"]["scale"]), "crop": (1.0, 1.0)}),
    )[0]
    assert torch.equal(drawn.picture, again.picture)


def test_importance_is_shown_where_asked_for(cifar) -> None:
    drawn = cifar.draw("layer1:3@5,5", steps=6, alpha=True, jitter=Jitter().without())[0]
    assert drawn.alpha.shape == (32, 32)
    assert drawn.alpha[5, 5] > 0.2
    assert drawn.alpha[25:, 25:].max() == 0  # beyond what the neuron sees


@pytest.mark.parametrize("way", ["fine", "bad unit", "raises", "interrupted"])
def test_the_model_is_as_it_was(way: str) -> None:
    model = Raising(ValueError("no")) if way == "raises" else Little()
    model.train()
    scope, inputs = fm.Scope(model), noise()
    before = snapshot(model, inputs)
    if way == "fine":
        scope.draw("features.conv2:1", **QUICK)
    elif way == "bad unit":
        with pytest.raises(LayerNotFoundError):
            scope.draw("features.conv2:999", **QUICK)
    elif way == "raises":
        with pytest.raises(ValueError, match="no"):
            scope.draw("conv:1", **QUICK)
    else:
        canvas = Interrupting()
        drawn = scope.draw("features.conv2:1", canvas=canvas, **QUICK)[0]
        assert drawn.notes == ("stopped by hand after 4 steps",)
    assert before.differences(snapshot(model, inputs)) == []


class Interrupting:
    """A canvas on which somebody presses Ctrl-C in the fifth step."""

    rate = 0.05

    def __init__(self) -> None:
        self.looked = 0

    def start(self, count: int, shape, generator) -> tuple[Tensor, ...]:
        return (torch.randn(count, *shape, generator=generator),)

    def picture(self, parameters, shape) -> Tensor:
        self.looked += 1
        if self.looked == 5:
            raise KeyboardInterrupt
        return parameters[0].sigmoid()


def test_nothing_is_kept_of_a_drawing_that_is_gone() -> None:
    scope = little()
    drawn = scope.draw("features.conv1:0", steps=2, size=16)
    one = weakref.ref(drawn[0])
    del drawn
    gc.collect()
    assert one() is None
    gc.collect()
    before = sum(issubclass(type(each), Tensor) for each in gc.get_objects())
    for _ in range(5):
        scope.draw("features.conv1:0", steps=2, size=16)
    gc.collect()
    assert sum(issubclass(type(each), Tensor) for each in gc.get_objects()) <= before


class Rounding(nn.Module):
    """Rounds, as quantised weights do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).detach().round()


def test_what_cannot_be_drawn_is_said_before_anything_is() -> None:
    scope = little()
    with pytest.raises(LayerNotFoundError, match="features.conv2 has channels 0 to"):
        scope.draw("features.conv2:999", **QUICK)
    with pytest.raises(LayoutError):
        scope.draw("head:0", **QUICK)
    with pytest.raises(TargetError, match="out of range"):
        scope.draw(99, **QUICK)
    with pytest.raises(OptionError, match="nothing was given"):
        scope.draw([], **QUICK)
    with pytest.raises(OptionError, match="there is no canvas 'furier'.*'fourier'"):
        scope.draw("features.conv2:1", canvas="furier")
    with pytest.raises(OptionError, match="1 or more; got 0"):
        scope.draw("features.conv2:1", variants=0)
    with pytest.raises(OptionError, match="height, width"):
        scope.draw("features.conv2:1", size=0)
    with pytest.raises(ModelError, match="has no gradient"):
        fm.Scope(nn.Sequential(Rounding())).draw("0:1", **QUICK)
    broken = Little().eval()
    nn.init.constant_(broken.features.conv1.weight, float("nan"))
    with pytest.raises(ModelError, match="not finite from the start"):
        fm.Scope(broken).draw("features.conv2:1", **QUICK)


def test_a_size_the_model_cannot_take(shared) -> None:
    scope = fm.Scope(squeezenet(shared))
    with pytest.raises(ModelError, match="pictures of 8×8"):
        scope.draw("features.12:0", size=8, steps=2)


def test_a_model_without_relus_is_drawn_from(cifar) -> None:
    drawn = fm.Scope(Curved().eval()).draw("features.conv2:1", steps=24, size=24, patience=None)[0]
    assert drawn.curve[-1] > drawn.curve[0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_models_of_other_precision(dtype) -> None:
    drawn = fm.Scope(Little().eval().to(dtype)).draw("features.conv2:1", steps=12, size=24, patience=None)[0]
    assert drawn.curve[-1] > drawn.curve[0]
    assert drawn.picture.dtype == torch.float32


def test_a_model_without_a_size_of_its_own_is_shown_the_drawing_as_it_is() -> None:
    scope = little()
    drawn = scope.draw("features.conv2:1@middle", steps=8, size=20, patience=None)[0]
    maps = scope.maps(drawn.picture[None], "features.conv2").tensor[0, 1]
    assert drawn.value == pytest.approx(float(maps[maps.shape[0] // 2, maps.shape[1] // 2]), abs=0.02)


def test_every_step_runs_the_models_own_code() -> None:
    """Nothing is repeated in its place: a module that counts its calls, where no attribute shows it, counts every step."""

    ran: list[int] = []

    class Counting(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            ran.append(len(x))
            return x * 2

    def calls(steps: int) -> int:
        torch.manual_seed(0)
        ran.clear()
        model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), Counting(), nn.ReLU()).eval()
        fm.Scope(model).draw("2:1", steps=steps, size=16)
        return len(ran)

    assert calls(12) - calls(4) >= 8


def test_a_model_of_one_size_is_drawn_at_it_from_the_first_pass_on() -> None:
    seen = []

    class Fixed(Little):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(tuple(x.shape[2:]))
            assert x.shape[2:] == (20, 24)
            return super().forward(x)

    scope = fm.Scope(Fixed())
    assert scope.draw("features.conv2:1", steps=2, size=(20, 24))[0].picture.shape == (3, 20, 24)
    assert len(scope.draw(layer="features.conv2", top=2, steps=2, size=(20, 24))) == 2
    assert set(seen) == {(20, 24)}
