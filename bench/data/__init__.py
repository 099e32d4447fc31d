"""Sources of data: the registry of datasets. Each family of kinds has its own module in this package."""

from bench.data.base import DatasetKind
from bench.data.files.reading import FILE
from bench.data.formulas import DAMPED_MULTISINE, GBM, NOISY_SINE, OSCILLATOR, RANDOM, RECALL, SINE, TWO_TONE
from bench.data.images import DIGITS, MNIST
from bench.data.pinned import stock
from bench.data.sequences import ADDING, DENOISE_SINE
from bench.registry import extended

DATASETS: dict[str, DatasetKind] = {
    "random": RANDOM,
    "sine": SINE,
    "noisy-sine": NOISY_SINE,
    "damped-multisine": DAMPED_MULTISINE,
    "oscillator": OSCILLATOR,
    "gbm": GBM,
    "two-tone": TWO_TONE,
    "recall": RECALL,
    "adding": ADDING,
    "denoise-sine": DENOISE_SINE,
    "digits": DIGITS,
    "mnist": MNIST,
    "TSLA": stock("TSLA", "Tesla, daily prices 2010-06-29 to 2019-05-03"),
    "GOOGL": stock("GOOGL", "Alphabet class A, daily prices 2004-08-19 to 2019-05-03"),
    "DJI": stock("DJI", "Dow Jones Industrial Average, daily 1985-01-29 to 2019-05-03"),
    "A": stock("A", "Agilent, daily prices 2013-02-08 to 2018-02-07"),
    "GOOG": stock("GOOG", "Alphabet class C, daily prices 2014-03-27 to 2018-02-07"),
    "file": FILE,
}


def dataset_kinds() -> dict[str, DatasetKind]:
    """`DATASETS`, and the kinds that other distributions register as entry points of ``bench.datasets``.

    Raises
    ------
    InputError
        An entry point takes a name that is taken, cannot be imported, or is no `DatasetKind`.
    """
    return extended(DATASETS, "bench.datasets", DatasetKind)
