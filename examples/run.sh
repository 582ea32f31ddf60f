#!/usr/bin/env bash
# The main job on real data: loads the tables in examples/data and asks them questions.
# usage: examples/run.sh BUILD_FOLDER   (./dev run calls it)
set -euo pipefail
cd "$(dirname "$0")/.."

build=$(realpath "$1")
if [[ ! -x $build/tdb ]]; then
    echo "examples/run.sh: the build has no shell ($build/tdb), which this example needs." >&2
    echo "What the tree can do today stands in docs/STATUS.md." >&2
    exit 1
fi
"$build/tdb" --version
