"""Registering a formula, finding it again, and the options it takes."""

from collections.abc import Iterator
from typing import Literal

import pytest
import torch
from torch import Tensor

import featuremaps as fm
from featuremaps.errors import MethodError, OptionError
from featuremaps.methods.needs import NEEDS
from featuremaps.methods.registry import find_method
from method_samples import Little, noise


@pytest.fixture(autouse=True)
def _register_as_before() -> Iterator[None]:
    """What a test registers is gone after it."""
    before = set(fm.METHODS)
    yield
    for name in set(fm.METHODS) - before:
        fm.METHODS.remove(name)


ISSUE = [
    "cam",
    "grad_cam",
    "grad_cam_pp",
    "xgrad_cam",
    "layer_cam",
    "hires_cam",
    "elementwise_cam",
    "eigen_cam",
    "eigen_grad_cam",
    "kpca_cam",
    "fem",
    "score_cam",
    "ss_cam",
    "is_cam",
    "smooth_grad_cam_pp",
    "ablation_cam",
    "shapley_cam",
    "finer_cam",
    "refine_cam",
    "random_cam",
    "saliency",
    "input_x_gradient",
    "guided_backprop",
    "deconvnet",
    "guided_grad_cam",
    "integrated_gradients",
    "smooth_grad",
    "square_grad",
    "var_grad",
    "gradient_shap",
    "deep_lift",
    "full_grad",
    "attention_rollout",
    "generic_attention",
    "transformer_attribution",
    "legrad",
    "lrp",
    "excitation_backprop",
    "occlusion",
    "rise",
    "d_rise",
    "lime",
    "kernel_shap",
]


def test_every_method_is_there_with_a_source_and_a_summary() -> None:
    assert set(fm.METHODS) == set(ISSUE)
    for name, method in fm.METHODS.items():
        assert method.name == name
        assert method.paper
        assert method.summary.endswith((".", ":", "·A"))
        assert set(method.needs) <= set(NEEDS)


def test_the_register_cannot_be_written_to() -> None:
    with pytest.raises(TypeError):
        fm.METHODS["mine"] = fm.METHODS["grad_cam"]  # type: ignore[index]


def test_a_need_that_nobody_supplies_is_an_error_at_registration() -> None:
    with pytest.raises(
        MethodError,
        match=r"method 'mine' names 'gradient', which nobody supplies\. Did you mean 'gradients'.*options come after a \*",
    ):

        @fm.method(paper="none")
        def mine(activations: Tensor, gradient: Tensor) -> Tensor:
            """A map."""
            return activations.sum(1)

    assert "mine" not in fm.METHODS


def test_a_name_that_is_taken_is_an_error() -> None:
    with pytest.raises(MethodError, match=r"'grad_cam' is registered already, by featuremaps\.methods\.cam"):

        @fm.method(paper="none")
        def grad_cam(activations: Tensor) -> Tensor:
            """Another one."""
            return activations.sum(1)

    assert fm.METHODS["grad_cam"].paper.startswith("Selvaraju")


def test_a_method_without_a_docstring_or_default_is_an_error() -> None:
    with pytest.raises(MethodError, match="method 'bare' needs a docstring"):

        @fm.method(paper="none")
        def bare(activations: Tensor) -> Tensor:
            return activations.sum(1)

    with pytest.raises(MethodError, match="option 'power' of method 'open_ended' needs a default value"):

        @fm.method(paper="none")
        def open_ended(activations: Tensor, *, power: float) -> Tensor:
            """A map."""
            return activations.sum(1)

    assert {"bare", "open_ended"}.isdisjoint(fm.METHODS)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("grad_cam", "grad_cam"),
        ("Grad-CAM", "grad_cam"),
        ("GradCAM", "grad_cam"),
        ("grad cam", "grad_cam"),
        (" Grad-CAM++ ", "grad_cam_pp"),
        ("GradCAM++", "grad_cam_pp"),
        ("Smooth Grad-CAM++", "smooth_grad_cam_pp"),
        ("XGrad-CAM", "xgrad_cam"),
        ("LayerCAM", "layer_cam"),
        ("HiResCAM", "hires_cam"),
        ("Eigen-CAM", "eigen_cam"),
        ("KPCA-CAM", "kpca_cam"),
        ("FEM", "fem"),
        ("Score-CAM", "score_cam"),
        ("LIME", "lime"),
        ("Transformer-Attribution", "transformer_attribution"),
        ("transformer-attribution", "transformer_attribution"),
        ("Kernel SHAP", "kernel_shap"),
        ("KernelShap", "kernel_shap"),
    ],
)
def test_usual_spellings_find_the_method(spelling: str, name: str) -> None:
    assert find_method(spelling).name == name


def test_an_unknown_method_names_the_nearest_and_all() -> None:
    with pytest.raises(
        MethodError, match=r"no method 'gard_cam'\. Did you mean 'grad_cam'.* Known methods: ablation_cam, "
    ):
        find_method("gard_cam")
    with pytest.raises(MethodError, match=r"no method 'xyzzy'\. Known methods"):
        find_method("xyzzy")


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("chefer", "'generic_attention' or 'transformer_attribution'"),
        ("Chefer 2021 CVPR", "'transformer_attribution'"),
        ("Abnar", "'attention_rollout'"),
        ("transformer_atribution", "'transformer_attribution'"),
        ("transformer interpretability", "'transformer_attribution'"),
    ],
)
def test_an_author_or_title_names_the_methods_of_that_source(asked: str, meant: str) -> None:
    with pytest.raises(MethodError, match=rf"no method '{asked}'\. Did you mean {meant}"):
        find_method(asked)


def test_a_formula_finds_its_method_and_another_function_does_not() -> None:
    assert find_method(fm.METHODS["fem"].formula).name == "fem"

    def stray(activations: Tensor) -> Tensor:
        return activations.sum(1)

    with pytest.raises(MethodError, match=r"stray is not a registered method; put @fm\.method\(paper=…\) above"):
        find_method(stray)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("score_cam", {"chunks": 3}, r"has no option 'chunks'; it takes baseline, .*chunk.*Did you mean 'chunk'"),
        ("eigen_cam", {"combine": "sum"}, r"method 'eigen_cam' has no option 'combine'; it takes none"),
        (
            "score_cam",
            {"baseline": "black"},
            "'baseline' of method 'score_cam' must be 'zero' or 'blur' or 'mean'; got 'black'",
        ),
        ("score_cam", {"chunk": 2.5}, "option 'chunk' of method 'score_cam' must be of type int; got 2.5"),
        ("score_cam", {"chunk": "many"}, "must be of type int; got 'many'"),
        ("score_cam", {"chunk": True}, "must be of type int; got True"),
        ("score_cam", {"chunk": float("inf")}, "must be of type int; got inf"),
        ("score_cam", {"chunk": None}, "must be of type int; got None"),
        ("grad_cam_pp", {"normalise_alpha": "maybe"}, "must be of type bool; got 'maybe'"),
        ("fem", {"sigmas": "wide"}, "must be of type float; got 'wide'"),
    ],
)
def test_options_that_do_not_fit(method: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        find_method(method).checked(options)


def test_options_are_read_from_text() -> None:
    given = {"chunk": "16", "baseline": "blur"}
    assert find_method("score_cam").checked(given) == {"chunk": 16, "baseline": "blur"}
    assert find_method("fem").checked({"sigmas": "1.5"}) == {"sigmas": 1.5}
    assert find_method("ss_cam").checked({"samples": 4.0, "noise": 1}) == {"samples": 4, "noise": 1.0}
    for text, value in (("true", True), ("False", False), (True, True)):
        assert find_method("grad_cam_pp").checked({"normalise_alpha": text}) == {"normalise_alpha": value}


def test_options_of_other_types_are_handed_on_and_plain_ones_take_the_type_of_their_default() -> None:
    @fm.method(paper="none")
    def loose(
        activations, *, power=2.0, sizes: tuple[int, ...] = (), mode: Literal["a", 3] = "a", top: int | None = None
    ):  # type: ignore[no-untyped-def]
        """Options as a notebook writes them."""
        return activations.sum(1)

    checked = find_method(loose).checked
    assert checked({"power": "3", "sizes": (1, 2), "mode": 3, "top": None}) == {
        "power": 3.0,
        "sizes": (1, 2),
        "mode": 3,
        "top": None,
    }
    with pytest.raises(OptionError, match="option 'power' of method 'loose' must be of type float; got 'high'"):
        checked({"power": "high"})


def test_a_method_of_the_users_own_is_explained_with_only_what_it_names() -> None:
    forwards: list[bool] = []

    @fm.method(paper="my own")
    def energy(activations: Tensor, *, power: float = 2.0) -> Tensor:
        """Σ |A|^power."""
        return activations.abs().pow(power).sum(1)

    @fm.method(paper="my own")
    def doubled(activations: Tensor, gradients: Tensor) -> Tensor:
        """Twice g·A."""
        return 2 * (gradients * activations).sum(1)

    model = Little()
    model.features.register_forward_hook(lambda _, __, out: forwards.append(out.requires_grad))
    scope = fm.Scope(model)
    record = scope.record(noise(2), "features", target=1)
    maps, gradients = record.activations["features"], record.gradients["features"]
    scope.layers(noise(1))
    forwards.clear()
    heat = scope.explain(noise(2), energy, layer="features", power=3)
    torch.testing.assert_close(heat.tensor, maps.abs().pow(3).sum(1))
    assert forwards == [False]
    heat = scope.explain(noise(2), "doubled", layer="features", target=1)
    torch.testing.assert_close(heat.tensor, 2 * (gradients * maps).sum(1))
    assert torch.equal(energy(maps), fm.METHODS["energy"].formula(maps))
