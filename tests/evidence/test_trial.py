"""A trial: measured as the measures alone measure, beside references, in one table that can be stored."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import OptionError
from featuremaps.evidence.curves import Curves
from featuremaps.evidence.measures.deletion_insertion import deletion, insertion
from featuremaps.evidence.words import label, listed
from method_samples import unchecked
from small_models import network, pictures

SIDE = 24


class Quadrant(nn.Module):
    """The second score is what the upper left quarter of the picture holds, by channels; the first is 0."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        with torch.no_grad():
            self.features.weight.copy_(torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(3)).abs())

    def forward(self, x: Tensor) -> Tensor:
        maps = torch.relu(self.features(x))
        seen = maps[:, :, : SIDE // 2, : SIDE // 2].mean((1, 2, 3))
        return torch.stack([torch.zeros_like(seen), 0.2 * seen - 1], 1)


def planted(count: int = 6) -> Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) + 0.2


def inside() -> Tensor:
    mask = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    mask[: SIDE // 2, : SIDE // 2] = True
    return mask


@pytest.fixture(scope="module")
def trial() -> fm.Trial:
    scope = fm.Scope(Quadrant(), spatial=2)
    return scope.trial(
        planted(),
        ["grad_cam", "hires_cam", "input_x_gradient", "saliency"],
        "features",
        targets=1,
        masks=[inside()] * 6,
        measures=("deletion", "insertion", "pointing_game", "energy_inside", "gini"),
        options={"insertion": {"fill": "zero"}},
        batch_size=4,
    )


def test_numbers_are_those_of_the_measures_alone(trial: fm.Trial) -> None:
    scope, x = fm.Scope(Quadrant(), spatial=2), planted()
    heat = scope.explain(x, "input_x_gradient", target=1)
    model = Quadrant().eval()
    curve = Curves(x, lambda new: model(new).softmax(1)[:, 1]).of(heat.map().tensor)
    row = trial.rows.index(("input_x_gradient", "input"))
    for name, alone in (("deletion", deletion(curve)), ("insertion", insertion(curve, fill="zero"))):
        together = trial.values[row, trial.measures.index(name)]
        np.testing.assert_allclose(together, alone.values.numpy(), rtol=1e-4)


def test_maps_that_know_the_quarter_come_before_one_that_does_not(trial: fm.Trial) -> None:
    assert trial.best == ("input_x_gradient", "input")
    assert trial.order[-1] == ("grad_cam", "features")  # one weight per channel for the whole picture
    assert trial.estimate(("hires_cam", "features"), "energy_inside").mean > 0.95
    assert trial.beats(("hires_cam", "features"), ("random", "reference"), "deletion")
    assert not trial.beats(("random", "reference"), ("hires_cam", "features"), "deletion")


def test_references_are_floor_and_ceiling(trial: fm.Trial) -> None:
    names = [row[0] for row in trial.references]
    assert names == ["random", "random pixels", "centre", "edges", "inverted", "greedy"]
    means = {row: trial.estimate(row, "deletion").mean for row in trial.rows}
    assert means["greedy", "reference"] < means["random", "reference"] < means["inverted", "reference"]
    assert trial.estimate(("greedy", "reference"), "gini").why == "no picture has a number"


def test_a_mean_of_one_batch_or_several_is_the_same(trial: fm.Trial) -> None:
    again = fm.Scope(Quadrant(), spatial=2).trial(
        planted(), ["hires_cam", "saliency"], "features", targets=1, measures="deletion", batch_size=6
    )
    for row in again.explanations:
        for name in again.measures:
            assert again.estimate(row, name).mean == pytest.approx(trial.estimate(row, name).mean, rel=1e-5)


def test_table_and_conclusion(trial: fm.Trial) -> None:
    text = str(trial)
    head = "rank deletion ↓ insertion ↑ pointing_game ↑ energy_inside ↑ gini ↑"
    assert text.splitlines()[0].split() == head.split()
    assert [label(row) in text for row in trial.rows] == [True] * 10
    assert trial.conclusion[0].startswith("On 6 pictures, Input × Gradient shows best what this model uses")


def test_it_is_stored_and_gone_on_with(trial: fm.Trial, tmp_path: Path) -> None:
    folder = trial.save(tmp_path / "saved")
    again = fm.open_trial(folder)
    assert str(again) == str(trial)
    np.testing.assert_array_equal(again.values, trial.values)
    assert again.curves.keys() == trial.curves.keys()
    assert (folder / "trial.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(OptionError, match="holds no trial"):
        fm.open_trial(tmp_path)


def asked(model: nn.Module, out: Path, x: Tensor | None = None, seed: int = 0) -> fm.Trial:
    how = {"methods": ["hires_cam", "saliency"], "layers": "features", "targets": 1, "measures": "deletion"}
    x = planted(4) if x is None else x
    return fm.Scope(model, spatial=2).trial(x, **how, batch_size=2, seed=seed, out=out)  # type: ignore[arg-type]


def test_a_trial_that_was_stopped_goes_on(tmp_path: Path) -> None:
    whole = asked(Quadrant(), tmp_path / "whole")
    stopped = tmp_path / "stopped"
    asked(Quadrant(), stopped)
    (stopped / "measurements-00002.parquet").unlink()
    before = (stopped / "measurements-00000.parquet").stat().st_mtime_ns
    again = asked(Quadrant(), stopped)
    np.testing.assert_array_equal(again.values, whole.values)
    assert (stopped / "measurements-00000.parquet").stat().st_mtime_ns == before
    with pytest.raises(OptionError, match="in seed"):
        asked(Quadrant(), stopped, seed=1)
    other = Quadrant()
    with torch.no_grad():
        other.features.weight[0, 0, 0, 0] += 1e-6
    with pytest.raises(OptionError, match="in model"):
        asked(other, stopped)
    with pytest.raises(OptionError, match="pictures 0 to 1 .* have other inputs or masks now"):
        asked(Quadrant(), stopped, planted(4).flip(-1))


def test_other_masks_targets_and_readings_are_no_trial_to_go_on_with(tmp_path: Path) -> None:
    def tried(mask: Tensor = inside(), target: object = 1, **scope: object) -> fm.Trial:  # noqa: B008
        studied = fm.Scope(Quadrant(), spatial=2, **scope)  # type: ignore[arg-type]
        how = {"masks": [mask] * 2, "measures": ("deletion", "energy_inside"), "out": tmp_path / "out"}
        return studied.trial(planted(2), "hires_cam", "features", target, **how)  # type: ignore[arg-type]

    first = tried()
    np.testing.assert_array_equal(tried().values, first.values)
    with pytest.raises(OptionError, match="pictures 0 to 1 .* have other inputs or masks now"):
        tried(inside().flip(0))
    with pytest.raises(OptionError, match="in target"):
        tried(target=0)
    with pytest.raises(OptionError, match="in reading"):
        tried(outputs="multi_label")


def test_what_a_trial_does_not_make_is_said() -> None:
    measures = ("deletion", "random_labels", "grid_pointing_game", "pointing_game")
    trial = fm.Scope(Quadrant(), spatial=2).trial(planted(2), "hires_cam", "features", 1, measures=measures)
    said = [trial.estimate(("hires_cam", "features"), name).why for name in measures[1:]]
    assert [why.partition(";")[0] for why in said] == [
        "no model trained on shuffled labels was given: random_label_model=, or what trains it",
        "no other picture of this size, explained for another class, is there to stand beside it in a mosaic",
        "where the object is was not given",
    ]


def test_of_one_picture_nothing_is_said_to_be_chance() -> None:
    trial = fm.Scope(Quadrant(), spatial=2).trial(
        planted(1), ["grad_cam", "hires_cam"], "features", 1, measures="deletion"
    )
    assert trial.conclusion == [
        "One picture says little: HiResCAM of features comes first, and chance may have put it there."
    ]


def test_two_pictures_tell_nothing_beyond_chance() -> None:
    trial = fm.Scope(Quadrant(), spatial=2).trial(
        planted(2), ["grad_cam", "hires_cam"], "features", 1, measures="deletion"
    )
    assert trial.conclusion == [
        "2 pictures say little: HiResCAM of features comes first, and chance may have put it there."
    ]
    assert len(trial.as_good) == 1


def test_what_alone_could_be_measured_is_not_called_the_best() -> None:
    trial = fm.Scope(Quadrant(), spatial=2).trial(
        planted(3), ["hires_cam", "attention_rollout"], "features", 1, measures="deletion"
    )
    assert trial.conclusion[0] == (
        "On 3 pictures only HiResCAM of features could be measured: here it is held against what knows nothing of a "
        "model."
    )
    assert repr(trial) == "<Trial of 2 explanations by 1 measure on 3 pictures>"


@pytest.mark.parametrize("space", [1, 3])
def test_signals_and_volumes_are_tried_by_all_usual_measures(space: Literal[1, 3]) -> None:
    convolution = nn.Conv1d(2, 4, 3) if space == 1 else nn.Conv3d(2, 4, 3)
    pool = nn.AdaptiveAvgPool1d(1) if space == 1 else nn.AdaptiveAvgPool3d(1)
    torch.manual_seed(0)
    model = nn.Sequential(convolution, nn.ReLU(), pool, nn.Flatten(), nn.Linear(4, 2)).eval()
    inputs = torch.rand(3, 2, *([30] if space == 1 else [8, 9, 10]))
    trial = fm.Scope(model, spatial=space).trial(inputs, ["hires_cam", "saliency"], "1")
    assert np.isfinite(trial.values[: len(trial.explanations), : len(trial.counted)]).all()
    assert not [line for line in trial.conclusion if "says nothing" in line]


def test_a_budget_leaves_pictures_out_and_says_so() -> None:
    scope = fm.Scope(Quadrant(), spatial=2)
    how = {"methods": "saliency", "layers": "features", "targets": 1, "measures": "deletion", "batch_size": 1}
    first = scope.trial(planted(1), **how)  # type: ignore[arg-type]
    short = scope.trial(planted(5), **how, budget=2 * first.passes)  # type: ignore[arg-type]
    assert (len(short.pictures), short.left_out) == (2, 3)
    assert short.conclusion[0].startswith("On 2 pictures only Saliency was tried")
    assert short.passes <= 2 * first.passes
    assert short.conclusion[-1] == "3 pictures not tried: the budget was spent, or the trial was stopped."


def test_best_is_taken_by_explain(trial: fm.Trial) -> None:
    scope, x = fm.Scope(Quadrant(), spatial=2), planted(1)
    heat = scope.explain(x, "best", target=1, trial=trial)
    assert (heat.method, heat.layer) == trial.best
    assert scope.explain(x, "grad_cam", layer="best", target=1, trial=trial).method == "grad_cam"
    with pytest.raises(OptionError, match=r"trial=scope\.trial"):
        scope.explain(x, "best")
    with pytest.raises(OptionError, match="this trial has no lrp; it tried"):
        scope.explain(x, "lrp", layer="best", trial=trial)


def test_what_is_best_of_one_model_is_not_taken_for_another(trial: fm.Trial, tmp_path: Path) -> None:
    retrained = Quadrant()
    with torch.no_grad():
        next(retrained.parameters()).mul_(1.01)
    scope = fm.Scope(retrained, spatial=2)
    with pytest.raises(OptionError, match=r"made with another model, or before this one's weights changed \(weights"):
        scope.explain(planted(1), "best", target=1, trial=trial)
    with pytest.raises(OptionError, match="made with another model"):
        scope.report(planted(1), tmp_path / "r.html", methods=["saliency"], layers="features", trial=trial)
    assert not (tmp_path / "r.html").exists()


def test_a_method_that_fails_is_undefined_with_its_reason() -> None:
    trial = fm.Scope(Quadrant(), spatial=2).trial(
        planted(2), ["hires_cam", "guided_backprop", "occlusion"], "features", 1, measures="deletion",
        options={"occlusion": {"window": 99}},
    )  # fmt: skip
    said = trial.estimate(("occlusion", "input"), "deletion")
    assert said.of == 0
    assert said.why.startswith("no map was made: ")
    assert "Error" not in said.why  # a sentence for a reader, who knows no classes of errors
    assert trial.order[-1] == ("occlusion", "input")
    alone = fm.Scope(Quadrant(), spatial=2).trial(
        planted(2), "occlusion", "features", 1, measures="deletion", options={"occlusion": {"window": 99}}
    )
    assert alone.conclusion == ["No explanation could be measured.", f"deletion says nothing here: {said.why}"]
    assert "Occlusion      –     undefined" in str(alone)
    with pytest.raises(OptionError, match="no explanation of this trial was measured.*no map was made"):
        _ = alone.best


def test_sanity_is_checked_on_the_pictures_that_run_first() -> None:
    measures = ("deletion", "parameter_randomisation")
    trial = fm.Scope(network()).trial(pictures(count=5), ["grad_cam", "saliency"], measures=measures, batch_size=2)
    assert {trial.estimate(row, "deletion").of for row in trial.explanations} == {5}
    assert {trial.estimate(row, "parameter_randomisation").of for row in trial.explanations} == {2}


def test_measures_that_say_nothing_of_faithfulness_order_where_no_others_are_asked_for() -> None:
    scope = fm.Scope(Quadrant(), spatial=2)
    trial = scope.trial(planted(2), ["grad_cam", "hires_cam"], "features", 1, measures="gini")
    assert trial.order[0] == max(trial.explanations, key=lambda row: trial.estimate(row, "gini").mean)
    assert "shows best what this model uses" not in str(trial)


def drawn(values: list[list[float]], *, checks: list[float] | None = None) -> fm.Trial:
    """A trial by insertion, and by a sanity check; the last row is that of all references."""
    names = ["grad_cam", "layer_cam", "lrp"][: len(values) - 1]
    measured = np.array([*values, values[-1], values[-1]])[:, None]
    columns = ("insertion",)
    if checks is not None:
        columns = ("insertion", "parameter_randomisation")
        check = np.full_like(measured, np.nan)
        check[: len(checks), 0] = np.array(checks)[:, None]
        measured = np.concatenate([measured, check], 1)
    return fm.Trial(
        rows=(
            *((name, "layer4") for name in names),
            *((name, "reference") for name in ("random", "centre", "edges")),
        ),
        measures=columns,
        values=measured,
        undefined={},
        pictures=tuple(map(str, range(measured.shape[2]))),
        weights={"insertion": 1.0},
    )


def test_the_first_is_not_praised_where_chance_does_as_well() -> None:
    trial = drawn([[0.5, 0.3, 0.5, 0.4], [0.1, 0.2, 0.1, 0.2], [0.6, 0.3, 0.4, 0.5]])
    assert trial.conclusion[:2] == [
        "On 4 pictures, Grad-CAM of layer4 comes first, but may be no better than a map drawn at random.",
        "Nor does any other explanation do better: believe none of them, or try more pictures.",
    ]
    assert "shows best" not in str(trial)


def test_a_method_is_named_once_with_all_its_layers() -> None:
    rows = [("lrp", "input"), ("grad_cam", "layer3"), ("occlusion", "input"), ("grad_cam", "layer4")]
    assert listed(rows) == "LRP, Grad-CAM of layer3 and layer4, Occlusion"


def test_what_fails_a_check_stands_last_and_its_rank_is_marked() -> None:
    trial = drawn([[0.9] * 4, [0.7] * 4, [0.5] * 4, [0.2] * 4], checks=[0.8, 0.1, 0.1])
    assert trial.order == (("layer_cam", "layer4"), ("lrp", "layer4"), ("grad_cam", "layer4"))
    assert "Grad-CAM of layer4  1.0 ✗" in trial.table()
    assert trial.conclusion[0].startswith("On 4 pictures, LayerCAM of layer4 shows best what this model uses")
    assert any(line.endswith("What fails stands last, whatever its rank.") for line in trial.conclusion)
    nothing = drawn([[0.9] * 4, [0.7] * 4, [0.2] * 4], checks=[0.8, 0.7])
    assert nothing.conclusion[0] == (
        "On 4 pictures every explanation fails a sanity check: believe none of them before you know why."
    )


def test_what_fails_a_check_is_not_as_good_as_the_best() -> None:
    trial = drawn([[0.9] * 4, [0.7] * 4, [0.2] * 4], checks=[0.8, 0.1])
    assert trial.as_good == ()
    assert trial.conclusion[0] == (
        "On 4 pictures only LayerCAM of layer4 passes the sanity checks: no other may be believed."
    )


def test_a_measure_without_numbers_is_said_with_its_reason() -> None:
    measures = ("deletion", "pointing_game")
    trial = fm.Scope(Quadrant(), spatial=2).trial(planted(2), "hires_cam", "features", 1, measures=measures)
    assert trial.conclusion[-1] == "pointing_game says nothing here: where the object is was not given."


class Counting(Quadrant):
    """A model that tells how many pictures it is given at a time."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        super().__init__()
        self.tell = tell

    def forward(self, x: Tensor) -> Tensor:
        self.tell(len(x))
        return super().forward(x)


def test_a_measure_that_shows_each_method_another_picture_does_not_ask_all_of_them_each_time() -> None:
    methods = ["hires_cam", "saliency", "input_x_gradient", "occlusion"]
    counts = []
    for measures in ("gini", ("gini", "coherency"), ("gini", "flip_agreement")):
        seen: list[int] = []
        fm.Scope(Counting(seen.append), spatial=2).trial(planted(1), methods, "features", 1, measures=measures)
        counts.append(sum(seen))
    assert counts[1] < 2.1 * counts[0]  # each method once more, on the picture seen through its own map
    assert counts[2] < 2.1 * counts[0]  # all once more, on the mirrored picture


def test_the_model_is_not_changed() -> None:
    model = network()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    flags = [module.training for module in model.modules()]
    measures = ("deletion", "parameter_randomisation", "flip_agreement", "infidelity")
    trial = fm.Scope(model).trial(pictures(), ["grad_cam", "saliency"], measures=measures)
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    assert [module.training for module in model.modules()] == flags
    assert all(trial.estimate(row, name).of == 2 for row in trial.explanations for name in measures)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measures": "delition"}, "no measure 'delition'.*Did you mean 'deletion'"),
        ({"weights": {"insertion": 1}, "measures": "deletion"}, "weights names 'insertion', which is not among"),
        ({"weights": {"deletion": 0}, "measures": "deletion"}, "no measure that counts"),
        ({"weights": {"deletion": -1}, "measures": "deletion"}, "0 or more; got -1"),
        ({"options": {"deletion": {"step": 3}}}, "measure 'deletion' has no option 'step'.*Did you mean 'steps'"),
        ({"options": {"lrp": {"epsilon": 1}}}, "options were given for 'lrp', which is not among the methods"),
        ({"budget": 0}, "budget"),
        ({"masks": [torch.ones(SIDE, SIDE)]}, "one mask for each picture; got 1 for 2"),
        ({"measures": []}, "at least one measure"),
        ({"out": Path(__file__)}, "is a file"),
        ({"masks": [torch.ones(5, 5)] * 2}, r"has shape \(5, 5\)"),
        ({"masks": [torch.full((SIDE, SIDE), torch.nan)] * 2}, "a mask has values that are not finite"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_runs(options: dict[str, object], message: str) -> None:
    how = {"methods": "saliency", "layers": "features"} | options
    with pytest.raises(OptionError, match=message):
        fm.Scope(Quadrant(), spatial=2).trial(planted(2), **how)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measures": 3}, "measures are named, one or a list of several; got 3"),
        ({"weights": {"deletion": "much"}, "measures": "deletion"}, "0 or more; got 'much'"),
        ({"weights": ["deletion"], "measures": "deletion"}, "weights is a dict"),
        ({"weights": {"pointing_game": 1}}, "weights names 'pointing_game', which is not among"),  # without masks
        ({"budget": "9"}, "budget is a whole number; got '9'"),
        ({"batch_size": 1.5}, "how many pictures run together, a whole number; got 1.5"),
        ({"seed": True}, "seed is a whole number; got True"),
        ({"seed": -3}, "seed is 0 or more; got -3"),
        ({"seed": 2**63}, "seed is less than"),
        ({"masks": 5}, "a list with a mask for each picture; got 5"),
        ({"masks": [None, None]}, "a mask is an array, a tensor, a picture or a box; got None"),
        ({"masks": [(0, 0, float("nan"), 3)] * 2}, "a box is"),
    ],
)
def test_what_is_no_such_thing_is_said(options: dict[str, object], message: str) -> None:
    how = {"methods": "saliency", "layers": "features"} | options
    with unchecked(), pytest.raises(OptionError, match=message):
        fm.Scope(Quadrant(), spatial=2).trial(planted(2), **how)  # type: ignore[arg-type]


def test_measures_may_come_from_a_generator() -> None:
    names = (name for name in ("gini", "entropy"))
    with unchecked():
        trial = fm.Scope(Quadrant(), spatial=2).trial(planted(2), "saliency", "features", measures=names)  # type: ignore[arg-type]
    assert trial.measures == ("gini", "entropy")


def test_rows_and_measures_that_there_are_not_name_the_nearest(trial: fm.Trial) -> None:
    with pytest.raises(OptionError, match="no row .* Did you mean 'saliency of input'"):
        trial.estimate(("salience", "input"), "deletion")
    with pytest.raises(OptionError, match="no measure 'delition'.* Did you mean 'deletion'"):
        trial.agreement("delition", "insertion")
    with pytest.raises(OptionError, match="'random' is a reference"):
        trial.rank(("random", "reference"))


class Dense(nn.Module):
    """A class score for every place of a volume."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.first, self.second = nn.Conv3d(2, 4, 3, padding=1), nn.Conv3d(4, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(x)))


@pytest.mark.parametrize("count", [2, 5])
def test_a_region_of_volumes_is_one_for_all_however_many_they_are(count: int) -> None:
    """As many volumes as the region is deep: it was cut into one plane for each."""
    x = torch.randn(count, 2, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    region = torch.zeros(5, 6, 7)
    region[1:3] = 1
    how = {"methods": "saliency", "layers": "first", "targets": fm.Mask(region, 1), "measures": "deletion"}
    together = fm.Scope(Dense()).trial(x, **how, batch_size=count)  # type: ignore[arg-type]
    alone = fm.Scope(Dense()).trial(x[1:2], **how)  # type: ignore[arg-type]
    row = together.rows.index(("saliency", "input"))
    assert together.values[row, 0, 1] == pytest.approx(alone.values[row, 0, 0], rel=1e-4)


def test_best_has_the_options_it_was_tried_with(tmp_path: Path) -> None:
    scope, x = fm.Scope(Quadrant(), spatial=2), planted(2)
    options = {"occlusion": {"window": 3, "stride": 3}}
    trial = scope.trial(x, "occlusion", "features", 1, measures="gini", options=options)
    opened = fm.open_trial(trial.save(tmp_path / "t"))
    expected = scope.explain(x, "occlusion", target=1, window=3, stride=3).map().tensor
    for tried in (trial, opened):
        torch.testing.assert_close(scope.explain(x, "best", target=1, trial=tried).map().tensor, expected)
    again = scope.explain(x, "best", target=1, trial=trial, window=9).map().tensor
    assert not torch.allclose(again, expected)  # what is given beside it counts
    assert scope.explain(x, fm.methods.METHODS["occlusion"].formula, layer="best", target=1, trial=trial) is not None
    with unchecked(), pytest.raises(OptionError, match=r"fm\.open_trial\(folder\); got 'trial'"):
        scope.explain(x, "best", trial="trial")  # type: ignore[arg-type]
    with unchecked(), pytest.raises(OptionError, match="trial is what scope.trial.* gave; got 'trial'"):
        scope.report(x, tmp_path / "r.html", methods=["saliency"], layers="features", trial="trial")  # type: ignore[arg-type]


def test_the_bar_moves_within_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []
    monkeypatch.setattr("featuremaps.evidence.run.within", shares.append)
    fm.Scope(Quadrant(), spatial=2).trial(planted(2), "saliency", "features", 1, measures=("deletion", "gini"))
    assert len(shares) == 13  # of seven maps, of which the greedy one is asked about curves alone
    assert shares == sorted(shares)
    assert shares[-1] <= 1


def test_more_than_the_budget_is_said() -> None:
    scope = fm.Scope(Quadrant(), spatial=2)
    trial = scope.trial(planted(2), "saliency", "features", 1, measures="deletion", batch_size=1, budget=1)
    assert trial.conclusion[-1].startswith(f"The pictures that run first took {trial.passes} passes, more than the")


class Dropping(Quadrant):
    """Random also in evaluation."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(torch.nn.functional.dropout(x, 0.5, training=True))


def test_what_all_maps_are_doubted_for_is_said_and_kept(tmp_path: Path) -> None:
    scope = fm.Scope(Dropping(), spatial=2)
    trial = scope.trial(planted(2), ["hires_cam", "saliency"], "features", 1, measures="gini", out=tmp_path / "out")
    (said,) = [line for line in trial.conclusion if line.startswith("All maps carry a warning")]
    assert "the model gave other scores" in said
    assert said in fm.open_trial(tmp_path / "out").conclusion
    assert not fm.Scope(Quadrant(), spatial=2).trial(planted(2), "saliency", "features", 1, measures="gini").doubts


def test_the_manifest_is_readable(trial: fm.Trial, tmp_path: Path) -> None:
    written = json.loads((trial.save(tmp_path / "t") / "trial.json").read_text())
    assert written["methods"] == ["grad_cam", "hires_cam", "input_x_gradient", "saliency"]
    assert written["weights"] == {"deletion": 1, "insertion": 1, "pointing_game": 0, "energy_inside": 0, "gini": 0}
