"""`kevo.search(...)` on a CSV file, here scikit-learn's breast cancer data."""

import argparse
import csv

from sklearn.datasets import load_breast_cancer

import kevo


def main() -> None:
    """Writes the table, searches a classifier of its rows, and predicts with it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", help="the run folder")
    parser.add_argument("--max-trials", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=12)
    arguments = parser.parse_args()

    source = load_breast_cancer()
    with open("breast_cancer.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*source.feature_names, "diagnosis"])
        names = source.target_names[source.target]
        writer.writerows([*row, name] for row, name in zip(source.data.tolist(), names, strict=True))

    settings = kevo.Settings(
        options={"target": "diagnosis"}, max_trials=arguments.max_trials, epochs=arguments.epochs, population=4
    )
    result = kevo.search("breast_cancer.csv", settings, out=arguments.out)

    print(f"best: {result.words}")
    print(f"test accuracy {result.test.accuracy:.3f}")
    # The saved model takes one array for each column of the table, of shape (rows, 1).
    first = {name: source.data[:1, [place]] for place, name in enumerate(source.feature_names)}
    print("the first row, benign or malignant:", result.best_model.predict(first, verbose=0).round(3))


if __name__ == "__main__":
    main()
