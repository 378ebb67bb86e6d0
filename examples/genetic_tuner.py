"""`GeneticTuner` in a plain Keras script: your own network, here for scikit-learn's wines.

The network tells three cultivars apart by thirteen chemical measurements. `RandomSearch` of Keras Tuner takes the same
arguments as `GeneticTuner`.
"""

import argparse
import tempfile

import keras
import keras_tuner
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from tuners import GeneticTuner, Settings


def build_model(hp: keras_tuner.HyperParameters) -> keras.Model:
    """Builds a small dense network."""
    model = keras.Sequential([keras.Input((13,))])
    for _ in range(hp.Int("num_layers", 1, 3)):
        model.add(keras.layers.Dense(hp.Choice("units", [8, 16, 32, 64]), activation=hp.Choice("act", ["relu", "elu"])))
    dropout = hp.Boolean("dropout")
    with hp.conditional_scope("dropout", [True]):
        if dropout:
            model.add(keras.layers.Dropout(hp.Float("rate", 0.1, 0.5)))
    model.add(keras.layers.Dense(3, activation="softmax"))
    optimizer = keras.optimizers.Adam(hp.Float("learning_rate", 1e-4, 1e-1, sampling="log", default=1e-3))
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main() -> None:
    """Searches, and scores the best model on test data that the search has not seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", help="folder of the search; by default it is not kept")
    parser.add_argument("--max-trials", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()

    x, y = load_wine(return_X_y=True)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.25, stratify=y, random_state=0)
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.25, stratify=y, random_state=0)
    scaler = StandardScaler().fit(x_train)

    keras.utils.set_random_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        tuner = GeneticTuner(
            build_model,
            objective="val_accuracy",
            max_trials=arguments.max_trials,
            seed=0,
            settings=Settings(population_size=4, num_elites=1),
            directory=arguments.out or folder,
            project_name="wine",
        )
        tuner.search(
            scaler.transform(x_train),
            y_train,
            validation_data=(scaler.transform(x_val), y_val),
            epochs=arguments.epochs,
            verbose=0,
        )
        best = tuner.oracle.get_best_trials()[0]
        _, accuracy = tuner.get_best_models()[0].evaluate(scaler.transform(x_test), y_test, verbose=0)
    print(f"best: {best.hyperparameters.values}")
    print(f"validation accuracy {best.score:.3f}")
    print(f"test accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
