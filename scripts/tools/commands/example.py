"""Work one of the examples: small, seeded, each with a table, figures as JSON and a picture."""

import argparse
import importlib

from scripts.tools.console import run

EXAMPLES = {
    "matrix": "a 5 x 5 rating matrix with holes, or one of yours, factorised by SGD, ALS, SVD, NMF",
    "linear": "ratings by a mean, by ridge regression, by sums of neighbours and by factors",
    "holdout": "precision, recall and F1 at k of matrix factorisation and of popularity",
    "ncf": "the neural network of two embeddings in PyTorch (needs scripts/setup --train)",
}


def main() -> int:
    """Read the name of an example; the rest of the command line is its own."""
    parser = argparse.ArgumentParser(
        prog="scripts/example",
        description=__doc__,
        epilog="\n".join(f"  {name:<8} {what}" for name, what in EXAMPLES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=EXAMPLES, metavar="|".join(EXAMPLES))
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="…", help="its options: --help")
    options = parser.parse_args()
    # imported here: --help need not wait for matplotlib and scikit-learn
    module = importlib.import_module(f"scripts.examples.{options.name}")
    status: int = module.main(options.rest)
    return status


if __name__ == "__main__":
    run(main)
