"""Which explanation to believe, as a section of a report in headless Chromium."""

from dataclasses import replace

import pytest
from report_samples import sample_report

import featuremaps as fm
from featuremaps.evidence.words import label
from featuremaps.report.trial import TrialSection
from small_models import network, pictures

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def trial() -> fm.Trial:
    return fm.Scope(network()).trial(pictures(count=3), ["grad_cam", "saliency"], measures=("deletion", "gini"))


def test_rows_maps_curves_and_numbers_are_those_of_the_trial(visit, trial):
    page = visit(sample_report(sections=(TrialSection(trial),))).page
    names = page.locator(".trial tbody th").all_inner_texts()
    rows = [*trial.order, *trial.references]
    assert names == [label(row) for row in rows]
    assert page.locator(".trial-conclusion li").all_inner_texts() == trial.conclusion
    assert page.locator(".trial-maps img").count() == 2 * 3
    assert page.locator(".trial-curve").count() == len(rows)  # deletion alone asks for curves
    numbers = page.locator(".trial tbody tr").first.locator(".trial-number").all_inner_texts()
    best = trial.order[0]
    assert numbers == [str(trial.rank(best)), *(str(trial.estimate(best, name)) for name in trial.measures)]
    assert page.locator(".trial-none").first.get_attribute("title") == "no picture has a number"  # greedy has no gini


def test_without_maps_and_on_a_narrow_screen_nothing_sticks_out(visit, trial):
    page = visit(sample_report(sections=(TrialSection(replace(trial, comparison=None)),)), width=400).page
    assert page.locator(".trial-maps").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.locator(".trial thead").is_hidden()


def test_what_fails_a_sanity_check_says_why(visit):
    scope = fm.load("demo-fixed")
    scenes = [scene.picture for scene in fm.demo.pictures()[:2]]
    failing = scope.trial(
        scenes,
        ["grad_cam", "guided_backprop"],
        measures="parameter_randomisation",
        weights={"parameter_randomisation": 1},
    )
    assert failing.order[-1][0] == "guided_backprop"
    page = visit(sample_report(sections=(TrialSection(failing),))).page
    (reason,) = page.locator(".trial-failed").all_inner_texts()
    assert reason.startswith("Fails a sanity check: the map stays much the same when the model's weights are random")
