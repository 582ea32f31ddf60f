# For test scripts: source it, call `check NAME COMMAND...` and `skip REASON`, and end with `finish`.
# $BUILD is the build folder, $temporary an empty folder that goes away.

set -u
passed=0
failed=0
: "${BUILD:?set BUILD to the build folder}"
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

check() {
    local name=$1
    shift
    if "$@" >"$temporary/output" 2>&1; then
        echo "ok $name"
        passed=$((passed + 1))
    else
        echo "FAILED $name: $*"
        sed 's/^/    /' "$temporary/output"
        failed=$((failed + 1))
    fi
}

# Neither passed nor failed: what the test needs is not on this machine.
skip() {
    echo "skipped: $*"
}

finish() {
    echo "$passed passed, $failed failed"
    [[ $failed -eq 0 ]]
    exit
}
