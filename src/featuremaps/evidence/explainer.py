"""Heatmaps of all methods of a trial, whatever is asked: for other inputs, another seed, class, or random weights."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise

import torch
from torch import Tensor, nn

from featuremaps.errors import MethodError
from featuremaps.evidence.shapes import Heatmap, Inputs, Randomisation
from featuremaps.explain.formulas import Number, maps_of
from featuremaps.explain.request import Request
from featuremaps.methods import Method
from featuremaps.plotting.rendering import collapsed, enlarged
from featuremaps.session import Session, preserved
from featuremaps.targets.bound import Bound, Target
from featuremaps.targets.targets import Logit

STAGES = 5
"""So many parts of a model are given random weights, one after the other."""
Key = tuple[str, str]
"""A method and the layer it looks at."""


class Explained(dict[Key, Heatmap]):
    """Heatmaps by method and layer; `failures` has the reasons of methods that gave none this time."""

    def __init__(self, maps: Mapping[Key, Heatmap], failures: Mapping[Key, str]) -> None:
        super().__init__(maps)
        self.failures = dict(failures)

    def add(self, more: "Explained") -> None:
        """Put more maps, and failures, beside these."""
        self.update(more)
        self.failures.update(more.failures)

    def __missing__(self, key: Key) -> Heatmap:
        raise MethodError(f"no map was made anew: {self.failures[key]}")


class Explainer:
    """One chunk of pictures explained in every way that measures ask for; each way once, for all methods together.

    What was explained is remembered until `forget`.
    """

    def __init__(self, session: Session, inputs: Inputs, request: Request, bound: Bound) -> None:
        self._session, self._inputs, self._request, self._bound = session, inputs, request, bound
        self._known: dict[object, Explained] = {}
        self._stages: dict[Randomisation, list[tuple[str, Explained]]] = {}

    def forget(self) -> None:
        """Free the memory of all that was explained."""
        self._known.clear()
        self._stages.clear()

    def again(self, key: Key, new: Inputs) -> Heatmap:
        """One method's heatmaps of new inputs (batch·k, …), picture by picture, for the same target."""
        copies = new.reshape(len(self._inputs), -1, *new.shape[1:])
        maps = [self._of(key, copies[:, k].contiguous()) for k in range(copies.shape[1])]
        return torch.stack(maps, 1).flatten(0, 1)

    def seeded(self, key: Key, seed: int) -> Heatmap:
        """One method's heatmaps with other random numbers."""
        options = replace(self._request.options, seed=seed)
        request = replace(self._request, options=options)
        return self._explained(("seed", seed), lambda: self._run(request, self._bound))[key]

    def of_class(self, key: Key, indices: Tensor) -> Heatmap:
        """One method's heatmaps of a class for each picture."""
        of_classes = self._bound.of_classes
        target = Logit(indices.tolist()) if of_classes is None else of_classes(indices)
        return self._explained(("class", *indices.tolist()), lambda: self._run(self._request, target))[key]

    def randomised(self, key: Key, order: Randomisation) -> Iterator[tuple[str, Heatmap]]:
        """One method's heatmaps of the model with random weights, part by part from its end, and each part's name."""
        if order not in self._stages:
            self._stages[order] = list(self._randomised(order))
        return ((name, maps[key]) for name, maps in self._stages[order])

    def random_labels(self, key: Key, model: nn.Module) -> Heatmap:
        """One method's heatmaps of a model of the same architecture that was trained on shuffled labels."""

        def explain() -> Explained:
            with preserved(model, self._request.layout) as session:
                return self._run(self._request, self._bound, session=session)

        return self._explained("random labels", explain)[key]

    def mosaic(self, key: Key, mosaics: Inputs) -> Heatmap:
        """One method's heatmaps of mosaics of the pictures, for the same targets."""
        return self._explained("mosaics", lambda: self._run(self._request, self._bound, mosaics))[key]

    def _of(self, key: Key, new: Inputs) -> Heatmap:
        """One method's heatmaps of new inputs. The others' are made with the next one's that asks for these inputs.

        Some measures show each method the picture through its own map, which no other method is asked about.
        """
        known = self._known.setdefault(sha256(new.cpu().numpy().tobytes()).digest(), Explained({}, {}))
        if key not in known and key not in known.failures:
            done = {method for method, _ in (*known, *known.failures)}
            methods = [method for method in self._request.methods if method.name not in done]
            chosen = tuple(method for method in methods if done or method.name == key[0])
            known.add(self._run(replace(self._request, methods=chosen), self._bound, new))
        return known[key]

    def _explained(self, name: object, explain: Callable[[], Explained]) -> Explained:
        if name not in self._known:
            self._known[name] = explain()
        return self._known[name]

    def _run(
        self, request: Request, target: Target | Bound, inputs: Inputs | None = None, session: Session | None = None
    ) -> Explained:
        inputs = self._inputs if inputs is None else inputs
        failures: dict[Number, str] = {}
        _, parts = maps_of(session or self._session, inputs, request, [target], failures)
        methods = {method.name: method for method in request.methods}
        maps = {key[:2]: heatmap_of(methods[key[0]], part.maps, inputs) for key, part in parts.items()}
        return Explained(maps, {key[:2]: reason for key, reason in failures.items()})

    def _randomised(self, order: Randomisation) -> Iterator[tuple[str, Explained]]:
        model = deepcopy(self._session.model)
        kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        generator = torch.Generator().manual_seed(self._request.options.seed)
        for name, modules in stages_of(model):
            if order == "single":
                model.load_state_dict(kept)
            for module in modules:
                randomise(module, generator)
            with preserved(model, self._request.layout) as session:
                yield name, self._run(self._request, self._bound, session=session)


def heatmap_of(method: Method, maps: Tensor, inputs: Inputs) -> Heatmap:
    """A method's maps (batch, *grid), or values (batch, colour, *space), as heatmaps of the inputs' size."""
    if method.level == "pixel":
        return torch.stack([collapsed(values, method.collapse) for values in maps])
    return enlarged(maps, tuple(inputs.shape[2:]))


def stages_of(model: nn.Module) -> list[tuple[str, list[nn.Module]]]:
    """The modules with weights of their own in parts of about the same number, the last of the model first.

    Each part is called by its last module.
    """
    own = [(name, module) for name, module in model.named_modules() if any(True for _ in module.parameters(False))]
    own.reverse()
    count = min(STAGES, len(own))
    bounds = [round(i * len(own) / count) for i in range(count + 1)] if own else []
    parts = [own[low:high] for low, high in pairwise(bounds)]
    return [(part[-1][0] or type(model).__name__, [module for _, module in part]) for part in parts]


@torch.no_grad()
def randomise(module: nn.Module, generator: torch.Generator) -> None:
    """Give a module's own parameters random values: normal ones around the same mean, as spread as they were.

    A parameter whose values are all alike gets a spread of its size, so that no batch norm stays what it was.
    """
    for parameter in module.parameters(False):
        if not parameter.is_floating_point():
            continue
        mean, spread = parameter.float().mean(), parameter.float().std(correction=0)
        spread = torch.where(spread > 0, spread, mean.abs())
        noise = torch.randn(parameter.shape, generator=generator, device="cpu", dtype=torch.float32)
        parameter.copy_((mean + spread * noise.to(parameter.device)).to(parameter.dtype))
