#!/usr/bin/env bash
# Keras 3.15.1 with TensorFlow 2.21.0: a saved model that takes columns of text by name.
#
# `StringLookup` and `Input(dtype="string")` are Keras's own, and a batch of text is an array. Yet
# - `predict` raises a ValueError, "Invalid dtype: str32", for text as NumPy makes it (dtype <U1), and takes the same
#   text as an array of objects. Calling the model with tensors takes it too.
# - A column whose name holds a "/" cannot name an `Input`. The mapping of inputs may have it as a key all the same; the
#   model then answers right, but Keras warns whenever it is built and whenever it is loaded: "When providing `inputs`
#   as a dict, all keys in the dict must match the names of the corresponding tensors". So whoever receives such a file
#   is warned of nothing that they could mend.
#
# Exits 0 while all of this is so, and 1 as soon as something of it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet keras==3.15.1 tensorflow==2.21.0 numpy
cd "$folder"
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import sys
import warnings

import keras
import numpy as np
import tensorflow as tf

print("keras", keras.__version__, "tensorflow", tf.__version__, "numpy", np.__version__)
WARNED = "all keys in the dict must match the names"


def told(action):
    """Returns what an action returns, and whether it warned of names."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = action()
    return result, any(WARNED in str(one.message) for one in caught)


def model(key):
    inputs = {key: keras.Input((1,), name="column_1", dtype="string")}
    codes = keras.layers.StringLookup(vocabulary=["no", "yes"], output_mode="one_hot")(inputs[key])
    return keras.Model(inputs, keras.layers.Dense(1)(codes))


problems = []


def expect(what, is_so):
    print("as described:" if is_so else "CHANGED:", what)
    if not is_so:
        problems.append(what)


plain, warned = told(lambda: model("column_1"))
expect("a key that is the input's name warns of nothing", not warned)
text = np.array([["yes"], ["no"]])
as_objects = plain.predict({"column_1": text.astype(object)}, verbose=0)
called = np.asarray(plain({"column_1": tf.constant(text)}))
expect("predict takes text as objects, and answers as a call with tensors does", np.allclose(as_objects, called))
try:
    plain.predict({"column_1": text}, verbose=0)
    refusal = ""
except ValueError as error:
    refusal = str(error)
print("predict of dtype", text.dtype, "->", refusal.splitlines()[0] if refusal else "an answer")
expect("predict refuses the same text as NumPy makes it", "Invalid dtype: str" in refusal)

other, warned = told(lambda: model("income/month"))
expect("a key that is not the input's name warns when the model is built", warned)
other.save("model.keras")
loaded, warned = told(lambda: keras.models.load_model("model.keras"))
expect("and when it is loaded", warned)
again = loaded.predict({"income/month": text.astype(object)}, verbose=0)
expect("though it answers as before", np.allclose(again, other.predict({"income/month": text.astype(object)}, verbose=0)))
sys.exit(bool(problems))
PYTHON
