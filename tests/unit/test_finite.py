"""A number that is none is found in compiled code, also where it is a sum or a difference."""

import ast
from pathlib import Path

import numpy as np
import pytest

from models.compiled import entry
from models.numeric.finite import finite

MODELS = Path(__file__).parents[2] / "models"


@entry
def found(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Set whether sum, difference, product and running sum are finite."""
    for e in range(len(a)):
        out[e, 0] = finite(a[e] + b[e])
        out[e, 1] = finite(a[e] - b[e])
        out[e, 2] = finite(a[e] * b[e])
        total = a[e] - a[e]
        for n in range(3):
            total += a[e] * b[n]
        out[e, 3] = finite(total)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_nothing_but_numbers_is_finite(kind: type) -> None:
    largest = np.finfo(kind).max
    odd = [np.nan, np.inf, -np.inf]
    values = np.array([*odd, 1.5, 0, -largest / 8], kind)
    out = np.zeros((len(values), 4), np.bool_)
    found(values, np.ones(len(values), kind), out)
    assert not out[:3].any()
    assert out[3:].all()
    same = np.zeros((3, 4), np.bool_)
    found(values[:3], values[:3], same)  # infinity less itself
    assert not same.any()


def test_no_kernel_asks_numpy() -> None:
    """See `models.numeric.finite`: of a sum it would say yes whatever it is."""
    asked = []
    for path in MODELS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and any(
                getattr(one, "id", "") in {"kernel", "entry", "compiled"}
                for one in node.decorator_list
            ):
                names = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
                if names & {"isfinite", "isnan", "isinf"}:
                    asked.append(f"{path.name}: {node.name}")
    assert asked == []
