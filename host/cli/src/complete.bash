# Lets bash ask `muster` what could be written.
_muster_complete() {
    local IFS=$'\013' LC_ALL=C
    # Bash takes `=`, `:` and `@` for words of their own. What is written without a blank between is one word here.
    local line=${COMP_LINE:0:COMP_POINT} words=() part stripped i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        part=${COMP_WORDS[i]}
        stripped=${line#"${line%%[![:blank:]]*}"}
        if ((i == COMP_CWORD)); then
            part=$stripped
        fi
        if ((i == 0)) || [[ $stripped != "$line" ]]; then
            words+=("$part")
        else
            words[${#words[@]} - 1]+=$part
        fi
        line=${stripped#"$part"}
    done
    local current=${words[${#words[@]} - 1]}
    COMPREPLY=($(
        _CLAP_IFS=$IFS _CLAP_COMPLETE_INDEX=$((${#words[@]} - 1)) _CLAP_COMPLETE_COMP_TYPE=$COMP_TYPE MUSTER_COMPLETE=bash \
            muster -- "${words[@]}"
    )) || {
        COMPREPLY=()
        return
    }
    # Of the word, bash replaces only what it takes for one.
    COMPREPLY=("${COMPREPLY[@]#"${current%"$2"}"}")
    # What ends so goes on; behind anything else comes a blank.
    if [[ ${COMPREPLY[0]-} != *[=/:] ]]; then
        compopt +o nospace 2>/dev/null
    fi
}
complete -o nospace -o bashdefault -o nosort -F _muster_complete muster
