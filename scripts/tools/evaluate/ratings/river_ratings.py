"""A model of River over a file of ratings: each is predicted, then learnt.

It runs in an environment of its own (conf/requirements/requirements-river.lock) and therefore
imports nothing of this project. Prints now and then how many ratings are done.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from river import optim
from river.reco import Baseline, BiasedMF

_SAID_EVERY = 5_000


def _biased_mf() -> Any:
    """Return the model with the settings of River's documentation."""
    return BiasedMF(
        n_factors=10,
        bias_optimizer=optim.SGD(0.025),
        latent_optimizer=optim.SGD(0.05),
        weight_initializer=optim.initializers.Zeros(),
        latent_initializer=optim.initializers.Normal(mu=0.0, sigma=0.1, seed=73),
        l2_bias=0.0,
        l2_latent=0.0,
    )


def _biases() -> Any:
    """Return the model with the settings of River's documentation."""
    return Baseline(optimizer=optim.SGD(0.025), l2=0.0, initializer=optim.initializers.Zeros())


MODELS: dict[str, Callable[[], Any]] = {"biased_mf": _biased_mf, "biases": _biases}


def main() -> None:
    """Read the command line and the ratings, run, and write the predictions."""
    parser = argparse.ArgumentParser(prog="river_ratings", description=__doc__)
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("folder", type=Path, help="holds ratings.npz: user, item, rating")
    options = parser.parse_args()
    with np.load(options.folder / "ratings.npz") as columns:
        users, items = columns["user"].tolist(), columns["item"].tolist()
        ratings = columns["rating"].tolist()
    model, predicted = MODELS[options.model](), np.empty(len(ratings))
    begin = time.process_time()
    for n, (user, item, rating) in enumerate(zip(users, items, ratings, strict=True)):
        predicted[n] = model.predict_one(user, item)
        model.learn_one(user, item, rating)
        if n % _SAID_EVERY == 0:
            sys.stdout.write(f"{n}\n")
            sys.stdout.flush()
    seconds = time.process_time() - begin
    sys.stdout.write(f"{len(ratings)}\n")
    np.savez(options.folder / "predicted.npz", predicted=predicted, seconds=seconds)


if __name__ == "__main__":
    main()
