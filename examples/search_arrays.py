"""`kevo.search(...)` on your own arrays, here scikit-learn's digits."""

import argparse
import dataclasses

import numpy as np
from sklearn.datasets import load_digits

import kevo


def main() -> None:
    """Searches a classifier, loads it and predicts with it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", help="the run folder")
    parser.add_argument("--max-trials", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=12)
    arguments = parser.parse_args()

    digits = load_digits()
    pictures = np.rint(digits.images * (255 / 16)).astype(np.uint8)

    space = dataclasses.replace(kevo.PRESETS["small"], filters=(16, 32), families=("conv",))
    settings = kevo.Settings(max_trials=arguments.max_trials, epochs=arguments.epochs, space=space, population=4)
    result = kevo.search((pictures, digits.target), settings, out=arguments.out)

    print(f"best: {result.words}")
    print(f"test accuracy {result.test.accuracy:.3f}")
    model = result.best_model
    # The saved model takes raw pixels 0-255, three channels, of any size.
    first = np.repeat(pictures[:1, :, :, None], 3, axis=3)
    print("the first picture shows a", model.predict(first, verbose=0).argmax())


if __name__ == "__main__":
    main()
