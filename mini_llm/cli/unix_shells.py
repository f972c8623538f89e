"""Completion scripts for bash, zsh and fish. Names are only ever read as data: no shell expands what a cache holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mini_llm.cli.shells import Option, Page

SHELLS = "bash zsh fish pwsh"
SAFE_FILES = {"models": "models aliases", "aliases": "aliases", "providers": "providers"}

BASH_HEAD = """\
# Completions of mini-llm for bash, made by `mini-llm completions bash`. Names come from the cache: no Python starts.
_mini_llm_names() {
    local cache=${XDG_CACHE_HOME:-$HOME/.cache}/mini-llm kind name
    [[ $OSTYPE == darwin* ]] && cache=$HOME/Library/Caches/mini-llm
    [[ -n ${MINI_LLM_HOME-} ]] && cache=$MINI_LLM_HOME/cache
    for kind in $1; do
        [[ -r $cache/names/$kind ]] || continue
        while IFS= read -r name; do
            [[ $name == "$2"* ]] && COMPREPLY+=("$name")
        done <"$cache/names/$kind"
    done
}

_mini_llm_words() {
    local word
    for word in $1; do
        [[ $word == "$2"* ]] && COMPREPLY+=("$word")
    done
}

_mini_llm() {
    local line=${COMP_LINE:0:COMP_POINT} now= at= before= word kind= i
    local -a typed
    COMPREPLY=()
    # Our own split: bash would cut names at each colon.
    read -ra typed <<<"$line"
    if [[ $line != *[[:space:]] ]]; then
        now=${typed[${#typed[@]}-1]}
        unset "typed[${#typed[@]}-1]"
    fi
    before=${typed[${#typed[@]}-1]}
    for ((i = 1; i < ${#typed[@]}; i++)); do
        word=${typed[i]}
        case "$at $word" in
"""
BASH_MIDDLE = """\
        esac
    done
    if [[ $now == --*=* ]]; then
        before=${now%%=*}
        now=${now#*=}
    fi
    case "$at:$before" in
"""
BASH_TAIL = """\
    esac
    case $kind in
        files)
            compopt -o filenames 2>/dev/null
            while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$now")
            ;;
        models) _mini_llm_names "models aliases" "$now" ;;
        aliases | providers) _mini_llm_names "$kind" "$now" ;;
        "words "*) _mini_llm_words "${kind#words }" "$now" ;;
    esac
    if [[ $now == *:* && $COMP_WORDBREAKS == *:* ]]; then
        word=${now%"${now##*:}"}
        for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=${COMPREPLY[i]#"$word"}; done
    fi
}
complete -F _mini_llm mini-llm
"""

ZSH_HEAD = """\
#compdef mini-llm
# Completions of mini-llm for zsh, made by `mini-llm completions zsh`. Names come from the cache: no Python starts.
_mini_llm_names() {
    local cache=${XDG_CACHE_HOME:-$HOME/.cache}/mini-llm kind
    local -a found
    [[ $OSTYPE == darwin* ]] && cache=$HOME/Library/Caches/mini-llm
    [[ -n $MINI_LLM_HOME ]] && cache=$MINI_LLM_HOME/cache
    for kind; do
        [[ -r $cache/names/$kind ]] && found+=("${(@f)$(<$cache/names/$kind)}")
    done
    compadd -a found
}

_mini_llm() {
    local at= word kind= before=$words[CURRENT-1]
    local -a below options
    for word in $words[2,CURRENT-1]; do
        case "$at $word" in
"""
ZSH_MIDDLE = """\
        esac
    done
    if [[ $PREFIX == --*=* ]]; then
        before=${PREFIX%%=*}
        compset -P '*='
    fi
    case "$at:$before" in
"""
ZSH_TAIL = """\
    esac
    case $kind in
        files) _files ;;
        text) _message value ;;
        models) _mini_llm_names models aliases ;;
        aliases | providers) _mini_llm_names $kind ;;
        words\\ *) compadd -- ${=kind#words } ;;
    esac
    if [[ $PREFIX == -* ]]; then
        _describe option options
    elif (( $#below )); then
        _describe command below
    fi
}

_mini_llm "$@"
"""

FISH_HEAD = """\
# Completions of mini-llm for fish, made by `mini-llm completions fish`. Names come from the cache: no Python starts.
function __mini_llm_names
    set -l cache $HOME/.cache/mini-llm
    set -q XDG_CACHE_HOME; and set cache $XDG_CACHE_HOME/mini-llm
    test -d $HOME/Library/Caches; and set cache $HOME/Library/Caches/mini-llm
    set -q MINI_LLM_HOME; and set cache $MINI_LLM_HOME/cache
    for kind in $argv
        test -r $cache/names/$kind; and string match '*' <$cache/names/$kind
    end
end

# Asked for each place of the table: what was typed is looked through once.
function __mini_llm_at
    set -l typed (commandline -opc)
    if test "$typed" != "$__mini_llm_typed"
        set -g __mini_llm_typed $typed
        set -g __mini_llm_now ''
        for word in $typed[2..-1]
            contains -- "$__mini_llm_now $word" $__mini_llm_places; and set __mini_llm_now "$__mini_llm_now $word"
        end
    end
    test "$__mini_llm_now" = "$argv[1]"
end

"""


def bash(pages: Sequence[Page]) -> str:
    """Return the script for bash."""
    lines = [BASH_HEAD, f'            {_patterns(pages)}) at+=" $word" ;;\n', BASH_MIDDLE, *_values(pages)]
    lines += ["    esac\n    [[ -n $kind ]] || case $at in\n"]
    for page in pages:
        below = " ".join(name for name, _ in page.below)
        options = " ".join(name for option in page.options for name in option.names)
        own = _kind(page.arguments) if page.arguments and not below else f"words {below}"
        lines.append(f"        {_quoted(_at(page))})\n            kind={_quoted(own)}\n")
        lines.append(f"            [[ $now == -* ]] && kind={_quoted('words ' + options)}\n            ;;\n")
    return "".join([*lines, BASH_TAIL])


def zsh(pages: Sequence[Page]) -> str:
    """Return the script for zsh."""
    lines = [ZSH_HEAD, f'            {_patterns(pages)}) at+=" $word" ;;\n', ZSH_MIDDLE, *_values(pages)]
    lines += ["    esac\n    [[ -n $kind ]] || case $at in\n"]
    for page in pages:
        lines.append(f"        {_quoted(_at(page))})\n")
        if page.below:
            lines.append(f"            below=({_described(page.below)})\n")
        lines.append(f"            options=({_described((name, o.help) for o in page.options for name in o.names)})\n")
        if page.arguments:
            lines.append(f"            [[ $PREFIX == -* ]] || kind={_quoted(_kind(page.arguments))}\n")
        lines.append("            ;;\n")
    return "".join([*lines, ZSH_TAIL])


def fish(pages: Sequence[Page]) -> str:
    """Return the script for fish."""
    places = " ".join(_quoted(_at(page)) for page in pages if page.path)
    lines = [FISH_HEAD, f"set -g __mini_llm_places {places}\n\ncomplete -c mini-llm -f\n"]
    for page in pages:
        start = f'complete -c mini-llm -n "__mini_llm_at {_quoted(_at(page))}"'
        lines += [f"{start} -a {name} -d {_fish_quoted(help)}\n" for name, help in page.below]
        lines += [f"{start} {_fish_option(option)} -d {_fish_quoted(option.help)}\n" for option in page.options]
        if page.arguments:
            lines.append(f"{start} {_fish_value(_kind(page.arguments)).removeprefix('-x ')}\n")
    return "".join(lines)


def _at(page: Page) -> str:
    return f" {page.path}" if page.path else ""


def _kind(kind: str) -> str:
    return f"words {SHELLS}" if kind == "shells" else kind


def _patterns(pages: Iterable[Page]) -> str:
    return " | ".join(_quoted(_at(page)) for page in pages if page.path)


def _values(pages: Iterable[Page]) -> list[str]:
    """Return the cases of options that take a value."""
    lines = []
    for page in pages:
        for option in page.options:
            if option.value:
                names = " | ".join(_quoted(f"{_at(page)}:{name}") for name in option.names)
                lines.append(f"        {names}) kind={_quoted(option.value)} ;;\n")
    return lines


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _described(pairs: Iterable[tuple[str, str]]) -> str:
    return " ".join(_quoted(f"{name}:{help}".replace(":", "\\:").replace("\\:", ":", 1)) for name, help in pairs)


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fish_option(option: Option) -> str:
    names = (f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
    return " ".join([*names, _fish_value(option.value)]).rstrip()


def _fish_value(kind: str) -> str:
    if kind == "files":
        return "-r -F"
    if kind == "text":
        return "-x"
    if kind.startswith("words "):
        return f"-x -a {_fish_quoted(kind.removeprefix('words '))}"
    return f"-x -a '(__mini_llm_names {SAFE_FILES[kind]})'" if kind else ""
