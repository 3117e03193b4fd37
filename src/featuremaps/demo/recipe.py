"""A scene of the bundled world that is not drawn yet."""

from dataclasses import dataclass

from featuremaps.demo.world import Scene, scene


@dataclass(frozen=True)
class Recipe:
    """One scene, not yet drawn."""

    label: str
    domain: str
    shortcut: bool
    seed: int

    def drawn(self) -> Scene:
        """The scene itself."""
        return scene(self.label, self.domain, self.shortcut, seed=self.seed)
