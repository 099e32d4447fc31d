"""The real files that `bench` knows: where each is published, and the SHA-256 that it must have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pinned:
    """One published file.

    Parameters
    ----------
    file
        Its name, in the user's folder and in the cache.
    address
        Where it is published; the address names the commit, so its content does not move.
    sha256
        SHA-256 of its bytes.
    """

    file: str
    address: str
    sha256: str


_COURSE = (
    "https://raw.githubusercontent.com/indohito/EE241/e5b8089d45518a71f2507ff3ddbd3d00d8f0042e/Lab4_Report_Template"
)
_SP500 = (
    "https://raw.githubusercontent.com/CNuge/kaggle-code/f1109438d6cfb3ffdaa7d4480437cfbaaedd3236/"
    "stock_data/individual_stocks_5yr"
)
_MNIST = "https://raw.githubusercontent.com/fgnt/mnist/ae608a02b796c9ee908c082585a5f006fe05258e"


def _pin(folder: str, file: str, sha256: str) -> Pinned:
    return Pinned(file=file, address=f"{folder}/{file}", sha256=sha256)


PINNED: dict[str, Pinned] = {
    "TSLA": _pin(_COURSE, "TSLA.csv", "1c675cb2d603fc9e1d31460beb782219ff8c5e68819541ce329e9318cf69f3f7"),
    "GOOGL": _pin(_COURSE, "GOOGL.csv", "e4386d17f7fd8352afad21cf81a7ab5ede9fd236262b60cc9d69d67dbbb0b1c2"),
    "DJI": _pin(_COURSE, "DJI.csv", "2fe19782dfffbabc172e59cce891c6c7c17151adf70bd33630f60fa08110a411"),
    "A": _pin(_SP500, "A_data.csv", "2747366eee726574c15f35c3241076da7aaf2b3ca6bf255fdc3a22625b1c62e3"),
    "GOOG": _pin(_SP500, "GOOG_data.csv", "6bf738cf40b866f2dfb9c879e5b7062fc75eaeaf8c8112ea1b03a71ad833c8da"),
    "mnist-train-images": _pin(
        _MNIST, "train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "mnist-train-labels": _pin(
        _MNIST, "train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
    "mnist-test-images": _pin(
        _MNIST, "t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    "mnist-test-labels": _pin(
        _MNIST, "t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
    ),
}
