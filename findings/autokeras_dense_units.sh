#!/usr/bin/env bash
# AutoKeras 3.0.0 with Keras 3.15.1 and with Keras 3.12.0, Keras Tuner 1.4.8 and TensorFlow 2.21.0.
#
# AutoKeras asks for Keras 3.0 or newer, so that `pip install autokeras` brings the newest. Each of its searches ends with
# a head whose size it takes from the shape of the answers, as a NumPy integer, and hands to `keras.layers.Dense`. From
# Keras 3.13 on, `Dense` wants a Python integer there. What was seen:
# - With Keras 3.15.1 no task of these can be learned: a classifier and a regressor of texts and a classifier of tables
#   all end before their first candidate with a ValueError, "Received an invalid value for `units`, expected a positive
#   integer. Received: units=3", which shows a number that looks right.
# - With Keras 3.12.0, and all else the same, the same three are trained.
# Who measures against AutoKeras has to give it an older Keras than the one that its own requirements bring.
#
# Exits 0 while all of this is so, and 1 as soon as something of it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet autokeras==3.0.0 keras==3.15.1 keras-tuner==1.4.8 tensorflow==2.21.0
cat >"$folder/tried.py" <<'PYTHON'
import sys
import tempfile

import autokeras
import keras
import numpy as np

refused = sys.argv[1] == "refused"
print("autokeras", autokeras.__version__, "keras", keras.__version__)
rows = np.random.default_rng(0).random((30, 4)).astype("float32")
classes = np.arange(30) % 3
texts = np.array(["good film", "bad film", "no film"])[classes]
changed = []
for search, examples, answers, units in (
    (autokeras.TextClassifier, texts, classes, 3),
    (autokeras.TextRegressor, texts, rows[:, 0], 1),
    (autokeras.StructuredDataClassifier, rows, classes, 3),
):
    said = "is trained"
    try:
        one = search(max_trials=1, directory=tempfile.mkdtemp(), overwrite=True)
        one.fit(examples, answers, validation_data=(examples, answers), epochs=1, verbose=0)
    except ValueError as error:
        said = str(error)
    expected = f"expected a positive integer. Received: units={units}" if refused else "is trained"
    is_so = expected in said
    print("as described:" if is_so else "CHANGED:", search.__name__, said.splitlines()[0])
    if not is_so:
        changed.append(search.__name__)
sys.exit(bool(changed))
PYTHON
cd "$folder"
export TF_CPP_MIN_LOG_LEVEL=3
"$folder/venv/bin/python" tried.py refused
"$folder/venv/bin/pip" install --quiet keras==3.12.0
"$folder/venv/bin/python" tried.py trained
