"""Names for the arrays of numbers that pass between modules."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
FloatArray32 = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
