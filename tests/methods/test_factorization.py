"""Factorising a layer into concepts: exact where it can be, and its steps beside their definition."""

from pathlib import Path

import pytest
import torch
from sklearn.decomposition import NMF
from torch import Tensor

from featuremaps.errors import MethodError, OptionError
from featuremaps.methods.factorization import Factors, concept_scores, factorize
from method_samples import photographs, squeezenet
from perturbation_samples import seeded


def parts(concepts: int = 3, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Activations (2, 8, 6, 5) that are a product of maps and vectors, and these.

    Each concept has a place and a channel to itself, so that there is no second way of putting them together.
    """
    generator = seeded(seed)
    maps = torch.rand((2, concepts, 6, 5), generator=generator) * (
        torch.rand((2, concepts, 6, 5), generator=generator) < 0.4
    )
    vectors = torch.rand((concepts, 8), generator=generator) * (torch.rand((concepts, 8), generator=generator) < 0.6)
    maps[0, :, :2, :3] = torch.eye(concepts, 6).unflatten(1, (2, 3))
    vectors[:, :concepts] = torch.eye(concepts)
    return torch.einsum("bkhw,kc->bchw", maps, vectors), maps, vectors


def rebuilt(found: Factors) -> Tensor:
    return torch.einsum("bkhw,kc->bchw", found.maps, found.vectors)


def test_parts_that_were_put_together_are_found_again() -> None:
    activations, maps, vectors = parts()
    found = factorize(activations, seeded(), concepts=3, iterations=3000, tolerance=1e-9)
    assert float(found.errors[-1]) < 1e-2
    for own in vectors:
        likeness = torch.nn.functional.cosine_similarity(found.vectors, own[None])
        best = int(likeness.argmax())
        assert float(likeness[best]) > 0.999
    torch.testing.assert_close(rebuilt(found), activations, rtol=0, atol=0.02)
    assert maps.shape == found.maps.shape


def test_one_concept_of_rank_one_is_exact() -> None:
    map, vector = torch.rand((2, 1, 4, 3), generator=seeded()), torch.rand(5, generator=seeded(1))
    found = factorize(map * vector[:, None, None], seeded(), concepts=1)
    assert found.converged
    torch.testing.assert_close(found.maps, map / map.max())
    torch.testing.assert_close(found.vectors[0], vector * map.max())


def test_maps_have_maximum_one_nothing_is_negative_and_the_largest_concept_comes_first() -> None:
    activations, _, _ = parts(5)
    found = factorize(activations, seeded(), concepts=4)
    assert float(found.maps.min()) >= 0
    assert float(found.vectors.min()) >= 0
    torch.testing.assert_close(found.maps.amax((0, 2, 3)), torch.ones(4))
    size = found.maps.square().sum((0, 2, 3)).sqrt() * found.vectors.norm(dim=1)
    assert size.tolist() == sorted(size.tolist(), reverse=True)


def test_error_falls_at_every_iteration_and_is_the_error() -> None:
    activations, _, _ = parts(6)
    found = factorize(activations, seeded(), concepts=3)
    assert len(found.errors) > 3
    assert bool((found.errors.diff() <= 1e-6).all())
    error = (activations - rebuilt(found)).norm() / activations.norm()
    torch.testing.assert_close(found.errors[-1].float(), error, rtol=1e-4, atol=1e-6)
    short = factorize(activations, seeded(), concepts=3, iterations=2)
    assert len(short.errors) == 3
    assert short.errors[0] == 1  # no concept explains anything yet
    assert not short.converged
    assert found.converged


def halves(data: Tensor, concepts: int) -> tuple[Tensor, Tensor]:
    """The start (NNDSVD): of each pair of singular vectors the positive or the negative halves, by their product."""
    left, values, right = torch.linalg.svd(data, full_matrices=False)
    places, vectors = torch.zeros(len(data), concepts).double(), torch.zeros(data.shape[1], concepts).double()
    for j in range(concepts):
        pairs = [(left[:, j].relu(), right[j].relu()), ((-left[:, j]).relu(), (-right[j]).relu())]
        a, b = max(pairs, key=lambda pair: float(pair[0].norm() * pair[1].norm()))
        strength = (values[j] * a.norm() * b.norm()).sqrt()
        places[:, j], vectors[:, j] = strength * a / a.norm(), strength * b / b.norm()
    return places, vectors


def improve(factor: Tensor, data: Tensor, other: Tensor) -> None:
    """One column after the other, in place, each the best there is and not below 0 while all others stay."""
    for column in range(factor.shape[1]):
        for row in range(len(factor)):
            rest = data[row] - sum(factor[row, j] * other[:, j] for j in range(factor.shape[1]) if j != column)
            factor[row, column] = max(0.0, float(rest @ other[:, column] / other[:, column].square().sum()))


@pytest.mark.parametrize("iterations", [1, 3])
def test_steps_beside_plain_loops(iterations: int) -> None:
    """Hierarchical alternating least squares, from the halves of the singular vectors of a full decomposition."""
    activations = torch.rand((2, 9, 3, 5), generator=seeded())
    data = activations.permute(0, 2, 3, 1).flatten(0, 2).double()
    places, vectors = halves(data, 4)
    errors = [1.0]
    for _ in range(iterations):
        improve(places, data, vectors)
        improve(vectors, data.T, places)
        errors.append(float((data - places @ vectors.T).norm() / data.norm()))
    found = factorize(activations, seeded(1), concepts=4, iterations=iterations)
    together = rebuilt(found).permute(0, 2, 3, 1).flatten(0, 2).double()
    torch.testing.assert_close(together, places @ vectors.T, rtol=1e-3, atol=1e-4)
    assert found.errors.tolist() == pytest.approx(errors, abs=1e-5)


def test_same_seed_same_concepts_and_pictures_are_factorised_together() -> None:
    activations, _, _ = parts(4)
    first, second = (factorize(activations, seeded(3), concepts=3) for _ in range(2))
    assert torch.equal(first.maps, second.maps)
    swapped = factorize(activations.flip(0), seeded(3), concepts=3)
    torch.testing.assert_close(swapped.maps.flip(0), first.maps, rtol=0, atol=1e-2)


def test_as_good_as_one_run_of_scikit_learn_on_the_real_squeezenet(shared: Path) -> None:
    model = squeezenet(shared)
    with torch.no_grad():
        activations = model.features(photographs(shared, (160, 170, 230, 250)))
    found = factorize(activations, seeded(), concepts=4)
    data = activations.permute(0, 2, 3, 1).flatten(0, 2).numpy()
    peer = NMF(4, init="nndsvd", max_iter=1000, tol=1e-5).fit(data)
    assert float(found.errors[-1]) < 1.01 * peer.reconstruction_err_ / float(activations.norm())
    with torch.no_grad():
        scores = concept_scores(found.vectors, (13, 13), lambda maps: model.classifier(maps).flatten(1))
    dogs = [any(151 <= index <= 280 for index in row.topk(1).indices.tolist()) for row in scores]
    assert sum(dogs) >= 2


def test_concept_scores_are_those_of_a_layer_filled_with_the_concept() -> None:
    vectors, sizes = torch.rand((3, 4), generator=seeded()), []

    def head(maps: Tensor) -> Tensor:
        sizes.append(tuple(maps.shape))
        return maps.amax((2, 3)) - maps.mean((2, 3)) + maps[:, :, 0, 0]

    torch.testing.assert_close(concept_scores(vectors, (5, 6), head), vectors)
    assert sizes == [(3, 4, 5, 6)]


def test_values_below_zero_are_refused_or_clipped() -> None:
    activations, _, _ = parts()
    signed = activations.clone()
    signed[0, 0, 0, 0] = -1.0
    with pytest.raises(
        MethodError,
        match=r'0\.21% of this layer\'s are below 0\. Take the layer after its ReLU, or give negative="clip"',
    ):
        factorize(signed, seeded())
    expected = factorize(signed.clamp_min(0), seeded(), concepts=2)
    assert torch.equal(factorize(signed, seeded(), concepts=2, negative="clip").maps, expected.maps)
    assert float(signed.min()) == -1.0


def test_activations_without_parts_are_refused() -> None:
    with pytest.raises(MethodError, match=r"no activation of the layer is above 0 \(a dead layer\); take another"):
        factorize(torch.zeros(1, 6, 3, 3), seeded())
    with pytest.raises(MethodError, match="activations are not all finite"):
        factorize(torch.full((1, 6, 3, 3), torch.nan), seeded())


def test_fewer_parts_than_concepts_leave_empty_concepts() -> None:
    activations, _, _ = parts(2)
    found = factorize(activations, seeded(), concepts=5)
    assert bool(found.maps.isfinite().all())
    assert bool(found.vectors.isfinite().all())
    assert float(found.errors[-1]) < 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concepts": 9}, "'concepts' is how many concepts are looked for, 1 to 8; got 9"),
        ({"concepts": 0}, "'concepts' is .* got 0"),
        ({"iterations": 0}, "'iterations' is how many times the concepts are improved at most, 1 or more; got 0"),
        ({"tolerance": -1.0}, "'tolerance' is .* 0 or more; got -1.0"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, float], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        factorize(parts()[0], seeded(), **options)
