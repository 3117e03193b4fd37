"""A trial: measured as the measures alone measure, beside references, in one table that can be stored."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import OptionError
from featuremaps.evidence.curves import Curves
from featuremaps.evidence.measures.deletion_insertion import deletion, insertion
from featuremaps.evidence.words import label
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
    assert trial.conclusion[0].startswith("On 6 pictures, input_x_gradient shows best what this model uses")


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
        "a trial trains no model on shuffled labels",
        "a trial makes no mosaics",
        "where the object is was not given",
    ]


def test_of_one_picture_nothing_is_said_to_be_chance() -> None:
    trial = fm.Scope(Quadrant(), spatial=2).trial(
        planted(1), ["grad_cam", "hires_cam"], "features", 1, measures="deletion"
    )
    assert trial.conclusion == [
        "One picture says little: hires_cam of features comes first, and chance may have put it there."
    ]


def test_a_budget_leaves_pictures_out_and_says_so() -> None:
    scope = fm.Scope(Quadrant(), spatial=2)
    how = {"methods": "saliency", "layers": "features", "targets": 1, "measures": "deletion", "batch_size": 1}
    first = scope.trial(planted(1), **how)  # type: ignore[arg-type]
    short = scope.trial(planted(5), **how, budget=2 * first.passes)  # type: ignore[arg-type]
    assert (len(short.pictures), short.left_out) == (2, 3)
    assert short.passes <= 2 * first.passes
    assert "before 3 more pictures could be tried" in short.conclusion[-1]


def test_best_is_taken_by_explain(trial: fm.Trial) -> None:
    scope, x = fm.Scope(Quadrant(), spatial=2), planted(1)
    heat = scope.explain(x, "best", target=1, trial=trial)
    assert (heat.method, heat.layer) == trial.best
    assert scope.explain(x, "grad_cam", layer="best", target=1, trial=trial).method == "grad_cam"
    with pytest.raises(OptionError, match=r"trial=scope\.trial"):
        scope.explain(x, "best")
    with pytest.raises(OptionError, match="this trial has no lrp of best"):
        scope.explain(x, "lrp", layer="best", trial=trial)


def test_a_method_that_fails_is_undefined_with_its_reason() -> None:
    trial = fm.Scope(Quadrant(), spatial=2).trial(
        planted(2), ["hires_cam", "guided_backprop", "occlusion"], "features", 1, measures="deletion",
        options={"occlusion": {"window": 99}},
    )  # fmt: skip
    said = trial.estimate(("occlusion", "input"), "deletion")
    assert said.of == 0
    assert said.why.startswith("no map was made: ")
    assert trial.order[-1] == ("occlusion", "input")
    alone = fm.Scope(Quadrant(), spatial=2).trial(
        planted(2), "occlusion", "features", 1, measures="deletion", options={"occlusion": {"window": 99}}
    )
    assert alone.conclusion == ["No explanation could be measured.", said.why]
    assert "occlusion      –     undefined" in str(alone)
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
    assert "shows best what this model uses" in str(trial)


class Counting(Quadrant):
    """A model that counts the pictures it was given."""

    seen = 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        return super().forward(x)


def test_a_measure_that_shows_each_method_another_picture_does_not_ask_all_of_them_each_time() -> None:
    methods = ["hires_cam", "saliency", "input_x_gradient", "occlusion"]
    counts = []
    for measures in ("gini", ("gini", "coherency"), ("gini", "flip_agreement")):
        model = Counting()
        fm.Scope(model, spatial=2).trial(planted(1), methods, "features", 1, measures=measures)
        counts.append(model.seen)
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
    ],
)
def test_what_does_not_fit_is_said_before_anything_runs(options: dict[str, object], message: str) -> None:
    how = {"methods": "saliency", "layers": "features"} | options
    with pytest.raises(OptionError, match=message):
        fm.Scope(Quadrant(), spatial=2).trial(planted(2), **how)  # type: ignore[arg-type]


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
