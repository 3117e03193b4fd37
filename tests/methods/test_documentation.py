"""The methods as text: every method has its line, its cost and its options."""

from pathlib import Path

import featuremaps as fm
from featuremaps.methods import find_method
from featuremaps.methods.documentation import described, listed, markdown

DOCS = Path(__file__).resolve().parents[2] / "docs" / "methods.md"


def test_listing_has_a_line_per_method_in_columns() -> None:
    listing = listed(fm.METHODS.values()).splitlines()
    lines = [line for line in listing if line.startswith("  ")]
    assert [line.split()[0] for line in lines] == list(fm.METHODS)
    starts = {line.index(method.summary) for line, method in zip(lines, fm.METHODS.values(), strict=True)}
    assert len(starts) == 1


def test_methods_are_listed_by_family_and_grad_cam_first() -> None:
    listing = listed(fm.METHODS.values()).splitlines()
    assert listing[1].split()[0] == "grad_cam"
    families = [i for i, line in enumerate(listing) if line and not line.startswith("  ")]
    assert len(families) == len({method.formula.__module__ for method in fm.METHODS.values()})
    relevance = next(i for i in families if listing[i].startswith("Layer-wise relevance propagation"))
    assert [line.split()[0] for line in listing[relevance + 1 : relevance + 3]] == ["lrp", "excitation_backprop"]


def test_costs() -> None:
    lines = {line.split()[0]: line for line in listed(fm.METHODS.values()).splitlines() if line}
    for name, cost in {
        "eigen_cam": "forward",
        "grad_cam": "gradient",
        "refine_cam": "gradient",
        "ablation_cam": "tail",
        "shapley_cam": "tail",
        "smooth_grad_cam_pp": "passes",
        "score_cam": "pass per channel",
        "occlusion": "pass per copy",
        "rise": "pass per copy",
        "saliency": "gradient",
        "guided_grad_cam": "gradient",
        "smooth_grad": "passes",
        "integrated_gradients": "passes",
    }.items():
        assert lines[name].strip().removeprefix(name).strip().startswith(f"{cost} ")


def test_description_says_everything_about_a_method() -> None:
    text = described(find_method("score_cam"))
    assert text.startswith("score_cam — Wang et al. 2020, Score-CAM")
    for part in (
        "Channels weighted by what the class gains",
        "  probability: Like `score`, but the probability of the target's class",
        "  baseline: 'zero' | 'blur' | 'mean' = 'zero'",
        "  chunk: int = 0",
    ):
        assert part in text
    assert all(len(line) <= 115 for line in text.splitlines())
    assert "Options" not in described(find_method("eigen_cam"))


def test_markdown_has_a_row_per_method() -> None:
    rows = [line for line in markdown(fm.METHODS.values()).splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == list(fm.METHODS)
    assert all(row.count(" | ") == 4 for row in rows)
    assert "| `fem` |" in rows[list(fm.METHODS).index("fem")]
    assert "`sigmas=2.0`" in rows[list(fm.METHODS).index("fem")]


def test_documentation_holds_the_table_as_it_is() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert text.strip() == markdown(fm.METHODS.values()).strip()
