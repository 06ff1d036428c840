"""The logarithm as loops over columns can have it: a few multiplications, no call, no branch."""

import numpy as np

from models.compiled import Integer, Real, kernel

_LN_2 = np.float32(0.6931471805599453)
_SERIES = (
    np.float32(0.9999936),
    np.float32(-0.4998255),
    np.float32(0.33144665),
    np.float32(-0.23943338),
    np.float32(0.16499813),
    np.float32(-0.09229042),
    np.float32(0.034264602),
    np.float32(-0.006006605),
)
"""Of log(1 + m) / m on [0, 1]: interpolation at Chebyshev nodes, off by less than 1e-7."""


@kernel
def log1p(x: Real) -> Real:
    """Return log(1 + x) of a finite x >= 0, of 32 bits, within 2e-6."""
    bits = np.float32(np.float32(1) + x).view(np.int32)
    exponent = (bits >> np.int32(23)) - np.int32(127)
    mantissa: Integer = np.int32((bits & np.int32(0x7FFFFF)) | np.int32(0x3F800000))
    m = mantissa.view(np.float32) - np.float32(1)
    series = _SERIES[7]
    series = series * m + _SERIES[6]
    series = series * m + _SERIES[5]
    series = series * m + _SERIES[4]
    series = series * m + _SERIES[3]
    series = series * m + _SERIES[2]
    series = series * m + _SERIES[1]
    series = series * m + _SERIES[0]
    return np.float32(exponent) * _LN_2 + series * m
