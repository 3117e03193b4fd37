"""The candidates of shards: only what comes in is kept, and what stands is read again from the disk."""

import numpy as np
import torch
from tiny_surveys import made_up

from featuremaps.survey.storage.atomic_files import Store
from featuremaps.survey.storage.pooled import best
from featuremaps.survey.storage.shard_files import BestSoFar, rebuilt


def test_candidates_stand_again_from_what_is_on_disk() -> None:
    values = np.float32(np.random.default_rng(1).permutation(24).reshape(12, 2))
    survey = made_up(values, [-1] * 12, shard_size=3, keep=4)
    standing = rebuilt(Store(survey.path, survey.manifest)).best["conv", ("mean", "weakest")]
    whole = best(torch.from_numpy(values), torch.arange(12), torch.zeros(12, 2, dtype=torch.int32), 4, "weakest")
    assert torch.equal(standing.values, whole.values)
    assert torch.equal(standing.pictures, whole.pictures)


def test_only_what_comes_in_is_admitted() -> None:
    so_far, ranking = BestSoFar(2), ("mean", "strongest")
    places = torch.zeros(3, 1, dtype=torch.int32)
    for start, values in ((0, [1.0, 5.0, 3.0]), (3, [2.0, 4.0, 0.0])):
        numbers = torch.arange(start, start + 3)
        stands = so_far.admit("x", ranking, best(torch.tensor(values)[:, None], numbers, places, 2))
    assert stands.values.tolist() == [[5.0, 4.0]]
    assert stands.pictures.tolist() == [[1, 4]]
