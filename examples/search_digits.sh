#!/usr/bin/env bash
# The command: searches a classifier for scikit-learn's 8 x 8 digits, and lists the run folder.
#
#     search_digits.sh [RUN-FOLDER [OPTIONS OF kevo search]]
set -euo pipefail
out=${1:-kevo-runs/digits}

kevo search digits --space small --max-trials 6 --epochs 12 --out "$out" "${@:2}" > "$out.json"
python -c 'import json, sys; print("test accuracy", json.load(open(sys.argv[1]))["test"]["accuracy"])' "$out.json"
ls "$out"
