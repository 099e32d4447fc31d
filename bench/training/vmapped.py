"""Whether the members of any module can be called as one by `torch.vmap`, and the call.

Layers that torch computes in another way for a batch of weights, draws them at random, or changes a buffer while it
trains, stand in the way; constant buffers do not, and those in which members differ are stacked.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from bench.kernels.modules import Layers
from bench.models.base import Shape


def arguments(module: nn.Module, x: Tensor, y: Tensor, *, forced: bool) -> tuple[Tensor, ...]:
    """What `module` is called with: its inputs, and the targets where it is `forced` and takes them."""
    return (x, y) if forced and getattr(module, "takes_targets", False) else (x,)


def forces_prediction(module: nn.Module) -> bool:
    """Whether the module's prediction is fed true past values inside the horizon."""
    return bool(getattr(module, "teacher_forced_prediction", False))


def why_not(module: nn.Module, shape: Shape) -> str | None:
    """Why members of this module cannot be stepped as one; `None` where they can."""
    if getattr(module, "stackable", False):
        return None
    return next(_obstacles(module), None) or _changed_buffer(module, shape) or _what_vmap_says(module, shape)


def own_buffers(modules: Sequence[nn.Module], device: torch.device) -> dict[str, Tensor]:
    """The buffers in which `modules` differ, such as random projections, stacked ``[K, …]``."""
    each = [dict(module.named_buffers()) for module in modules]
    columns = {name: [buffers[name] for buffers in each] for name in each[0]}
    differ = {name: own for name, own in columns.items() if not all(own[0].equal(other) for other in own[1:])}
    return {name: torch.stack(own).to(device) for name, own in differ.items()}


def _obstacles(module: nn.Module) -> Iterator[str]:
    for name, part in module.named_modules():
        if isinstance(part, Layers) and part.options.dropout > 0:
            yield f"{name} has dropout, whose random stream would depend on the other members"
        if isinstance(part, nn.RNNBase):
            yield f"{name or type(part).__name__} is a torch.nn.{type(part).__name__}; bench.kernels has one that can"
        if isinstance(part, nn.modules.dropout._DropoutNd) and part.p > 0:
            yield f"{name} is a dropout, whose random stream would depend on the other members"
    if not all(weight.requires_grad for weight in module.parameters()):
        yield "it has weights that are not to be trained"
    if len(list(module.named_parameters(remove_duplicate=False))) > len(list(module.parameters())):
        yield "it uses a weight in two places"


def _changed_buffer(module: nn.Module, shape: Shape) -> str | None:
    """Which buffer a step of training changes, as those of batch normalisation; `None` where none does.

    One that is made in the first step, such as a mask of the length that came, counts as changed.
    """
    if next(module.buffers(), None) is None:
        return None
    trained = deepcopy(module).train()
    x = torch.randn(2, shape.sequence_length, shape.channels, generator=torch.Generator().manual_seed(0))
    before = {name: buffer.clone() for name, buffer in trained.named_buffers()}
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            trained(*arguments(trained, x, torch.zeros(2, *shape.targets), forced=True))
    except RuntimeError as error:  # raised again, with its place, where it is trained
        return f"a step of it fails ({str(error).strip().splitlines()[0]})"
    after = dict(trained.named_buffers())
    changed = [name for name, buffer in after.items() if name not in before or not before[name].equal(buffer)]
    return f"training changes its buffer {changed[0]}" if changed else None


def _what_vmap_says(module: nn.Module, shape: Shape) -> str | None:
    """Why `torch.vmap` refuses the module, tried on two members and two windows; `None` where it does not.

    It is tried as it trains and as it predicts: some layers of torch compute differently then.
    """
    weights = {name: torch.stack([weight.detach()] * 2) for name, weight in module.named_parameters()}
    x = torch.zeros(2, 2, shape.sequence_length, shape.channels)
    y = torch.zeros(2, 2, *shape.targets)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            vmapped(module.eval(), weights, *arguments(module, x, y, forced=forces_prediction(module)))
            vmapped(module.train(), weights, *arguments(module, x, y, forced=True))
    except RuntimeError as error:
        return f"torch.vmap refuses it ({str(error).strip().splitlines()[0]})"
    finally:
        module.train()
    return None


def vmapped(module: nn.Module, weights: dict[str, Tensor], *inputs: Tensor) -> Tensor:
    """The output ``[K, …]`` of `module` for stacked `weights`, and buffers, ``[K, …]`` and inputs ``[K, …]``."""

    def one(own: dict[str, Tensor], *inputs: Tensor) -> Tensor:
        output: Tensor = torch.func.functional_call(module, own, inputs)
        return output

    with _plain_attention():
        outputs: Tensor = torch.vmap(one)(weights, *inputs)
    return outputs


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Attention of torch by matrix products: vmap has no rule for the other forms, and would loop over members."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
