"""The accounts of relevance: what arrived is what was sent on and what was kept, by cause."""

import pytest
import torch

from featuremaps.rules.lrp_ledger import Ledger


def test_what_is_not_sent_on_is_kept_by_cause() -> None:
    ledger = Ledger()
    ledger.enter("biases", torch.tensor([1.0, 2.0]), [torch.tensor([0.5, 0.5]), None, torch.tensor(0.25)])
    ledger.enter("biases", torch.tensor([1.0]), [torch.tensor([0.0])])
    ledger.enter("softmax", torch.tensor([4.0]), [torch.tensor([5.0])])
    assert {cause: float(kept) for cause, kept in ledger.kept.items()} == {"biases": 2.75, "softmax": -1.0}
    assert float(ledger.total()) == 1.75


def test_an_operation_that_hands_on_what_it_got_keeps_nothing() -> None:
    ledger, arriving = Ledger(), torch.ones(3)
    ledger.enter("biases", arriving, [None, arriving])
    assert not ledger.kept
    assert float(ledger.total()) == 0


@pytest.mark.parametrize(("arrived", "missing"), [(3.0, 0.0), (2.0, 0.25), (5.0, 0.5)])
def test_the_missing_part_is_what_neither_arrived_nor_was_kept(arrived: float, missing: float) -> None:
    ledger = Ledger()
    ledger.enter("biases", torch.tensor([1.0]), [])
    assert ledger.missing(torch.tensor([4.0]), torch.tensor([arrived])) == pytest.approx(missing, rel=2e-3, abs=1e-6)


def test_sums_of_halves_are_taken_in_single_precision() -> None:
    ledger = Ledger()
    ledger.enter("biases", torch.ones(5000, dtype=torch.bfloat16), [])
    assert float(ledger.total()) == 5000  # bfloat16 counts to 256
