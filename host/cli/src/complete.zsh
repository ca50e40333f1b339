#compdef muster
# Lets zsh ask `muster` what could be written.
_muster_complete() {
    local completion value
    local -a found=() begun=() directories=() whole=()
    found=("${(@f)$(
        _CLAP_IFS=$'\n' _CLAP_COMPLETE_INDEX=$((CURRENT - 1)) MUSTER_COMPLETE=zsh muster -- "${words[@]}" 2>/dev/null
    )}")
    for completion in $found; do
        value=${completion%%:*}
        if [[ $value == *= ]]; then
            # The value comes right behind it.
            begun+=("$completion")
        elif [[ $value == */ ]]; then
            directories+=("${value%/}${completion#$value}")
        else
            whole+=("$completion")
        fi
    done
    [[ -n $begun ]] && _describe -V 'arguments' begun -S ''
    [[ -n $directories ]] && _describe -V 'directories' directories -S '/' -r '/'
    [[ -n $whole ]] && _describe -V 'values' whole
}
compdef _muster_complete muster
