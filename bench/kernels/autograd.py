"""The compiled kernels as a differentiable function that `torch.vmap` and `torch.func.grad` support.

``vmap`` adds a dimension to some of the tensors. It becomes additional members of the same bank, so a bank written with
``vmap``, nested or not, is one call of the kernel.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from bench.kernels.dispatch import Inputs, Options
from bench.kernels.native import run_backward, run_forward

_OWN = (Inputs._fields.index("weight_hh"), *range(len(Inputs._fields), len(Inputs._fields) + 4))
"""Where `_Backward` has the slots and the upstream gradients, of which each member has its own, and a tensor of the
inputs, by which the members are counted."""


def _merge(
    size: int, dimensions: Sequence[int | None], tensors: Sequence[Tensor | None], own: Sequence[int] = ()
) -> list[Tensor | None]:
    """Make the `size` slices that ``vmap`` adds members of the bank; `own` are the places of what none may share."""
    moved = [
        tensor if tensor is None or dimension is None else tensor.movedim(dimension, 0)
        for tensor, dimension in zip(tensors, dimensions, strict=True)
    ]
    counts = [
        tensor.shape[0 if dimension is None else 1]
        for tensor, dimension in zip(moved, dimensions, strict=True)
        if tensor is not None
    ]
    members = max(counts)
    merged = []
    for place, (tensor, dimension) in enumerate(zip(moved, dimensions, strict=True)):
        if tensor is None or (dimension is None and len(tensor) == 1 and place not in own):
            merged.append(tensor)  # absent, or shared by all members before and after
            continue
        split = tensor.unsqueeze(0) if dimension is None else tensor
        rest = split.shape[2:]
        merged.append(split.expand(size, members, *rest).reshape(size * members, *rest))
    return merged


def _split(size: int, outputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The slices of ``vmap`` as first dimension again."""
    return tuple(output.unflatten(0, (size, -1)) for output in outputs)


class _Forward(torch.autograd.Function):
    """``(options, *inputs) -> (y, h, c, slots)``; see `bench.kernels.native.run_forward`."""

    @staticmethod
    def forward(options: Options, *inputs: Any) -> tuple[Tensor, ...]:
        return run_forward(options, Inputs(*inputs))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.options = inputs[0]
        ctx.save_for_backward(*inputs[1:], output[3])
        ctx.mark_non_differentiable(output[3])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:
        *inputs, slots = ctx.saved_tensors
        needed = ctx.needs_input_grad[1:]
        wanted = (needed[0], needed[1] or needed[2])
        gradients = _backward(ctx.options, wanted, *inputs, slots, *upstream[:3])
        results = [
            _shared(gradient, tensor) if need else None
            for gradient, tensor, need in zip(gradients, inputs, needed, strict=True)
        ]
        return None, *results

    @staticmethod
    def vmap(info: Any, in_dims: Sequence[Any], options: Options, *inputs: Tensor | None) -> tuple[Any, Any]:
        merged = _merge(info.batch_size, in_dims[1:], inputs)
        return _split(info.batch_size, _forward(options, *merged)), (0, 0, 0, 0)


class _Backward(torch.autograd.Function):
    """``(options, wanted, *inputs, slots, *upstream) -> gradients``; see `bench.kernels.native.run_backward`."""

    @staticmethod
    def forward(options: Options, wanted: tuple[bool, bool], *tensors: Any) -> tuple[Tensor, ...]:
        return run_backward(options, wanted, Inputs(*tensors[:7]), tensors[7], tensors[8:])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:
        raise NotImplementedError(
            "the compiled recurrent operators have first derivatives only; set BENCH_KERNELS=reference for higher ones"
        )

    @staticmethod
    def vmap(
        info: Any, in_dims: Sequence[Any], options: Options, wanted: tuple[bool, bool], *tensors: Tensor | None
    ) -> tuple[Any, Any]:
        merged = _merge(info.batch_size, in_dims[2:], tensors, _OWN)
        outputs = _split(info.batch_size, _backward(options, wanted, *merged))
        return outputs, (0,) * len(outputs)


class _PlainForward(torch.autograd.Function):
    """`_Forward` where no transform is active.

    With a `setup_context`, torch inspects the signature of `forward` at each call, a third of the time of a small one;
    without, it cannot transform the function.
    """

    @staticmethod
    def forward(ctx: Any, options: Options, *inputs: Any) -> tuple[Tensor, ...]:
        output = run_forward(options, Inputs(*inputs))
        _Forward.setup_context(ctx, (options, *inputs), output)
        return output

    backward = _Forward.backward


class _PlainBackward(torch.autograd.Function):
    """`_Backward` where no transform is active."""

    @staticmethod
    def forward(_ctx: Any, options: Options, wanted: tuple[bool, bool], *tensors: Any) -> tuple[Tensor, ...]:
        return _Backward.forward(options, wanted, *tensors)

    backward = _Backward.backward


def _forward(options: Options, *inputs: Tensor | None) -> tuple[Tensor, ...]:
    function = _Forward if _transformed() else _PlainForward
    outputs: tuple[Tensor, ...] = function.apply(options, *inputs)  # type: ignore[no-untyped-call]
    return outputs


def _backward(options: Options, wanted: tuple[bool, bool], *tensors: Tensor | None) -> tuple[Tensor, ...]:
    function = _Backward if _transformed() else _PlainBackward
    outputs: tuple[Tensor, ...] = function.apply(options, wanted, *tensors)  # type: ignore[no-untyped-call]
    return outputs


def _transformed() -> bool:
    """Whether this is inside `torch.vmap`, `torch.func.grad` or the like; `torch.autograd.Function` asks the same."""
    return bool(torch._C._are_functorch_transforms_active())


def _shared(gradient: Tensor, tensor: Tensor) -> Tensor:
    """The gradient to a tensor that the members may share, from theirs."""
    return gradient.sum(0, keepdim=True) if len(tensor) < len(gradient) else gradient


def apply(options: Options, inputs: Inputs) -> tuple[Tensor, Tensor, Tensor]:
    """All steps, and the last states ``h`` and ``c``, differentiable; see `bench.kernels.native.run_forward`."""
    y, h, c, _ = _forward(options, *inputs)
    return y, h, c
