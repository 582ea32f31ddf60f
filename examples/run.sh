#!/usr/bin/env bash
# The main job on real data: loads a table in examples/data and asks it questions.
# usage: examples/run.sh BUILD_FOLDER   (./dev run calls it)
set -euo pipefail
cd "$(dirname "$0")/.."

program=$(realpath "$1")/example_quakes
if [[ ! -x $program ]]; then
    echo "examples/run.sh: $program is missing; ./dev build makes it" >&2
    exit 1
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
echo "examples/quakes.c: 1,707 earthquakes of one week, through the C API"
"$program" examples/data/earthquakes.csv "$folder/quakes.tdb"
echo "what works and what is open: docs/STATUS.md"
