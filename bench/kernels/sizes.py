"""The sizes of one pass, and the places of its numbers.

Terms of this package:

*block*
    The values of one gate, `padded` wide: the hidden size rounded up to whole vectors. A GRU has four blocks for its
    three gates, since its candidate keeps the contributions of the state and of the input separate.
*walk*
    One layer in one direction over all steps. A network is walks in an order in which each comes after those whose
    states it reads.
*tile*
    Some rows of the batch that go through the whole network, forward and back, before the next rows start, so that all
    they need stays in the cache.
*group*
    Consecutive tiles of one member, the unit of parallel work. Its size depends on the batch only, so sums over the
    batch have one order, whatever the number of members or threads.
*slot*
    What is kept of one tile before one step. Each of its rows holds the blocks of the step before after activation,
    then the states, the hidden state last; then what the step is fed: a 1 for the biases, and the channels. Hidden
    state, 1 and channels are so one row of a matrix, and all gates one product. The first slot has the initial state.
*memory*
    What one thread works in: the weights of the member at hand in panels, and the tile at hand.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.kernels.simd import ROWS, VECTOR_BYTES

RNN_TANH, RNN_RELU, LSTM, GRU, SLSTM = range(5)
X, FED, BELOW = range(3)
"""What feeds a walk: the first inputs, those of a decoder, or the walks below."""

TILE = 2 * ROWS  # rows; a panel of weights is read from the first cache for the second half of them
GROUP = 32  # rows; fewer would pack weights and add gradients more often than they spread over threads
MOST_GROUPS = 16  # a bound on the memory of the gradients' partial sums
CHUNK = 128  # rows × steps whose products go into the weights' gradients at once
LINE = 64  # bytes of a cache line


class Layout(NamedTuple):
    """The blocks of one kind of cell.

    Blocks ``0 … hidden_blocks - 1`` are fed by the state, blocks ``input_block … blocks - 1`` by the input. So many
    states as `cells` go from step to step next to the hidden one, through no product.
    """

    code: int
    gates: int
    blocks: int
    hidden_blocks: int
    input_block: int
    slot_blocks: int
    cells: int = 0


LAYOUTS = {
    "rnn_tanh": Layout(RNN_TANH, gates=1, blocks=1, hidden_blocks=1, input_block=0, slot_blocks=1),
    "rnn_relu": Layout(RNN_RELU, gates=1, blocks=1, hidden_blocks=1, input_block=0, slot_blocks=1),
    "lstm": Layout(LSTM, gates=4, blocks=4, hidden_blocks=4, input_block=0, slot_blocks=6, cells=1),
    "gru": Layout(GRU, gates=3, blocks=4, hidden_blocks=3, input_block=1, slot_blocks=5),
    "slstm": Layout(SLSTM, gates=4, blocks=4, hidden_blocks=4, input_block=0, slot_blocks=9, cells=2),
}


class Stack(NamedTuple):
    """Layers of one size on top of each other, in one direction or two."""

    cell: str
    channels: int
    hidden: int
    layers: int
    directions: int
    steps: int
    reverse: bool = False  # of one direction alone


class NetworkSizes(NamedTuple):
    """What a pass goes through: one stack, or an encoder and the decoder that starts from its last states.

    `outputs` counts those of a linear map of the top layer's states, of the last one or at `every_step`; 0 where there
    is none. `initial` says whether states are given to begin with, `wants_x` whether gradients to inputs are wanted.
    """

    stacks: tuple[Stack, ...]
    outputs: int = 0
    every_step: bool = False
    dropout: bool = False
    initial: bool = False
    wants_x: bool = False
    keep: bool = False


class WalkPlan(NamedTuple):
    """All that a kernel receives of a walk besides its arrays: whole numbers, widths and places in elements."""

    code: int
    gates: int
    blocks: int
    hidden_blocks: int
    input_block: int
    slot_blocks: int
    cells: int
    members: int
    batch: int
    tile: int  # rows
    steps: int
    channels: int
    hidden: int
    reverse: int  # whether steps are walked from the last to the first
    lanes: int
    padded: int
    inputs: int  # 1 and the channels, and a 0 if that is needed for an even number
    row: int  # of a slot
    panel: int  # columns of a panel of the forward weights
    chunk: int  # steps whose products go into the weights' gradients at once
    source: int  # `X`, `FED` or `BELOW`
    below: int  # the first of the walks that feed it, where those are walks
    ways: int  # and how many they are
    first_back: int  # whether it is the first to give them gradients
    before: int  # the first of the walks whose last states it starts from; -1 for none
    states: int  # and how many are added up
    initial: int  # whether an initial state is given, by a walk or from outside
    above: int  # whether gradients to its states at every step come from inside the network
    wants_x: int
    mask: int  # where the numbers begin that decide dropout of its inputs; -1 for none
    weights: int  # numbers of a member before this walk's weights
    by_state: int  # in a part of the sums: [hidden_blocks · padded, padded]
    by_input: int  # in a part of the sums: [inputs, blocks · padded]
    packed: int  # in memory, as all that follows: panels of [padded + 1 + channels, panel]
    back_h: int  # panels of [hidden_blocks · padded, width of a panel of `padded` columns]
    back_x: int  # the same of [(blocks - input_block) · padded, padded channels]
    d_h: int  # [tile, padded]: gradients to the state
    d_c: int  # [cells, tile, padded]
    d_y: int  # [steps, tile, padded]: gradients to the states at every step, where those come from inside
    d_a: int  # [chunk, tile, blocks · padded]: gradients to the products; all walks use the same
    d_x: int  # [chunk, tile, padded channels]: gradients to the inputs; all walks use the same
    slots: int  # where they are not kept: [steps + 1, tile, row]


class PassPlan(NamedTuple):
    """All that a kernel receives of the network as a whole."""

    members: int
    batch: int
    tile: int
    tiles: int
    group: int  # tiles
    groups: int
    walks: int
    keep: int  # whether slots are kept for a backward pass
    kept: int  # elements of a tile that are kept
    part: int  # elements of one part of the sums
    outputs: int
    units: int  # steps that the head maps: 1, or all
    every_step: int
    top: int  # the first walk that the head maps
    ways: int  # and how many
    lanes: int
    padded: int
    hidden: int
    weights: int  # numbers of a member before the head's weights
    packed: int  # in memory: [outputs, ways, padded]
    sums: int  # in a part of the sums; see `bench.kernels.head`


class Places(NamedTuple):
    """The plan of a pass, and the sizes of what it needs."""

    plan: PassPlan
    numbers: NDArray[np.int64]  # the same as an array
    walks: tuple[WalkPlan, ...]
    table: NDArray[np.int64]  # the same as rows
    parameters: int  # of one member
    masks: tuple[tuple[int, int], ...]  # steps and width of each array of numbers that decide dropout
    memory: int  # elements of a thread's
    sums: int
    work: int  # floating-point operations of the products of a forward pass


def round_up(number: int, unit: int) -> int:
    """The least multiple of `unit` that is not below `number`."""
    return -(-number // unit) * unit


def panel_width(columns: int, lanes: int) -> int:
    """Two vectors where they divide `columns`, itself whole vectors; else one."""
    return lanes if columns % (2 * lanes) else 2 * lanes


def parameter_count(stack: Stack, layer: int) -> int:
    """Weights and biases of one layer in one direction."""
    columns = stack.directions * stack.hidden if layer else stack.channels
    return LAYOUTS[stack.cell].gates * stack.hidden * (columns + stack.hidden + 2)


def parameters_of(network: NetworkSizes) -> int:
    """Weights and biases of one member, those of the head included."""
    top = network.stacks[-1]
    layers = [stack.directions * parameter_count(stack, i) for stack in network.stacks for i in range(stack.layers)]
    return sum(layers) + network.outputs * (top.directions * top.hidden + 1)


class _Places:
    """Gives each array its place, one after another."""

    def __init__(self, unit: int) -> None:
        self.unit, self.end = unit, 0

    def take(self, size: int) -> int:
        """The place of `size` elements, which begin on a whole cache line."""
        start = self.end
        self.end += round_up(size, self.unit)
        return start


class _Planner:
    """Plans one walk after another."""

    def __init__(self, network: NetworkSizes, members: int, batch: int, lanes: int) -> None:
        self.network, self.members, self.batch, self.lanes = network, members, batch, lanes
        self.tile = TILE if batch > ROWS else ROWS
        self.memory, self.sums = (_Places(LINE * lanes // VECTOR_BYTES) for _ in range(2))
        self.parameters = self.uniforms = 0
        self.walks: list[WalkPlan] = []
        self.masks: list[tuple[int, int]] = []
        self.d_a, self.d_x = (self.memory.take(max(map(size, self._all()))) for size in (self._d_a, self._d_x))

    def _all(self) -> list[tuple[Stack, int]]:
        return [(stack, layer) for stack in self.network.stacks for layer in range(stack.layers)]

    def _chunk(self, stack: Stack) -> int:
        return min(max(CHUNK // self.tile, 1), stack.steps)

    def _d_a(self, place: tuple[Stack, int]) -> int:
        stack = place[0]
        return self._chunk(stack) * self.tile * LAYOUTS[stack.cell].blocks * round_up(stack.hidden, self.lanes)

    def _d_x(self, place: tuple[Stack, int]) -> int:
        stack, layer = place
        wanted = stack.directions * stack.hidden if layer else stack.channels * self.network.wants_x
        return self._chunk(stack) * self.tile * round_up(wanted, self.lanes)

    def stack(self, index: int) -> None:
        """Plan all walks of a stack."""
        stack = self.network.stacks[index]
        for layer in range(stack.layers):
            mask = self._mask(stack) if layer and self.network.dropout else -1
            first = len(self.walks)
            for way in range(stack.directions):
                self._walk(index, layer, way, mask, first)

    def _mask(self, stack: Stack) -> int:
        start, width = self.uniforms, stack.directions * stack.hidden
        self.uniforms += self.members * self.batch * stack.steps * width
        self.masks.append((stack.steps, width))
        return start

    def _links(self, index: int, layer: int, way: int, first: int) -> dict[str, int]:
        """What feeds a walk, what it starts from, and where its gradients come from and go to."""
        stack, network, encoder = self.network.stacks[index], self.network, self.network.stacks[0].directions
        top = layer == stack.layers - 1
        maps_all = index == len(network.stacks) - 1 and network.every_step and network.outputs > 0
        return {
            "reverse": int(stack.reverse or way == 1),
            "source": BELOW if layer else FED if index else X,
            "below": first - stack.directions if layer else -1,
            "ways": stack.directions if layer else 0,
            "first_back": int(way == stack.directions - 1),
            "before": layer * encoder if index else -1,
            "states": encoder if index else 0,
            "initial": int(index > 0 or network.initial),
            "above": int(not top or maps_all),
            "wants_x": int(layer > 0 or network.wants_x),
        }

    def _walk(self, index: int, layer: int, way: int, mask: int, first: int) -> None:
        stack, lanes, take = self.network.stacks[index], self.lanes, self.memory.take
        layout, padded = LAYOUTS[stack.cell], round_up(stack.hidden, lanes)
        channels = stack.directions * stack.hidden if layer else stack.channels
        links, inputs = self._links(index, layer, way, first), round_up(channels + 1, 2)
        width, row = layout.blocks * padded, layout.slot_blocks * padded + round_up(inputs, lanes)
        fed = width - layout.input_block * padded
        self.walks.append(
            WalkPlan(
                *layout,
                members=self.members,
                batch=self.batch,
                tile=self.tile,
                steps=stack.steps,
                channels=channels,
                hidden=stack.hidden,
                lanes=lanes,
                padded=padded,
                inputs=inputs,
                row=row,
                panel=panel_width(width, lanes),
                chunk=self._chunk(stack),
                mask=mask,
                weights=self.parameters,
                by_state=self.sums.take(layout.hidden_blocks * padded * padded),
                by_input=self.sums.take(inputs * width),
                packed=take((padded + 1 + channels) * width),
                back_h=take(layout.hidden_blocks * padded * padded),
                back_x=take(fed * round_up(channels, lanes) * links["wants_x"]),
                d_h=take(self.tile * padded),
                d_c=take(layout.cells * self.tile * padded),
                d_y=take(stack.steps * self.tile * padded * links["above"]),
                d_a=self.d_a,
                d_x=self.d_x,
                slots=0 if self.network.keep else take((stack.steps + 1) * self.tile * row),
                **links,
            )
        )
        self.parameters += parameter_count(stack, layer)

    def whole(self) -> PassPlan:
        """Plan the head and the pass, after all walks."""
        network, top = self.network, self.walks[-1]
        tiles = -(-self.batch // self.tile)
        group = max(GROUP // self.tile, -(-tiles // MOST_GROUPS))
        ways, outputs = network.stacks[-1].directions, network.outputs
        head = outputs * (ways * top.padded + self.lanes) + self.lanes
        head_weights = self.parameters
        self.parameters += outputs * (ways * top.hidden + 1)
        return PassPlan(
            members=self.members,
            batch=self.batch,
            tile=self.tile,
            tiles=tiles,
            group=group,
            groups=-(-tiles // group),
            walks=len(self.walks),
            keep=int(network.keep),
            kept=(top.steps + 1) * self.tile * top.row,
            outputs=outputs,
            units=top.steps if network.every_step else 1,
            every_step=int(network.every_step),
            top=len(self.walks) - ways,
            ways=ways,
            lanes=self.lanes,
            padded=top.padded,
            hidden=top.hidden,
            weights=head_weights,
            packed=self.memory.take(outputs * ways * top.padded),
            sums=self.sums.take(head * (outputs > 0)),
            part=self.sums.end,
        )


@lru_cache(maxsize=1024)
def plan_pass(network: NetworkSizes, members: int, batch: int, dtype: np.dtype[Any]) -> Places:
    """The plan of a pass over a bank of networks."""
    lanes = VECTOR_BYTES // dtype.itemsize
    planner = _Planner(network, members, batch, lanes)
    for index in range(len(network.stacks)):
        planner.stack(index)
    plan, walks = planner.whole(), tuple(planner.walks)
    products = sum(walk.steps * walk.gates * walk.hidden * (walk.hidden + walk.channels) for walk in walks)
    return Places(
        plan,
        np.array(plan, np.int64),
        walks,
        np.array(walks, np.int64),
        parameters=planner.parameters,
        masks=tuple(planner.masks),
        memory=planner.memory.end,
        sums=members * plan.groups * plan.part,
        work=2 * members * batch * products,
    )
