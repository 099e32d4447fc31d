"""The shapes that data and recurrent layers have, for the `shapes` column of `runs`."""

from __future__ import annotations

from dataclasses import replace

from bench.models.base import ModelKind
from bench.training.members import Member, TrainingData
from bench.training.trained import shape_of


def shapes(kind: ModelKind, member: Member, data: TrainingData) -> dict[str, list[int]]:
    """Of the train examples, and of what the first recurrent layers give for one full batch of them.

    The layers run on torch's device `meta`, which knows shapes and computes nothing.
    """
    examples = data.train
    steps, values = examples.targets(slice(0, 1)).shape[1:]
    found = {
        "train_inputs": [len(examples), examples.sequence_length, examples.channels],
        "train_targets": [len(examples), steps, values],
    }
    return {**found, **_of_layers(kind, member, data)} if kind.gradient else found


def _of_layers(kind: ModelKind, member: Member, data: TrainingData) -> dict[str, list[int]]:
    import torch  # only where a gradient is needed

    from bench.kernels.modules import Layers
    from bench.training.bank import initialised
    from bench.training.batches import Epochs

    module = initialised(kind, shape_of(data, member.training), member).to("meta")
    layers = next((part for part in module.modules() if isinstance(part, Layers)), None)
    if layers is None:
        return {}
    layers.options = replace(layers.options, last_only=False)
    batch = Epochs(len(data.train), member.training, data.as_published).size
    x = torch.empty(batch, data.train.sequence_length, layers.input_size, device="meta")
    output, state = layers(x)
    hidden = state[0] if isinstance(state, tuple) else state
    return {"outputs": list(output.shape), "h_n": list(hidden.shape)}
