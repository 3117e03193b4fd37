"""A trial on disk: gone on with only where it is the same, read once for each picture, and refused in words."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor

import featuremaps as fm
from featuremaps.errors import OptionError
from featuremaps.evidence.manifest import code_digest, described
from featuremaps.evidence.measured import Measured
from featuremaps.evidence.registry import MEASURES
from featuremaps.evidence.storage import TrialFolder
from small_models import network, pictures


def tried(out: Path | None = None, seed: int = 0, **how: Any) -> fm.Trial:
    how = {"measures": "deletion", "options": {"deletion": {"steps": 4}}, "batch_size": 2} | how
    return fm.Scope(network(seed)).trial(pictures(count=4), ["grad_cam", "saliency"], "body", out=out, **how)


class Stopped(BaseException):
    """As Ctrl-C, at a place of our own."""


@pytest.mark.parametrize("written", [1, 2, 3])
def test_stopped_anywhere_it_goes_on_as_if_it_had_not_been(
    written: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, tables, write = tried(), 0, pq.write_table

    def stopping(table: Any, path: Path) -> None:
        nonlocal tables
        tables += 1
        write(table, path)
        if tables == written:
            path.write_bytes(path.read_bytes()[:50])
            raise Stopped

    with monkeypatch.context() as patched:
        patched.setattr(pq, "write_table", stopping)
        with pytest.raises(Stopped):
            tried(tmp_path)
    begun = fm.open_trial(tmp_path)
    assert (len(begun.pictures), begun.left_out) == ((2, 2) if written == 3 else (0, 4))
    assert begun.conclusion[-1].endswith("not tried: the budget was spent, or the trial was stopped.") == (written == 3)
    np.testing.assert_array_equal(tried(tmp_path).values, whole.values)
    np.testing.assert_array_equal(fm.open_trial(tmp_path).values, whole.values)


def test_pictures_in_two_chunks_are_read_once(tmp_path: Path) -> None:
    """Where memory was short the first time, a chunk was written in halves, and the second time whole."""
    halves, whole = tried(batch_size=2), tried(batch_size=4)
    folder = TrialFolder(tmp_path)
    folder.begin(whole.manifest)
    for chunk in (*halves.chunks, *whole.chunks):
        folder.write(chunk)
    opened = fm.open_trial(tmp_path)
    assert (len(opened.pictures), opened.left_out) == (4, 0)
    np.testing.assert_array_equal(opened.values, whole.values)


def test_another_model_is_not_saved_over_a_trial(tmp_path: Path) -> None:
    first = tried()
    first.save(tmp_path)
    with pytest.raises(OptionError, match="in model"):
        tried(seed=1).save(tmp_path)
    with pytest.raises(OptionError, match="in batch_size"):
        tried(tmp_path, batch_size=1)
    np.testing.assert_array_equal(fm.open_trial(tmp_path).values, first.values)


@pytest.fixture
def register() -> Iterator[Callable[[Callable[..., Any]], None]]:
    def add(function: Callable[..., Any]) -> None:
        function.__name__, function.__doc__ = "mine", "Mine."
        if "mine" in MEASURES:
            MEASURES.remove("mine")
        fm.measure(paper="p", better="higher", unit="u", family="faithfulness")(function)

    yield add
    if "mine" in MEASURES:
        MEASURES.remove("mine")


def test_a_measure_that_was_changed_is_no_trial_to_go_on_with(
    tmp_path: Path, register: Callable[[Callable[..., Any]], None]
) -> None:
    how: dict[str, Any] = {"measures": "mine", "options": {}}
    register(lambda heatmap: Measured(heatmap.flatten(1).sum(1)))
    first = tried(tmp_path, **how)
    register(lambda heatmap: Measured(heatmap.flatten(1).sum(1)))
    np.testing.assert_array_equal(tried(tmp_path, **how).values, first.values)
    register(lambda heatmap: Measured(heatmap.flatten(1).amax(1)))
    with pytest.raises(OptionError, match="in formulas"):
        tried(tmp_path, **how)
    MEASURES.remove("mine")
    with pytest.raises(OptionError, match="measured by 'mine', which is not registered here: import"):
        fm.open_trial(tmp_path)


def test_what_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    tried(tmp_path)
    (tmp_path / "curves-00002.parquet").write_bytes(b"nothing")
    with pytest.raises(OptionError, match=r"Delete measurements-00002\.parquet"):
        fm.open_trial(tmp_path)
    (tmp_path / "measurements-00002.parquet").unlink()
    assert len(tried(tmp_path).pictures) == 4
    (tmp_path / "trial.json").write_text(json.dumps([1]))
    with pytest.raises(OptionError, match="holds no trial that can be read"):
        fm.open_trial(tmp_path)


def test_functions_are_told_apart_by_their_code_not_by_their_address() -> None:
    def scaled(by: float) -> Callable[[Tensor], Tensor]:
        return lambda outputs: by * outputs[:, 0]

    assert described(scaled(2.0)) == described(scaled(2.0))
    assert described(scaled(2.0)) != described(scaled(3.0))
    assert code_digest(lambda x: x + 1) != code_digest(lambda x: x - 1)
    assert described({"a": (1, torch.ones(2))}) == described({"a": [1, torch.ones(2)]})
