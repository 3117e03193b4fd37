"""Many scenes at once: a data set of the bundled world, drawn by several processes."""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.utils.data import Dataset

from featuremaps.demo.world import Recipe, Scene, pictures_of


class World(Dataset[Scene]):
    """`count` scenes of each label. `shortcuts` gives, per label, the share that lies on a plain background.

    Everything follows from `seed`; two worlds with seeds a million apart share no scene.
    """

    def __init__(self, count: int, shortcuts: dict[str, float], domain: str = "photograph", seed: int = 0) -> None:
        self.labels = tuple(shortcuts)
        self.recipes: list[Recipe] = []
        for number, (label, share) in enumerate(shortcuts.items()):
            plain = np.random.default_rng([seed, number]).random(count) < share
            first = seed + number * 100_000
            self.recipes += [Recipe(label, domain, bool(plain[i]), first + i) for i in range(count)]

    def __len__(self) -> int:
        return len(self.recipes)

    def __getitem__(self, index: int) -> Scene:
        return self.recipes[index].drawn()

    def tensors(self) -> tuple[UInt8[Tensor, "scene 3 128 128"], Tensor]:
        """All pictures as bytes, and the number of each one's label (scene,)."""
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
            parts = list(pool.map(pictures_of, [self.recipes[i : i + 64] for i in range(0, len(self.recipes), 64)]))
        labels = torch.tensor([self.labels.index(recipe.label) for recipe in self.recipes])
        return torch.from_numpy(np.concatenate(parts)).movedim(-1, 1).contiguous(), labels
