"""An interpreter for the trainer that spoils what it leaves, by what a file beside it says."""

from pathlib import Path

_SOURCE = """
import json, pathlib, subprocess, sys
import numpy as np
from safetensors.numpy import load_file, save_file

arguments, way = sys.argv[1:], pathlib.Path({way!r}).read_text()
folder = pathlib.Path(arguments[arguments.index("models.deep.training") + 1])
plan = json.loads((folder / "plan.json").read_text())
(folder / "plan.json").write_text(json.dumps(dict(plan, held_out=0.5)))
code = subprocess.call([{python!r}, *arguments])
weights, ranks = folder / "out/weights.safetensors", folder / "out/ranks-challenger.npy"
if way == "nan":
    tensors = load_file(weights)
    tensors["targets.weight"][0, 0] = np.nan
    save_file(tensors, weights)
elif way == "truncated":
    weights.write_bytes(weights.read_bytes()[:1000])
elif way == "worse":
    np.save(ranks, np.full_like(np.load(ranks), 100))
sys.exit(code)
"""


class Poison:
    """A trainer that can be told to spoil its results.

    Parameters
    ----------
    folder : Path
    python : Path
        Interpreter that really trains.
    """

    def __init__(self, folder: Path, python: Path) -> None:
        self._way = folder / "way"
        source, self.program = folder / "poison.py", folder / "python"
        source.write_text(_SOURCE.format(python=str(python), way=str(self._way)))
        # a shell's words may have blanks, an interpreter after #! may not
        self.program.write_text(f"#!/bin/sh\nexec '{python}' '{source}' \"$@\"\n")
        self.program.chmod(0o755)
        self.be("good")

    def be(self, way: str) -> None:
        """Spoil the rounds that end from now on: good, nan, truncated or worse."""
        self._way.write_text(way)
