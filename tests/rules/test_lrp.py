import gc
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import featuremaps as fm
from featuremaps.plotting.rendering import is_remark
from featuremaps.rules.composites import COMPOSITES, LrpSettings, winning
from featuremaps.rules.lrp import Excitation, Relevance
from method_samples import noise
from relevance_samples import SPELLINGS, Spelt, gradient, propagator, randomised, vgg

ALL = tuple(COMPOSITES)


def relevance(composite: str = "epsilon", **settings: object) -> Relevance:
    return Relevance(COMPOSITES[composite](LrpSettings(**settings)))


def back(run, x: Tensor, arriving: Tensor | None = None, rule: Relevance | None = None) -> Tensor:
    """What a function of one tensor sends back of what arrives at its output."""
    x = x.clone().requires_grad_()
    with rule or relevance():
        output = run(x)
    return torch.autograd.grad(output, x, output.detach() if arriving is None else arriving)[0]


@pytest.mark.parametrize("composite", ALL)
def test_every_spelling_gives_the_same_relevance(composite: str) -> None:
    pictures = noise()
    found = [propagator(Spelt(way), pictures, 1)(relevance(composite)) for way in SPELLINGS]
    assert found[0].abs().max() > 0
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_model_gives_what_it_gives_without_a_rule(spelling: str) -> None:
    model, pictures = Spelt(spelling), noise()
    with relevance("gamma") as rule, torch.enable_grad():
        scores = model(pictures.requires_grad_())
    torch.testing.assert_close(scores, model(pictures))
    assert rule.replaced["conv"] == 2
    assert rule.warning() is None


@pytest.mark.parametrize(
    "activation", [F.gelu, F.silu, F.leaky_relu, torch.sigmoid, torch.tanh, F.relu6, nn.PReLU(), F.hardswish]
)
def test_activations_pass_relevance_unchanged(activation) -> None:
    x, arriving = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(back(activation, x, arriving), arriving)


def test_norms_pass_relevance_unless_they_follow_a_linear_operation() -> None:
    x, arriving = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    norms = (randomised(nn.BatchNorm2d(4)), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4), nn.LayerNorm(3))
    for norm in norms:
        torch.testing.assert_close(back(norm, x, arriving), arriving)


def test_a_sum_is_shared_in_proportion() -> None:
    a, b = torch.tensor([3.0, -1.0, 2.0]).requires_grad_(), torch.tensor([1.5, 3.0]).requires_grad_()
    with relevance():
        total = a[:, None] + b[None]
    found = torch.autograd.grad(total, [a, b], torch.ones(3, 2))
    a, b = a.detach()[:, None], b.detach()[None]
    torch.testing.assert_close(found[0], (a / (a + b)).sum(1), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[1], (b / (a + b)).sum(0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("run", "shares"),
    [
        (lambda a, b: torch.add(a, b, alpha=2), (3 / 7, 4 / 7)),
        (lambda a, b: a - b, (3.0, -2.0)),
        (lambda a, b: torch.sub(a, b, alpha=0.5), (1.5, -0.5)),
        (lambda a, b: a * b, (0.5, 0.5)),
        (lambda a, b: a / b, (1.0, 0.0)),
        (lambda a, b: torch.stack([a, b]).sum(0), (0.6, 0.4)),
        (lambda a, b: sum([a, b]), (0.6, 0.4)),
        (lambda a, b: torch.cat([a, b]).mean(0, keepdim=True), (0.6, 0.4)),
        (lambda a, b: torch.cat([a, b]).amax(0, keepdim=True), (1.0, 0.0)),
    ],
)
def test_two_terms_or_factors_share(run, shares: tuple[float, float]) -> None:
    a, b = torch.tensor([3.0]).requires_grad_(), torch.tensor([2.0]).requires_grad_()
    with relevance():
        output = run(a, b)
    found = torch.autograd.grad(output, [a, b], torch.ones(1), allow_unused=True)
    assert [0.0 if value is None else value.item() for value in found] == pytest.approx(shares, rel=1e-4)


@pytest.mark.parametrize(
    "run",
    [
        lambda x: x + 1,
        lambda x: x + torch.ones(3, 1),
        lambda x: 1 - x,
        lambda x: 2 * x,
        lambda x: x * nn.Parameter(torch.tensor([2.0])),
        lambda x: (x - 0.4) / 0.2,
        lambda x: x.mul(3).add_(1).div_(2),
    ],
)
def test_constants_take_nothing(run) -> None:
    x, arriving = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    torch.testing.assert_close(back(run, x, arriving), arriving)


def test_a_constant_that_repeats_the_values_collects_their_relevance() -> None:
    found = back(lambda x: x * torch.ones(3, 1), torch.randn(1, 4), torch.ones(3, 4))
    torch.testing.assert_close(found, torch.full((1, 4), 3.0))


@pytest.mark.parametrize(
    "pool",
    [
        lambda x: F.avg_pool2d(x, 2),
        lambda x: F.avg_pool2d(x, 3, 2, 1),
        lambda x: F.adaptive_avg_pool2d(x, (2, 3)),
        lambda x: x.mean((2, 3)),
        lambda x: torch.mean(input=x, dim=2, keepdim=True),
        lambda x: x.sum(3),
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.adaptive_max_pool2d(x, 2),
        lambda x: F.interpolate(x, scale_factor=2),
        lambda x: x.flatten(2).transpose(1, 2),
    ],
)
def test_pooling_keeps_the_sum(pool) -> None:
    x = torch.rand(2, 3, 6, 6) + 0.1
    arriving = torch.rand_like(pool(x))
    torch.testing.assert_close(back(pool, x, arriving).sum(), arriving.sum(), rtol=1e-4, atol=1e-4)


def test_what_is_padded_with_zeros_keeps_what_arrives_there() -> None:
    arriving = torch.rand(2, 3, 6, 8)
    found = back(lambda x: F.pad(x, (1, 1, 2, 2))[:, :, ::2], torch.rand(2, 3, 8, 6), arriving)
    torch.testing.assert_close(found[:, :, ::2], arriving[:, :, 1:-1, 1:-1])
    assert found[:, :, 1::2].abs().sum() == 0


def test_an_average_is_shared_by_the_values() -> None:
    x = torch.tensor([[1.0, 3.0, -2.0]])
    found = back(lambda x: x.mean(1), x, torch.ones(1))
    torch.testing.assert_close(found, x / 2, rtol=1e-4, atol=1e-4)


def test_values_changed_in_place_after_an_average_do_not_matter() -> None:
    def gated(x: Tensor) -> Tensor:
        x = x.relu()
        average = x.mean(1, keepdim=True)
        x += 5
        return torch.cat([average, x[:, :0]], 1)

    torch.testing.assert_close(
        back(gated, torch.tensor([[1.0, 3.0]]), torch.ones(1, 1)), torch.tensor([[0.25, 0.75]]), rtol=1e-4, atol=1e-4
    )


def test_a_batch_norm_is_folded_into_the_operation_before_it() -> None:
    conv, norm = randomised(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    merged = torch.nn.utils.fuse_conv_bn_eval(conv, norm)
    x, arriving = noise(size=(6, 6)), torch.randn(2, 4, 4, 4)
    for composite in ALL:
        expected = back(merged, x, arriving, relevance(composite))
        found = back(lambda x: norm(conv(x)), x, arriving, relevance(composite))
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_a_batch_norm_after_anything_else_is_not_folded() -> None:
    conv, norm = randomised(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    x, arriving = noise(size=(6, 6)), torch.randn(2, 4, 4, 4)
    expected = back(conv, x, arriving)
    for between in (torch.relu, torch.relu_, lambda x: x + 1, lambda x: F.max_pool2d(x, 1)):
        torch.testing.assert_close(back(lambda x, between=between: norm(between(conv(x))), x, arriving), expected)


def test_a_batch_norm_is_folded_into_a_copied_output() -> None:
    conv, norm = randomised(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    x, arriving = noise(size=(6, 6)), torch.randn(2, 4, 4, 4)
    expected = back(lambda x: norm(conv(x)), x, arriving)
    torch.testing.assert_close(back(lambda x: norm(conv(x).clone()), x, arriving), expected)


def test_an_output_used_beside_its_batch_norm_receives_both() -> None:
    conv, norm = randomised(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))
    x, arriving = noise(size=(6, 6)), torch.randn(2, 4, 4, 4)

    def both(x: Tensor) -> Tensor:
        out = conv(x)
        return torch.cat([norm(out), out], 1)

    expected = back(lambda x: norm(conv(x)), x, arriving) + back(conv, x, 2 * arriving)
    torch.testing.assert_close(back(both, x, torch.cat([arriving, 2 * arriving], 1)), expected, rtol=1e-4, atol=1e-5)


def test_only_the_layer_that_sees_the_picture_is_first() -> None:
    model = randomised(vgg())
    flat = propagator(model, noise(), 0)(relevance("epsilon_plus_flat"))
    plus = propagator(model, noise(), 0)(relevance("epsilon_plus"))
    torch.testing.assert_close(flat.sum(1)[:, 2:-2, 2:-2] / 3, flat[:, 0, 2:-2, 2:-2])  # alike for every colour
    assert not torch.allclose(plus[:, 0], plus[:, 1])


class Convolutions(TorchDispatchMode):
    """Counts convolutions, and transposed ones on the way back."""

    def __init__(self) -> None:
        super().__init__()
        self.forward = self.back = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.forward += func is torch.ops.aten.convolution.default
        self.back += func is torch.ops.aten.convolution_backward.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("composite", "forward", "backward"), [("epsilon", 0, 3), ("epsilon_plus", 3, 3), ("gamma", 3, 3)]
)
def test_no_convolution_runs_more_often_than_its_rule_needs(composite: str, forward: int, backward: int) -> None:
    """Three convolutions; the terms for negative inputs, which only the first has, are convolved side by side."""
    x = noise().requires_grad_()
    with relevance(composite):
        score = randomised(vgg())(x)[:, 0]
    with Convolutions() as counted:
        torch.autograd.grad(score.sum(), x)
    assert (counted.forward, counted.back) == (forward, backward)


def test_a_graph_can_be_sent_back_through_twice() -> None:
    x = noise().requires_grad_()
    for rule in (relevance("gamma"), Excitation(winning(contrastive=True))):
        with rule:
            scores = randomised(vgg())(x)
        found = [torch.autograd.grad(scores[:, 1].sum(), x, retain_graph=True)[0] for _ in range(2)]
        assert torch.equal(*found)


def test_nothing_is_held_after_a_pass() -> None:
    x = noise().requires_grad_()
    rule = relevance("gamma")
    with rule:
        model = randomised(vgg())
        inner = model[:3](x)
        watcher = weakref.ref(inner)
        score = model[3:](inner)[:, 0].sum()
    torch.autograd.grad(score, x)
    gc.disable()
    try:
        del inner, score
        assert watcher() is None
    finally:
        gc.enable()


def test_no_gradient_of_a_weight_is_taken() -> None:
    model = randomised(vgg())
    with relevance():
        scores = model(noise().requires_grad_())
    weights = torch.autograd.grad(scores.sum(), list(model[0].parameters()), allow_unused=True)
    assert weights == (None, None)


def test_what_has_no_rule_is_counted_in_the_warning() -> None:
    class Summing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Linear(3, 8), nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.embed(x.flatten(2).mT).cumsum(1).cumsum(2)
            return self.head(torch.exp(tokens).mean(1))

    rule = relevance()
    propagator(randomised(Summing()), noise(size=(4, 4)), 0)(rule)
    assert rule.warning() == (
        "layer-wise relevance propagation has no rule for 2 cumsum, 1 exp, which kept their own gradient: "
        "what arrives at the picture does not add up to what was sent back."
    )


@pytest.mark.parametrize(
    ("run", "kind"),
    [
        (lambda x: torch.cdist(torch.ones(3, 3), x), "distance"),
        (lambda x: x.log_softmax(1), "log_softmax"),
        (lambda x: x**2, "pow"),
        (lambda x: torch.cumsum(x, 0), "cumsum"),
        (lambda x: torch.linalg.inv(x), "linalg_inv"),
        (lambda x: x.std(1), "std"),
    ],
)
def test_operations_without_a_rule_are_counted_wherever_the_input_stands(run, kind: str) -> None:
    rule = relevance()
    back(run, torch.rand(3, 3), rule=rule)
    assert rule.kept == {kind: 1}


def test_complex_numbers_keep_their_gradient_and_are_counted() -> None:
    class Fourier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.factor = nn.Conv2d(3, 4, 3), nn.Parameter(torch.randn(4, 1, 1, dtype=torch.complex64))

        def forward(self, x: Tensor) -> Tensor:
            frequencies = torch.fft.rfft2(self.conv(x))
            return torch.fft.irfft2(frequencies * self.factor + 1j).sum((2, 3))

    scope = fm.Scope(Fourier().eval())
    for method in ("lrp", "excitation_backprop"):
        heat = scope.explain(noise(1), method, target=1)
        assert any("1 fft_rfft2" in note and "1 mul" in note for note in heat.warnings[0])
        assert heat.tensor.isfinite().all()


def test_operations_that_no_relevance_reaches_are_not_counted() -> None:
    rule = relevance()
    back(lambda x: (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True) + 1).sqrt(), torch.rand(3, 3), rule=rule)
    assert rule.warning() is None


def test_what_is_overwritten_on_the_way_is_said() -> None:
    class Overwriting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3, bias=False), nn.Linear(4, 2, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            maps = self.conv(x).relu()
            return self.head(torch.where(torch.arange(6) < 3, maps, torch.ones(6)).mean((2, 3)))

    heat = fm.Scope(randomised(Overwriting())).explain(noise(size=(8, 8)), "lrp", target=0, composite="epsilon")
    assert "of what was sent back where the model overwrites or selects values" in heat.warnings[0][0]


def test_a_model_without_anything_to_act_on_is_said_to_be_one() -> None:
    rule = relevance()
    back(lambda x: x.flatten(1)[:, :1], noise(), rule=rule)
    assert rule.warning() == (
        "layer-wise relevance propagation found nothing to act on: this is the plain gradient times what was sent back."
    )


def test_smooth_activations_have_a_rule_and_no_warning() -> None:
    rule = relevance()
    model = randomised(nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(784, 2)))
    propagator(model, noise(), 0)(rule)
    assert rule.warning() is None


@pytest.mark.parametrize("composite", ALL)
def test_the_score_is_what_arrives_and_what_biases_keep(composite: str) -> None:
    for model in (randomised(vgg()), Spelt("functional")):
        rule, pictures = relevance(composite), noise().double()
        found = propagator(model.double(), pictures, 1)(rule)
        scores = model(pictures)[:, 1].detach()
        torch.testing.assert_close(found.sum() + rule.ledger.total(), scores.sum(), rtol=1e-5, atol=1e-5)
        kept = rule.remarks["relevance kept by biases"]
        torch.testing.assert_close(found.sum((1, 2, 3)) + kept, scores, rtol=1e-5, atol=1e-5)


def test_what_biases_keep_is_not_a_number_where_some_was_lost() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(64, 2), nn.LogSoftmax(1))
    rule = relevance()
    propagator(randomised(model), noise(size=(6, 6)), 0)(rule)
    assert rule.kept == {"log_softmax": 1}
    assert rule.remarks["relevance kept by biases"].isnan().all()


@pytest.mark.parametrize("composite", ALL)
def test_autocast_and_a_double_default_change_nothing(composite: str) -> None:
    """Neither what the caller runs in nor what new tensors are made of is the model's own precision."""
    scope, pictures = fm.Scope(randomised(vgg()).eval()), noise()
    exact = scope.explain(pictures, "lrp", target=1, composite=composite).tensor
    with torch.autocast("cpu", torch.bfloat16):
        lowered = scope.explain(pictures, "lrp", target=1, composite=composite).tensor
    torch.set_default_dtype(torch.float64)
    try:
        doubled = scope.explain(pictures, "lrp", target=1, composite=composite).tensor
    finally:
        torch.set_default_dtype(torch.float32)
    assert lowered.dtype == doubled.dtype == torch.float32
    assert torch.equal(lowered, exact)
    assert torch.equal(doubled, exact)


def test_without_biases_the_epsilon_rule_is_input_times_gradient() -> None:
    """Ancona et al. 2018, proposition 3.1: with ReLU and ε → 0 the two are one, biases or not."""
    for spelling in SPELLINGS:
        model, pictures = Spelt(spelling).double(), noise().double()
        found = propagator(model, pictures, 2)(relevance(epsilon=1e-12))
        expected = pictures * gradient(model, pictures, 2)
        assert (found - expected).norm() < 1e-4 * expected.norm()


@pytest.mark.parametrize("composite", [*ALL, "excitation"])
def test_the_opposite_of_one_score_is_a_score_of_its_own(composite: str) -> None:
    """A minus after a linear operation is that of the opposite weights: one logit for two names equals two logits."""

    class Scores(nn.Module):
        def __init__(self, head: nn.Linear) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.head = nn.Conv2d(3, 6, 3), head

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.conv(x).relu().mean((2, 3)))

    single, both = nn.Linear(6, 1), nn.Linear(6, 2)
    both.load_state_dict({name: torch.cat([-value, value]) for name, value in single.state_dict().items()})
    pictures = torch.rand(2, 3, 12, 12)
    method, options = ("lrp", {"composite": composite}) if composite in ALL else ("excitation_backprop", {})
    scopes = [fm.Scope(Scores(head).eval(), classes=["healthy", "ill"]) for head in (single, both)]
    for target in ("healthy", "ill"):
        made = [scope.explain(pictures, method, target=target, **options) for scope in scopes]
        torch.testing.assert_close(made[0].tensor, made[1].tensor)
        assert all(is_remark(note) for notes in made[0].warnings for note in notes)


TURNED = (
    torch.neg,
    lambda y: y * -1,
    lambda y: 0 - y,
    lambda y: torch.rsub(y, 0),
    lambda y: torch.add(torch.zeros(1), y, alpha=-1),
    lambda y: y / -torch.ones(1),
    lambda y: y.neg_(),
)


def signed_rules() -> list[Relevance]:
    return [relevance("z_plus"), relevance("epsilon_alpha2_beta1"), Excitation(winning(contrastive=False))]


@pytest.mark.parametrize("turn", TURNED)
def test_a_minus_after_a_linear_operation_is_folded_into_it(turn) -> None:
    conv, opposite, x = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), torch.rand(2, 3, 6, 6)
    opposite.load_state_dict({name: -value for name, value in conv.state_dict().items()})
    for rule, plain in zip(signed_rules(), signed_rules(), strict=True):
        arriving = torch.rand(2, 4, 4, 4)
        torch.testing.assert_close(back(lambda x: turn(conv(x)), x, arriving, rule), back(opposite, x, arriving, plain))
        assert rule.warning() is None


@pytest.mark.parametrize("turn", [torch.neg, lambda y: 1 - y, lambda y: y * torch.tensor([1.0, -1.0])])
def test_a_minus_elsewhere_is_said_where_rules_ask_for_signs(turn) -> None:
    conv, x = nn.Conv2d(3, 2, 3), torch.rand(1, 3, 6, 6)
    for rule in (*signed_rules(), relevance("epsilon_plus")):
        back(lambda x: turn(conv(x).relu().mean((2, 3))), x, rule=rule)
        assert "turns it round 1 time" in rule.warning()
    for rule in (relevance("epsilon"), relevance("epsilon_gamma_box")):
        back(lambda x: turn(conv(x).relu().mean((2, 3))), x, rule=rule)
        assert rule.warning() is None
