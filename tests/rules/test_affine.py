import pytest
import torch
import torch.nn.functional as F
from torch import nn

from featuremaps.rules.affine import affine_of, with_batch_norm
from relevance_samples import LAYERS, operations

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")


@pytest.mark.parametrize("name", LAYERS)
def test_it_is_the_layer_and_its_transpose(name: str) -> None:
    module, shape = LAYERS[name]
    x = torch.randn(shape).requires_grad_()
    layer = affine_of(operations(module, x)[0])
    weight, bias = layer.parameters(torch.float32)
    output = module(x)
    torch.testing.assert_close(layer(x, weight, bias), output)
    y = torch.randn_like(output)
    torch.testing.assert_close(layer.transposed(y, x.shape, weight), torch.autograd.grad(output, x, y)[0])


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("name", [name for name in LAYERS if "sequence" not in name])
def test_a_batch_norm_is_folded_in(name: str, affine: bool) -> None:
    module, shape = LAYERS[name]
    x = torch.randn(shape)
    norm = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[x.ndim]
    after = norm(module(x).shape[1], affine=affine).eval()
    after.running_mean.normal_()
    after.running_var.uniform_(0.5, 2)
    if affine:
        nn.init.normal_(after.weight)
        nn.init.normal_(after.bias)
    first, second = operations(lambda x: after(module(x)), x)
    layer = with_batch_norm(affine_of(first), second)
    torch.testing.assert_close(layer(x, *layer.parameters(torch.float32)), after(module(x)), rtol=1e-4, atol=1e-5)


def test_a_batch_norm_is_not_folded_where_it_means_something_else() -> None:
    sequence = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4)).eval()
    dense, norm = operations(sequence, torch.randn(2, 4, 5))
    assert with_batch_norm(affine_of(dense), norm) is None
    of_the_batch = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, track_running_stats=False)).eval()
    conv, norm = operations(of_the_batch, torch.randn(2, 2, 5, 5))
    assert with_batch_norm(affine_of(conv), norm) is None


def test_a_product_with_a_constant_matrix_is_a_dense_layer() -> None:
    x, weight = torch.randn(2, 3, 5).requires_grad_(), torch.randn(5, 4)
    layer = affine_of(operations(lambda x: x @ weight, x)[0])
    assert layer.kind == "linear"
    torch.testing.assert_close(layer(x, *layer.parameters(torch.float32)), x @ weight)
    assert affine_of(operations(lambda x: x @ x.mT, x)[0]) is None


def test_weights_made_from_the_input_are_no_linear_operation() -> None:
    x = torch.randn(1, 2, 5, 5).requires_grad_()
    assert affine_of(operations(lambda x: F.conv2d(x, x[:, :, :3, :3] * 2), x)[-1]) is None


def test_arguments_may_be_named() -> None:
    x, weight = torch.randn(1, 2, 7, 7).requires_grad_(), torch.randn(3, 2, 3, 3)
    run = lambda x: F.conv2d(input=x, weight=weight, stride=2, padding=(1,))  # noqa: E731
    layer = affine_of(operations(run, x)[0])
    y = torch.randn_like(run(x))
    torch.testing.assert_close(layer.transposed(y, x.shape, weight), torch.autograd.grad(run(x), x, y)[0])
