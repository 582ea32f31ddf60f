# The server that ./dev run leaves running and ./dev stop ends; sourced by dev. Its files are in
# build/run: the database, the password of its admin, the log, and where it is (pid, port, socket).

run_folder=${DEV_RUN_FOLDER:-$PWD/build/run}
port_first=${DEV_PORT:-7432}

# The server's process, if it is one of ours and runs.
server_pid() {
    local pid
    pid=$(cat "$run_folder/pid" 2>/dev/null) || return 1
    [[ -n $pid && $(readlink "/proc/$pid/exe" 2>/dev/null) == */tdb* ]] && say "$pid"
}

# server_value NAME: what was kept when it started.
server_value() {
    cat "$run_folder/$1"
}

server_url() {
    say "postgresql://admin:$(server_value password)@127.0.0.1:$(server_value port)/tdb"
}

port_is_taken() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

free_port() {
    local port=$port_first
    while port_is_taken "$port"; do
        [[ $port -lt $((port_first + 50)) ]] || fail "ports $port_first to $port are all taken"
        port=$((port + 1))
    done
    say "$port"
}

# The path of a unix socket has at most 107 bytes.
socket_folder() {
    if [[ ${#run_folder} -lt 80 ]]; then
        say "$run_folder"
    else
        mktemp -d "${TMPDIR:-/tmp}/tdb-XXXXXX"
    fi
}

make_password() {
    [[ -s $run_folder/password ]] ||
        (umask 077 && head -c 18 /dev/urandom | base64 | tr '+/' 'xy' >"$run_folder/password")
}

# Detached: it outlives this script and its terminal.
launch_server() {
    local program=$1 port=$2 folder
    folder=$(socket_folder)
    say "$port" >"$run_folder/port"
    say "$folder" >"$run_folder/socket"
    TDB_ADMIN_PASSWORD_FILE=$run_folder/password setsid nohup "$program" serve "$run_folder/tour.tdb" \
        --port "$port" --socket-directory "$folder" >"$run_folder/log" 2>&1 </dev/null &
    say "$!" >"$run_folder/pid"
}

wait_for_server() {
    local program=$1 tries
    for ((tries = 0; tries < 300; tries++)); do
        "$program" "$(server_url)" -c 'SELECT 1' >/dev/null 2>&1 && return 0
        if ! server_pid >/dev/null; then
            break
        fi
        sleep 0.2
    done
    tail -n 20 "$run_folder/log" >&2
    fail "the server did not start; its log: $run_folder/log"
}

# Starts the server, or finds the one that runs; anew when the program was built since.
start_server() {
    local program=$1 pid port
    if pid=$(server_pid); then
        if [[ $(readlink "/proc/$pid/exe") != *" (deleted)" ]]; then
            say "dev: the server is up already (process $pid)"
            return 0
        fi
        say "dev: the program was built anew: restarting the server"
        stop_server
    fi
    mkdir -p "$run_folder"
    chmod 700 "$run_folder"
    make_password
    port=$(free_port)
    [[ $port -eq $port_first ]] || say "dev: port $port_first is taken, so it is $port"
    launch_server "$program" "$port"
    wait_for_server "$program"
    say "dev: the server is up (process $(server_pid))"
}

stop_server() {
    local pid tries
    if ! pid=$(server_pid); then
        say "dev: no server of ./dev run is running"
        return 0
    fi
    kill -TERM "$pid"
    for ((tries = 0; tries < 150; tries++)); do
        if ! server_pid >/dev/null; then
            rm -f "$run_folder/pid"
            say "dev: the server has ended; its data stay in $run_folder/tour.tdb"
            return 0
        fi
        sleep 0.2
    done
    fail "process $pid does not end; its log: $run_folder/log"
}

# Where it is, for people and their programs.
tell_addresses() {
    cat <<ADDRESSES

The server stays up:
  address    127.0.0.1, port $(server_value port); unix socket in $(server_value socket)
  database   tdb, user admin, password in $run_folder/password
  URL        $(server_url)
  log        $run_folder/log
./dev run shows the tour again, ./dev stop ends the server.
ADDRESSES
}
