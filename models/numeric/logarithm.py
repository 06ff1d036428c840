"""Logarithm and power as loops over columns have them: multiplications, no call, no branch."""

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


_POWERS = (
    np.float32(1.0),
    np.float32(0.69314694),
    np.float32(0.24023046),
    np.float32(0.05548063),
    np.float32(0.009684186),
    np.float32(0.0012391332),
    np.float32(0.00021865785),
)
"""Of 2 ** f on [0, 1]: interpolation at Chebyshev nodes, off by less than 1e-7."""
_SMALLEST = np.float32(-126)


@kernel
def exp2(x: Real) -> Real:
    """Return 2 ** x of an x <= 0, of 32 bits, within 2e-7 of it; below 2 ** -126 that."""
    below = max(np.float32(x), _SMALLEST)
    whole = np.floor(below)
    f = below - whole
    series = _POWERS[6]
    series = series * f + _POWERS[5]
    series = series * f + _POWERS[4]
    series = series * f + _POWERS[3]
    series = series * f + _POWERS[2]
    series = series * f + _POWERS[1]
    series = series * f + _POWERS[0]
    bits: Integer = np.int32((np.int32(whole) + np.int32(127)) << np.int32(23))
    return series * bits.view(np.float32)
