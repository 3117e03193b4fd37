"""Sufficiency and comprehensiveness against plain loops, and closed forms on a linear model."""

import pytest
import torch

from evidence_oracles import Linear, gone_after
from evidence_samples import examined, measured, random
from featuremaps.errors import OptionError
from featuremaps.evidence.curves import Curves

SHARES = (0.05, 0.1, 0.2, 0.5)


def test_as_plain_loops() -> None:
    pictures = random(3, 2, 7, 6)
    needs = examined(pictures)
    comprehensive, sufficient = (measured(name, needs).values for name in ("comprehensiveness", "sufficiency"))
    for i in range(3):
        alone, heatmap, picture = examined(pictures[i : i + 1])["probability"], needs["heatmap"][i], pictures[i]
        without, only = [], []
        for share in SHARES:
            without.append(float(alone(torch.where(gone_after(heatmap, share, "most"), 0, picture)[None])))
            only.append(float(alone(torch.where(gone_after(heatmap, 1 - share, "least"), 0, picture)[None])))
        whole = float(alone(picture[None]))
        assert float(comprehensive[i]) == pytest.approx(whole - sum(without) / 4, abs=1e-12)
        assert float(sufficient[i]) == pytest.approx(whole - sum(only) / 4, abs=1e-12)


def test_closed_form_on_a_linear_model() -> None:
    pictures, model = random(3, 2, 5, 4), Linear(2, 5, 4)
    contributions = model.contributions(pictures)
    needs = {"curve": Curves(pictures, model.score).of(contributions)}
    highest = contributions.flatten(1).sort(dim=1, descending=True).values
    top = torch.stack([highest[:, : round(20 * share)].sum(1) for share in SHARES]).mean(0)
    torch.testing.assert_close(measured("comprehensiveness", needs).values, top, rtol=0, atol=1e-10)
    rest = highest.sum(1) - top
    torch.testing.assert_close(measured("sufficiency", needs).values, rest, rtol=0, atol=1e-10)


@pytest.mark.parametrize("share", [0.0, 0.03, 1.0, 1.2])
def test_shares_off_the_curve_are_refused(share: float) -> None:
    for name in ("sufficiency", "comprehensiveness"):
        with pytest.raises(OptionError, match=rf"'shares' has {share:g}, .* multiples of 0.05 between 0 and 1"):
            measured(name, examined(random(1, 2, 5, 4)), shares=(0.5, share))
        with pytest.raises(OptionError, match="'shares' has none"):
            measured(name, examined(random(1, 2, 5, 4)), shares=())


def test_no_pass_is_made_that_deletion_did_not_make() -> None:
    pictures, made = random(2, 2, 7, 6), [0]

    def probability(x: torch.Tensor) -> torch.Tensor:
        made[0] += len(x)
        return x.flatten(1).sum(1)

    needs = {"curve": Curves(pictures, probability).of(random(2, 7, 6, seed=3))}
    measured("deletion", needs)
    assert made == [2 * 21]
    measured("comprehensiveness", needs)
    assert made == [2 * 21]
    measured("sufficiency", needs)
    assert made == [2 * 25]  # the whole pictures are known, and four shares are asked for
    measured("ab_pc", needs)
    assert made == [2 * 40]
