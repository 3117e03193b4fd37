"""The layers of a model as they ran: one forward pass finds their names, sizes, strides and receptive fields.

Found by running, so a functional pooling or a strided slice counts as much as a module does.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from featuremaps.errors import LayoutError, ModelError
from featuremaps.layers.attention_trace import AttentionTrace
from featuremaps.layers.given import GivenLayout
from featuremaps.layers.info import LOST, UNREACHED, LayerInfo
from featuremaps.layers.last_map import Candidate, choose
from featuremaps.layers.layout import LIKELY, Layout
from featuremaps.layers.levels import Together, note_together
from featuremaps.layers.listing import Layers
from featuremaps.layers.model_ends import main_tensor
from featuremaps.layers.model_output import TOGETHER, followed, given_beside
from featuremaps.layers.picture_order import PictureOrder
from featuremaps.layers.reaching import last_reaching
from featuremaps.layers.traced_layout import traced_layout, why_no_map
from featuremaps.receptive_field import Dataflow, Field, Trace
from featuremaps.running import run as run_model
from featuremaps.session import preserved, unwrapped

SEQUENCES = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
Inputs = Shaped[Tensor, "batch ..."] | tuple[Any, ...]


@dataclass
class Visit:
    """One call of one module, noted as it completed.

    `alone`: whether it gave a tensor, and no tuple that begins with one; None where it gave something else.
    """

    name: str
    module: nn.Module
    call: int
    shape: tuple[int, ...] | None
    layout: Layout | None
    trace: Trace | None
    alone: bool | None
    formula: str | None = None
    note: str = ""


def walk(model: nn.Module, inputs: Inputs, given: GivenLayout | None = None) -> Layers:
    """The layers of `model` as they run on `inputs`, a batch (batch, channel, *spatial) or a tuple of arguments.

    `given` is how the user says that they lie, where a trace does not tell. Three forward passes in evaluation
    mode, the last behind four other pictures; a model with tokens takes one more, with a backward pass, to find which
    patch tokens reach the output. The model is left as it was, also where its forward pass raises.
    """
    model = unwrapped(model)
    arguments = inputs if isinstance(inputs, tuple) else (inputs,)
    _check_picture_among(arguments)
    visits: list[Visit] = []
    together: list[Together] = []
    with preserved(model) as session, torch.no_grad():
        # A model may write to its input, which belongs to the caller.
        copies = tuple(item.clone() if isinstance(item, Tensor) else item for item in arguments)
        flow = Dataflow([item for item in copies if _is_picture(item)])
        calls: Counter[str] = Counter()
        attention = AttentionTrace(flow)
        for name, module in model.named_modules():
            if name:
                session.before_forward(module, partial(_entered, attention, name))
                session.on_forward(module, partial(_visit, visits, calls, attention, name, given))
                session.on_forward(module, partial(note_together, together, flow))
        with flow, attention:
            output = run_model(model, *copies)
    rows = PictureOrder({(visit.name, visit.call): 1 for visit in visits if visit.layout and visit.layout.batch_axis})
    with preserved(model) as session, torch.no_grad():
        for name, module in model.named_modules():
            if name:
                session.on_forward(module, partial(rows.hear, name))
        beside = given_beside(model, arguments, rows.begin)
    _compare_pictures(visits, rows)
    holders = _holders(model)
    infos = tuple(
        _info(visit, calls[visit.name], order, flow, visit.name not in holders) for order, visit in enumerate(visits)
    )
    candidates = [
        Candidate(info, visit.trace.step if visit.trace else None, _nesting(model, info.module_name), visit.alone)
        for info, visit in zip(infos, visits, strict=True)
        if visit.alone is not None
    ]
    if given is not None and not any(visit.note for visit in visits):
        given.check_used(info.layout for info in infos)
    choice = choose(candidates, flow, output, partial(last_reaching, model, arguments, infos), together)
    ran = set(calls)
    return Layers(
        infos,
        type(model).__name__,
        choice.last,
        choice.stages,
        _aliases(model),
        frozenset(name for name, _ in model.named_modules() if name and name not in ran),
        followed(output, flow, beside),
        attention.infos([visit.layout for visit in visits if visit.layout is not None]),
        choice.levels,
        tuple(attention.use.without),
    )


def _compare_pictures(visits: Sequence[Visit], rows: PictureOrder) -> None:
    """Say of the layers' layouts what several pictures showed: that they are in another order, or are not in there."""
    reordered, without = rows.changed(TOGETHER), rows.without(TOGETHER)
    for visit in visits:
        call = visit.name, visit.call
        if call in without:
            visit.layout = None
        elif visit.layout is not None and call in reordered:
            visit.layout = replace(visit.layout, reordered=True)


def _check_picture_among(arguments: Sequence[object]) -> None:
    if not any(_is_picture(item) for item in arguments):
        raise ModelError(
            "layers are found by running the model on a batch (batch, channel, height, width), but the input "
            f"has {', '.join(_described(item) for item in arguments) or 'nothing'}."
        )


def _is_picture(item: object) -> bool:
    return isinstance(item, Tensor) and item.ndim > 2


def _described(item: object) -> str:
    return f"shape {tuple(item.shape)}" if isinstance(item, Tensor) else f"a {type(item).__name__}"


def _nesting(model: nn.Module, name: str) -> int:
    """How deep a layer lies, not counting a sequence of parts unless it is itself one part of a sequence."""
    depth, inside_sequence, parts = 0, False, name.split(".")
    for count in range(1, len(parts)):
        sequence = type(model.get_submodule(".".join(parts[:count]))) in SEQUENCES
        depth += inside_sequence or not sequence
        inside_sequence = sequence
    return depth


def _aliases(model: nn.Module) -> dict[str, str]:
    """Other names of modules registered more than once, to the name under which they ran."""
    first = {id(module): name for name, module in model.named_modules()}
    every = model.named_modules(remove_duplicate=False)
    return {name: first[id(module)] for name, module in every if name and first[id(module)] != name}


def _visit(
    visits: list[Visit],
    calls: Counter[str],
    attention: AttentionTrace,
    name: str,
    given: GivenLayout | None,
    module: nn.Module,
    args: object,
    output: object,
) -> None:
    attention.leave(name)
    flow = attention.flow
    tensor = main_tensor(output)
    trace = None if tensor is None else flow.trace(tensor)
    shape, layout, note = None, None, ""
    if tensor is not None:
        shape = tuple(tensor.shape)
        try:
            layout = traced_layout(tensor, module, flow, trace, given)
        except LayoutError as error:  # the layout given does not fit: only of interest where this layer is asked for
            note = str(error)
    if (
        layout is not None
        and layout.known == LIKELY
        and trace is not None
        and attention.are_pairs(trace.step, layout.grid)
    ):
        layout = None
    formula = None if trace is None else flow.formula(trace.step, _given_at(args, flow, trace.step - 1))
    attention.saw(layout, None if trace is None else trace.field)
    begins = isinstance(output, tuple) and isinstance(next(iter(output), None), Tensor)
    alone = isinstance(output, Tensor) or (False if begins else None)
    visits.append(Visit(name, module, calls[name], shape, layout, trace, alone, formula, note))
    calls[name] += 1


def _entered(attention: AttentionTrace, name: str, module: nn.Module, _: object) -> None:
    if next(module.children(), next(module.parameters(), None)) is not None:  # no mere softmax or dropout
        attention.enter(name)


def _given_at(args: object, flow: Dataflow, otherwise: int) -> int:
    """The last step that a module's arguments come from."""
    traces = [flow.trace(item) for item in args if isinstance(item, Tensor)] if isinstance(args, tuple) else []
    return max((trace.step for trace in traces if trace is not None), default=otherwise)


def _holders(model: nn.Module) -> set[str]:
    """The modules that hold others; mere parameters are none."""
    lists = (nn.ParameterDict, nn.ParameterList)
    return {name.rpartition(".")[0] for name, module in model.named_modules() if not isinstance(module, lists)}


def _info(visit: Visit, calls: int, order: int, flow: Dataflow, leaf: bool) -> LayerInfo:
    placed = visit.trace.field if visit.trace else None
    layout = visit.layout if visit.trace else None
    stride, reach, start = _geometry(layout, placed, flow.picture)
    known = placed is not None and not placed.lost and not placed.moved
    no_map = why_no_map(placed, flow.picture) if layout is None else ""
    note = f"{LOST}: {visit.note}" if visit.note else no_map if known else _note(visit.trace, flow)
    return LayerInfo(
        name=visit.name if calls == 1 else f"{visit.name}#{visit.call}",
        type=type(visit.module).__name__,
        module_name=visit.name,
        call=visit.call,
        calls=calls,
        shape=visit.shape,
        layout=layout,
        channels=layout.channels if layout else None,
        size=layout.grid if layout else None,
        stride=stride,
        receptive_field=reach,
        start=start,
        gated=placed is not None and placed.gated,
        whole=placed is not None and placed.whole,
        formula=visit.formula if leaf else None,
        parameters=sum(parameter.numel() for parameter in visit.module.parameters()),
        depth=visit.name.count(".") + 1,
        order=order,
        note=note,
    )


Pixels = tuple[float, ...] | None


def _geometry(layout: Layout | None, placed: Field | None, picture: Sequence[int]) -> tuple[Pixels, Pixels, Pixels]:
    """Stride, receptive field and start in input pixels, as far as they are known."""
    lengths = picture[2:]
    if placed is None:
        return None, None, None
    reach = tuple(
        float(length) if axis.whole else axis.width for axis, length in zip(placed.reach, lengths, strict=True)
    )
    if layout is None or len(layout.grid) != len(lengths):  # a function reads maps (height, width) of a signal too
        return None, reach, None
    steps = [placed.step(axis) for axis in range(len(lengths))]
    if None not in steps:
        stride = tuple(step for step in steps if step is not None)
        return stride, reach, tuple(axis.centre for axis in placed.reach)
    # Places lost on the way: the grid is taken to cover the picture.
    stride = tuple(length / cells for length, cells in zip(lengths, layout.grid, strict=True))
    return stride, reach, tuple(step / 2 for step in stride)


def _tokens_of(field: Field) -> int:
    """How many tokens a sequence (batch, token, channel) has in which places were moved; 0 for anything else."""
    return field.shape[1] if field.moved and len(field.dims) == 3 else 0


def _note(trace: Trace | None, flow: Dataflow) -> str:
    if trace is None:
        return UNREACHED
    if trace.field is not None and (grids := flow.levels.get(_tokens_of(trace.field), ())):
        rows, columns = grids[0]
        return (
            f"maps of {', '.join('×'.join(map(str, grid)) for grid in grids)} places stand in it one after another: "
            f"layout=lambda tokens: tokens[:, :{rows * columns}].mT.unflatten(2, ({rows}, {columns})) reads the first"
        )
    if trace.field is not None and trace.field.moved:
        return f"{LOST}: an operation before it puts them in another order, or several on top of each other"
    lost = f" ({', '.join(sorted(flow.unfollowed)[:3])})" if flow.unfollowed else ""
    return f"{LOST}: an operation before it could not be followed{lost}"
