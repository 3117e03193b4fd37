"""What each of PyTorch's elementary operations does to strides and receptive fields: one small rule per family.

Rules go by operation, not by module type, so `nn.MaxPool2d`, `F.max_pool2d` and `x[:, :, ::2, ::2]` are all seen.
An operation without a rule is element by element where torch says so; otherwise it may see the whole picture.
"""

import torch
from torch._ops import OpOverload

from featuremaps.receptive_field import sampling_rules, view_rules, window_rules
from featuremaps.receptive_field.call import Call, FieldRule
from featuremaps.receptive_field.field_algebra import Field, blurred, channels, contracted, everywhere, merged

ATTENTION = frozenset({"_native_multi_head_attention", "_transformer_encoder_layer_fwd"})
PRODUCTS = {
    "mm": ("self", "mat2"),
    "bmm": ("self", "mat2"),
    "addmm": ("mat1", "mat2"),
    "baddbmm": ("batch1", "batch2"),
    "matmul": ("self", "other"),
    "linear": ("input", "weight"),
    "mkldnn_linear": ("self", "weight"),
}
GATES = frozenset({"mul", "div", "mul_", "div_"})
NORMALISING = frozenset(
    {"native_layer_norm", "native_group_norm", "native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm"}
)
ACTIVATIONS = frozenset({"relu", "hardtanh", "hardswish", "silu", "gelu", "leaky_relu", "elu", "mish", "clamp_min"})
SPREADING = frozenset({"_softmax", "_safe_softmax", "_log_softmax", "cumsum", "cumprod", "logcumsumexp"})
RECURRENT = frozenset({"mkldnn_rnn_layer", "_cudnn_rnn", "miopen_rnn"})
POINTWISE = frozenset(
    {"alias", "clone", "contiguous", "detach", "_to_copy", "as_strided_", "hardswish", "hardswish_", "_prelu_kernel"}
    | {"native_dropout", "bernoulli", "complex", "log_sigmoid_forward", "lift_fresh", "fill_", "zero_", "tril", "triu"}
)
"""Element by element too, though torch does not say so."""
# The same elements in another order or under another shape.
MOVING = frozenset(
    window_rules.SHUFFLES
    | view_rules.RULES.keys()
    | {"clone", "contiguous", "alias", "detach", "_to_copy", "as_strided", "as_strided_"}
)


def is_constant(op: str) -> bool:
    """Whether the result does not depend on the values of the tensor arguments."""
    return op.endswith("_like") or op.startswith("new_")


def is_attention(op: str) -> bool:
    """Whether this is a fused attention."""
    return op in ATTENTION or op.startswith("_scaled_dot_product")


def is_pointwise(func: OpOverload) -> bool:
    """Whether each value comes from those at its own place; torch 2.6 does not say that of every activation."""
    return torch.Tag.pointwise in func.tags or func._schema.name.removeprefix("aten::").rstrip("_") in ACTIVATIONS


def mixes(op: str) -> bool:
    """Whether the operation computes new features: a convolution, a matrix product or an attention."""
    return op == "convolution" or op in PRODUCTS or is_attention(op)


def is_reduction(call: Call) -> bool:
    """Whether the operation summarises dimensions: a mean, a sum, a maximum."""
    return "keepdim" in call.args or (call.results[0] == () and len(call.inputs) == 1)


def pools(call: Call, result: Field) -> bool:
    """Whether this is a global or adaptive pooling over the picture."""
    if call.op in window_rules.ADAPTIVE:
        return True
    summarises = is_reduction(call) or call.op.startswith("avg_pool")
    return summarises and call.subject.positions > 1 and result.positions == 1


def is_spatial(call: Call) -> bool:
    """Whether this is a convolution that looks at neighbours, after which a pooled map is a map again."""
    return call.op == "convolution" and max(call.args["weight"].shape[2:]) > 1 and call.subject.positions > 1


def classifies(call: Call, before: bool, featured: bool) -> bool:
    """Whether the values may be class scores or a picture: made by a pointwise mixing, or by a convolution to fewer
    channels, and no features since, by an activation after a normalisation or a convolution that looks at neighbours.
    """
    if call.op == "convolution":
        return bool(max(call.args["weight"].shape[2:]) == 1) or call.results[0][1] < call.args["input"].shape[1]
    return call.op in PRODUCTS or (before and not (featured and call.op.rstrip("_") in ACTIVATIONS))


def apply(call: Call) -> Field | list[Field]:
    """The fields of the operation's results."""
    if call.op in RULES:
        return RULES[call.op](call)
    if is_attention(call.op):
        return _attention(call)
    if call.op in PRODUCTS:
        return _product(call)
    if call.op.startswith(("upsample_", "_upsample_")):
        return window_rules.upsample(call)
    if call.op.endswith(("_pad1d", "_pad2d", "_pad3d")):
        return view_rules.pad(call)
    if call.op in SPREADING:
        spread = contracted(call.subject, [call.args["dim"]])
        return merged([call.subject, spread], call.results[0])
    if call.op in RECURRENT:
        return _recurrent(call)
    if is_reduction(call):
        return _reduction(call)
    if call.pointwise or call.op in POINTWISE:
        return _element_by_element(call)
    return everywhere(call.subject, call.results[0])


def _element_by_element(call: Call) -> Field:
    shape = call.results[0]
    fits = all(
        len(field.dims) <= len(shape)
        and all(mine in (1, theirs) for mine, theirs in zip(field.shape[::-1], shape[::-1], strict=False))
        for field in call.inputs
    )
    if fits:
        return merged(call.inputs, shape, gate=call.op in GATES)
    return everywhere(call.subject, shape)


def _reduction(call: Call) -> Field:
    field, dims = call.subject, call.args.get("dim")
    if dims is None or dims == []:
        dims = list(range(len(field.dims)))
    dims = {dim % len(field.dims) for dim in (dims if isinstance(dims, list) else [dims])}
    field = contracted(field, dims)
    if call.args.get("keepdim"):
        return field
    return field._replace(dims=tuple(dim for index, dim in enumerate(field.dims) if index not in dims))


def _product(call: Call) -> Field:
    """A matrix product: the dimension summed over is mixed, the others keep their places.

    Where rows and columns are both of the picture, rows keep theirs, as queries have them, unless rows are channels.
    """
    shape = call.results[0]
    first, second = PRODUCTS[call.op]
    left, right = call.field(first), call.field(second)
    if left is not None and right is not None and _are_channels_by_places(left, right):
        seen = contracted(left, [-1]).with_dim(-1, right.dims[-1])
        return merged([seen, contracted(right, [-2]).with_dim(-2, channels(shape[-2]))], shape)
    if left is not None and right is not None:
        left = _rows_of_elsewhere(left, right)
    if left is not None:
        left = contracted(left, [-1]).with_dim(-1, channels(shape[-1]))
    if right is not None:
        right = contracted(right, [-2])
        if left is None:
            return right.with_dim(-2, channels(shape[-2]))
        right = blurred(right, -1, shape[-1])
    return merged([field for field in (left, right) if field is not None], shape)


def _rows_of_elsewhere(left: Field, right: Field) -> Field:
    """The rows without their places where each matrix is a window of the picture and they are not of its own.

    So are queries that are the same for all windows, as GC ViT makes of the whole picture.
    """
    if min(len(left.dims), len(right.dims)) < 3:
        return left
    windows = {axis for dim in right.dims[:-2] for axis in dim.axes}
    own = {axis for dim in left.dims[:-2] for axis in dim.axes}
    if own or not windows & left.dims[-2].axes:
        return left
    return blurred(left, -2, left.shape[-2])


def _are_channels_by_places(left: Field, right: Field) -> bool:
    """Whether a product has channels in its rows and places in its columns, as values × transposed attention."""
    matrices = min(len(left.dims), len(right.dims)) > 1
    return matrices and not left.dims[-2].axes and bool(right.dims[-1].axes)


def _attention(call: Call) -> Field:
    """Attention: every position of the query sees every position of keys and values."""
    shape, tokens = call.results[0], 1 if call.op in ATTENTION else -2
    seen = [contracted(field, [tokens, -1]) for field in call.inputs]
    query = call.field("query", "src")
    if query is not None:
        seen.append(query.with_dim(-1, channels(shape[-1])))
    return merged(seen, shape)


def _recurrent(call: Call) -> list[Field]:
    """A recurrent layer: every step of (step, batch, feature) stays at its place and may have seen all the others.

    oneDNN's is given the steps first whatever its argument says.
    """
    first = call.args.get("batch_first") and not call.op.startswith("mkldnn")
    field, steps = call.subject, 1 if first else 0
    seen = contracted(field, [steps, -1])
    shape = call.results[0]
    outputs = merged([seen, field.with_dim(-1, channels(shape[-1]))], shape)
    return [outputs, *(everywhere(seen, shape) for shape in call.results[1:])]


def _normalisation(call: Call) -> Field:
    """Normalisation: statistics taken over the picture multiply every position alike."""
    field = call.subject
    if call.op == "native_layer_norm":
        over = field.dims[-len(call.args["normalized_shape"]) :]
    elif call.op == "native_group_norm" or call.args.get("training"):
        over = field.dims[2:]
    else:
        over = ()
    moments = any(run.size > 1 for dim in over for run in dim.runs if run.axis is not None)
    return field._replace(gated=field.gated or moments)


RULES: dict[str, FieldRule] = {
    **window_rules.RULES,
    **view_rules.RULES,
    **sampling_rules.RULES,
    **dict.fromkeys(NORMALISING, _normalisation),
}
