"""Models as people write them, others of the coverage table every day: every cell holds."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest
import torch
from benchmarks.coverage import run
from benchmarks.coverage.cells import COLUMNS, NOT, YES, Trial, picked, same_values, tried
from benchmarks.coverage.homemade import homemade
from benchmarks.coverage.zoo import Entry, zoo
from torch import nn


def of_today(count: int = 4) -> list[Entry]:
    entries, day = list(homemade()), datetime.now(UTC).date().toordinal()
    return [entries[(count * day + number) % len(entries)] for number in range(count)]


@pytest.mark.parametrize("entry", of_today(), ids=lambda entry: entry.name)
def test_every_cell_holds(entry: Entry) -> None:
    with torch.random.fork_rng():
        cells = dict(tried(entry))
    assert not {column: cell for column, cell in cells.items() if not cell.startswith((YES, NOT))}


@pytest.mark.parametrize("entry", list(homemade()), ids=lambda entry: entry.name)
def test_the_last_layer_is_the_one_that_a_person_picked(entry: Entry) -> None:
    with torch.random.fork_rng():
        assert Trial(entry).last().startswith(YES)


def test_what_is_published_is_of_the_zoo_and_somebody_said_what_its_last_layer_is() -> None:
    entries, results = {entry.key: entry for entry in zoo()}, run.known_results()
    assert len(entries) == len(zoo())
    assert set(results) <= set(entries)
    assert set(results) <= set(picked()) <= set(entries)


def test_a_column_that_ends_its_process_says_so_and_the_others_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(entry: Entry, columns: Sequence[str]) -> Iterator[tuple[str, str]]:
        for column in columns:
            if column == "lrp":
                os._exit(1)
            yield column, YES

    monkeypatch.setattr(run, "tried", ended)
    cells = run.cells_of(next(iter(homemade())))
    assert list(cells) == list(COLUMNS)
    assert {column: cell for column, cell in cells.items() if cell != YES} == {"lrp": "the process was killed (memory)"}


def test_tokens_that_are_handed_on_as_maps_are_the_same_values() -> None:
    tokens = nn.Sequential(nn.Flatten(2), nn.Unflatten(2, (4, 4)), nn.ReLU())
    pictures = torch.randn(1, 3, 4, 4)
    assert same_values(tokens, pictures, "0", "1")
    assert not same_values(tokens, pictures, "1", "2")
