"""Named, independent random streams.

Every random number in `bench` comes from a stream with a name: ``("data", …)``, ``("initialisation", …)``,
``("order", …)``, ``("tuning", …)``. A stream depends on the root seed and on its own name and on nothing
else, so a cell draws the same numbers alone, in any order, on any engine and in any bank.
"""

import hashlib

import numpy as np


def sequence(seed: int, *name: str | int) -> np.random.SeedSequence:
    """The seed sequence of the stream `name` under the root `seed`.

    The name is hashed (SHA-256), not added to the seed: ``seed + 1`` and the next stream never meet.

    >>> sequence(0, "order", 3).generate_state(1) == sequence(0, "order", 3).generate_state(1)
    array([ True])
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in (seed, *name))
    digest = hashlib.sha256(text.encode()).digest()
    return np.random.SeedSequence(np.frombuffer(digest, dtype=np.uint32).tolist())


def generator(seed: int, *name: str | int) -> np.random.Generator:
    """A NumPy generator on the stream `name`."""
    return np.random.default_rng(sequence(seed, *name))


def integer(seed: int, *name: str | int) -> int:
    """One integer in [0, 2**63) from the stream `name`, for libraries that take a number as their seed."""
    return int(sequence(seed, *name).generate_state(1, np.uint64)[0] >> np.uint64(1))
