# Completion of rldb for bash. The words come from the program itself: `rldb --words` lists the verbs,
# `rldb --words VERB` what may follow a verb.

_rldb()
{
    local current=$2 previous=$3 verb= index word words

    # The verb is the first word that is neither an option nor an option's value.
    for ((index = 1; index < COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        case $word in
        -h | --host | -p | --port | -s | --socket | --user | --timeout) ((index++)) ;;
        -*) ;;
        *)
            verb=$word
            break
            ;;
        esac
    done
    COMPREPLY=()
    case $previous in
    -h | --host)
        mapfile -t COMPREPLY < <(compgen -A hostname -- "$current")
        return
        ;;
    -s | --socket)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    -p | --port | --user | --timeout) # only the user knows
        return
        ;;
    esac
    case $verb:$current in
    import:[^-]* | import: | export:[^-]* | export: | check:[^-]* | check: | repair:[^-]* | repair:)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    esac
    words=$("$1" --words ${verb:+"$verb"} 2>/dev/null)
    # Options only where one was begun, so that verbs and orders are not drowned in them.
    if [[ $current != -* ]]; then
        words=$(grep -v '^-' <<<"$words")
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _rldb rldb
