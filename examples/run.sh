#!/usr/bin/env bash
# The main job on real data: makes tables, loads files of examples/data, asks questions in SQL, then
# checks every byte on disk; last, the same from C.
# usage: examples/run.sh BUILD_FOLDER   (tests/examples/run calls it)
set -euo pipefail
cd "$(dirname "$0")/.."

build=$(realpath "$1")
tdb=$build/tdb
for program in "$tdb" "$build/example_quakes" "$build/example_crash"; do
    if [[ ! -x $program ]]; then
        echo "examples/run.sh: $program is missing; ./dev build makes it" >&2
        exit 1
    fi
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
database=$folder/example.tdb

say() {
    printf '\n== %s\n' "$*"
}

say "tdb DIR -f examples/tables.sql: two tables in a new database"
"$tdb" "$database" -f examples/tables.sql
say "examples/csv_to_sql.py TABLE FILE | tdb DIR: 1,707 earthquakes, 1,461 days of weather"
examples/csv_to_sql.py quakes examples/data/earthquakes.csv | "$tdb" "$database"
examples/csv_to_sql.py weather examples/data/seattle-weather.csv | "$tdb" "$database"
say "tdb DIR -f examples/questions.sql"
"$tdb" "$database" -f examples/questions.sql
say "tdb verify DIR; tdb backup DIR COPY; tdb stat COPY"
"$tdb" verify "$database"
"$tdb" backup "$database" "$folder/copy.tdb"
"$tdb" stat "$folder/copy.tdb" | sed -n '/^$/q; p'
say "examples/quakes.c: the same through the C API"
"$build/example_quakes" examples/data/earthquakes.csv "$folder/quakes.tdb"

say "examples/crash.c: documents and a table, and a process that is killed while it commits"
zstd -qdc examples/data/movies-all.ndjson.zst >"$folder/movies.ndjson"
"$build/example_crash" "$folder/movies.ndjson" examples/data/flights-200k.arrow "$folder/crash.tdb"

say "what to try next"
cat <<END
  ${tdb#"$PWD/"} my.tdb       a shell on a database of yours; .help tells its commands
  docs/getting-started.md      the shell and a first program, step by step
  docs/STATUS.md               what works and what is open
END
