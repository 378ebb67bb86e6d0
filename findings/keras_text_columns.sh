#!/usr/bin/env bash
# Keras 3.15.1 with TensorFlow 2.21.0 and NumPy 2.4.6: a model that takes columns of text by name.
#
# `Input(dtype="string")` and `StringLookup` are Keras's own, and text comes as an array of NumPy's. What was seen:
# - `predict` takes no text in arrays at all: a ValueError says "Invalid dtype: str96" for text as NumPy
#   makes it, "Invalid dtype: object" and "Invalid dtype: bytes24" for its two other kinds. The same arrays are answered
#   by `predict_on_batch`, by calling the model, and by `predict` once `tf.constant` or a `tf.data.Dataset` holds them.
# - A column whose name has a "/" cannot name an `Input`. The mapping of inputs may have it as a key all the same; the
#   model then answers as it should, but Keras warns when it is built, and whenever it is loaded, that the keys must
#   match the names of the tensors. Whoever receives such a file can mend nothing.
#
# Exits 0 while all of this is so, and 1 as soon as something of it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet keras==3.15.1 tensorflow==2.21.0 numpy==2.4.6
cd "$folder"
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PYTHON'
import sys
import warnings

import keras
import numpy as np
import tensorflow as tf

print("keras", keras.__version__, "tensorflow", tf.__version__, "numpy", np.__version__)
WARNED = "all keys in the dict must match the names"
problems = []


def expect(what, is_so):
    print("as described:" if is_so else "CHANGED:", what)
    if not is_so:
        problems.append(what)


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


def refusal(action):
    try:
        action()
    except ValueError as error:
        return str(error).splitlines()[0]
    return ""


plain, warned = told(lambda: model("column_1"))
expect("a key that is the input's name warns of nothing", not warned)
text = np.array([["yes"], ["no"]])
answers = np.asarray(plain({"column_1": text}))
for kind, array in (("str", text), ("object", text.astype(object)), ("bytes", text.astype("S"))):
    words = refusal(lambda: plain.predict({"column_1": array}, verbose=0))
    print(f"predict of {array.dtype}: {words or 'answered'}")
    expect(f"predict refuses text of the dtype {array.dtype}", f"Invalid dtype: {kind}" in words)
    expect("predict_on_batch answers it", np.allclose(plain.predict_on_batch({"column_1": array}), answers))
    dataset = tf.data.Dataset.from_tensors({"column_1": array})
    expect("predict of a dataset answers it", np.allclose(plain.predict(dataset, verbose=0), answers))
    tensors = {"column_1": tf.constant(array)}
    expect("predict of tensors answers it", np.allclose(plain.predict(tensors, verbose=0), answers))

other, warned = told(lambda: model("income/month"))
expect("a key that is not the input's name warns when the model is built", warned)
other.save("model.keras")
loaded, warned = told(lambda: keras.models.load_model("model.keras"))
expect("and when it is loaded", warned)
rows = {"income/month": text}
expect("though it answers as before", np.allclose(loaded(rows), other(rows)))
sys.exit(bool(problems))
PYTHON
