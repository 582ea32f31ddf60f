# Completion of the command line of tdb in bash; cmake --install puts it where bash looks for it.

_tdb() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local commands="stat verify backup recover dump demo serve config help"
    local options="-c -f --box --table --csv --json --ndjson --markdown --line --expanded --timer
        --keep-going --help --version"
    case ${COMP_WORDS[1]} in
    serve) options="$(tdb serve --help 2>/dev/null | grep -oE '^ +--[a-z-]+')" ;;
    config) options="check $(tdb serve --help 2>/dev/null | grep -oE '^ +--[a-z-]+')" ;;
    demo) options="--fast --data --help" ;;
    recover) options="--json" ;;
    stat | verify | backup | dump | help) options="" ;;
    esac
    COMPREPLY=()
    case $before in
    -f | --tls-* | --log-file | --log-audit-file | --config | check) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
    -c | --host | --port) return ;;
    esac
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        [[ $COMP_CWORD -eq 1 ]] && mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$commands" -- "$word")
    fi
}

complete -o filenames -F _tdb tdb
