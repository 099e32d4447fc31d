"""Sources of data: the registry of datasets. Each family of kinds has its own module in this package."""

from bench.data.algorithmic import ASSOCIATIVE_RECALL, COPY, MODULAR_SUM, PARITY
from bench.data.base import DatasetKind
from bench.data.chaos import HENON, LOGISTIC_MAP, LORENZ, MACKEY_GLASS, ROSSLER
from bench.data.files.joined import FILE
from bench.data.formulas import DAMPED_MULTISINE, GBM, NOISY_SINE, OSCILLATOR, RANDOM, RECALL, SINE, TWO_TONE
from bench.data.images import DIGITS, MNIST
from bench.data.packaged import EL_NINO_KIND, packaged_kind
from bench.data.pinned import stock
from bench.data.processes import ARMA, GARCH, LEVEL_SHIFTS, THRESHOLD_AR
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
    "arma": ARMA,
    "threshold-ar": THRESHOLD_AR,
    "garch": GARCH,
    "level-shifts": LEVEL_SHIFTS,
    "logistic-map": LOGISTIC_MAP,
    "henon": HENON,
    "lorenz": LORENZ,
    "rossler": ROSSLER,
    "mackey-glass": MACKEY_GLASS,
    "adding": ADDING,
    "denoise-sine": DENOISE_SINE,
    "parity": PARITY,
    "modular-sum": MODULAR_SUM,
    "associative-recall": ASSOCIATIVE_RECALL,
    "copy": COPY,
    "digits": DIGITS,
    "mnist": MNIST,
    "TSLA": stock("TSLA", "Tesla, daily prices 2010-06-29 to 2019-05-03"),
    "GOOGL": stock("GOOGL", "Alphabet class A, daily prices 2004-08-19 to 2019-05-03"),
    "DJI": stock("DJI", "Dow Jones Industrial Average, daily 1985-01-29 to 2019-05-03"),
    "A": stock("A", "Agilent, daily prices 2013-02-08 to 2018-02-07"),
    "GOOG": stock("GOOG", "Alphabet class C, daily prices 2014-03-27 to 2018-02-07"),
    "SP500": packaged_kind("SP500", "S&P 500, daily prices 1999 to 2018"),
    "NASDAQ": packaged_kind("NASDAQ", "NASDAQ Composite, daily prices 1999 to 2018"),
    "WTI": packaged_kind("WTI", "crude oil, West Texas Intermediate, daily prices 1986 to 2019"),
    "VIX": packaged_kind("VIX", "volatility index of the S&P 500, daily 2014 to 2019"),
    "sunspots": packaged_kind("sunspots", "sunspot numbers, yearly 1700 to 2008"),
    "co2": packaged_kind("co2", "carbon dioxide at Mauna Loa, weekly 1958 to 2001"),
    "el-nino": EL_NINO_KIND,
    "nile": packaged_kind("nile", "flow of the Nile at Aswan, yearly 1871 to 1970"),
    "macrodata": packaged_kind("macrodata", "economy of the USA, quarterly 1959 to 2009"),
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
