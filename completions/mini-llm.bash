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
            ' chat' | ' login' | ' logout' | ' models' | ' models update' | ' providers' | ' providers add' | ' providers list' | ' providers remove' | ' providers show' | ' providers test' | ' alias' | ' alias list' | ' alias set' | ' alias show' | ' alias remove' | ' explain' | ' run' | ' setup' | ' env' | ' start' | ' stop' | ' restart' | ' logs' | ' auth' | ' auth token' | ' auth switch' | ' status' | ' doctor' | ' usage' | ' usage verify' | ' budget' | ' budget show' | ' budget set' | ' budget remove' | ' history' | ' history list' | ' history show' | ' history search' | ' history delete' | ' history replay' | ' team' | ' team init' | ' team start' | ' team invite' | ' team usage' | ' team set' | ' team backup' | ' team members' | ' team members list' | ' team members role' | ' team members models' | ' team members remove' | ' team keys' | ' team keys list' | ' team keys create' | ' team keys revoke' | ' team budget' | ' team budget show' | ' team budget set' | ' team budget remove' | ' team credit' | ' team credit show' | ' team credit add' | ' config' | ' config path' | ' config show' | ' config get' | ' config set' | ' config edit' | ' config import' | ' config check' | ' config schema' | ' config trust' | ' completions') at+=" $word" ;;
        esac
    done
    if [[ $now == --*=* ]]; then
        before=${now%%=*}
        now=${now#*=}
    fi
    case "$at:$before" in
        ':--config') kind='files' ;;
        ':--profile') kind='text' ;;
        ' chat:-m' | ' chat:--model') kind='models' ;;
        ' chat:-s' | ' chat:--system') kind='text' ;;
        ' chat:-a' | ' chat:--attach') kind='files' ;;
        ' chat:--cid') kind='text' ;;
        ' chat:-t' | ' chat:--template') kind='text' ;;
        ' chat:-p' | ' chat:--param') kind='text' ;;
        ' chat:--schema') kind='files' ;;
        ' chat:-o' | ' chat:--option') kind='text' ;;
        ' chat:--timeout') kind='text' ;;
        ' chat:--config') kind='files' ;;
        ' chat:--profile') kind='text' ;;
        ' login:--url') kind='text' ;;
        ' login:--timeout') kind='text' ;;
        ' login:--config') kind='files' ;;
        ' login:--profile') kind='text' ;;
        ' logout:--config') kind='files' ;;
        ' logout:--profile') kind='text' ;;
        ' models:-q' | ' models:--query') kind='text' ;;
        ' models:--provider') kind='providers' ;;
        ' models:--sort') kind='words name price context' ;;
        ' models:--config') kind='files' ;;
        ' models:--profile') kind='text' ;;
        ' models update:--from') kind='files' ;;
        ' models update:--config') kind='files' ;;
        ' models update:--profile') kind='text' ;;
        ' providers:--config') kind='files' ;;
        ' providers:--profile') kind='text' ;;
        ' providers add:--key') kind='text' ;;
        ' providers add:--key-env') kind='text' ;;
        ' providers add:--key-cmd') kind='text' ;;
        ' providers add:--url') kind='text' ;;
        ' providers add:--dialect') kind='words openai anthropic gemini responses' ;;
        ' providers add:--header') kind='text' ;;
        ' providers add:--model') kind='models' ;;
        ' providers add:--config') kind='files' ;;
        ' providers add:--profile') kind='text' ;;
        ' providers list:--config') kind='files' ;;
        ' providers list:--profile') kind='text' ;;
        ' providers remove:--config') kind='files' ;;
        ' providers remove:--profile') kind='text' ;;
        ' providers show:--config') kind='files' ;;
        ' providers show:--profile') kind='text' ;;
        ' providers test:--config') kind='files' ;;
        ' providers test:--profile') kind='text' ;;
        ' alias:--config') kind='files' ;;
        ' alias:--profile') kind='text' ;;
        ' alias list:--config') kind='files' ;;
        ' alias list:--profile') kind='text' ;;
        ' alias set:--strategy') kind='words priority cost latency balanced' ;;
        ' alias set:--config') kind='files' ;;
        ' alias set:--profile') kind='text' ;;
        ' alias show:--config') kind='files' ;;
        ' alias show:--profile') kind='text' ;;
        ' alias remove:--config') kind='files' ;;
        ' alias remove:--profile') kind='text' ;;
        ' explain:--config') kind='files' ;;
        ' explain:--profile') kind='text' ;;
        ' run:-m' | ' run:--model') kind='models' ;;
        ' run:--small-model') kind='models' ;;
        ' run:--config') kind='files' ;;
        ' run:--profile') kind='text' ;;
        ' setup:-m' | ' setup:--model') kind='models' ;;
        ' setup:--small-model') kind='models' ;;
        ' setup:--config') kind='files' ;;
        ' setup:--profile') kind='text' ;;
        ' env:--shell') kind='words bash zsh fish pwsh' ;;
        ' env:--config') kind='files' ;;
        ' env:--profile') kind='text' ;;
        ' start:--host') kind='text' ;;
        ' start:--port') kind='text' ;;
        ' start:--workers') kind='text' ;;
        ' start:--key') kind='text' ;;
        ' start:--tls-cert') kind='text' ;;
        ' start:--tls-key') kind='text' ;;
        ' start:--behind-proxy') kind='text' ;;
        ' start:--log') kind='text' ;;
        ' start:--config') kind='files' ;;
        ' start:--profile') kind='text' ;;
        ' stop:--config') kind='files' ;;
        ' stop:--profile') kind='text' ;;
        ' restart:--config') kind='files' ;;
        ' restart:--profile') kind='text' ;;
        ' logs:-n' | ' logs:--lines') kind='text' ;;
        ' logs:--config') kind='files' ;;
        ' logs:--profile') kind='text' ;;
        ' auth:--config') kind='files' ;;
        ' auth:--profile') kind='text' ;;
        ' auth token:--for') kind='text' ;;
        ' auth token:--home') kind='text' ;;
        ' auth token:--config') kind='files' ;;
        ' auth token:--profile') kind='text' ;;
        ' auth switch:--config') kind='files' ;;
        ' auth switch:--profile') kind='text' ;;
        ' status:--config') kind='files' ;;
        ' status:--profile') kind='text' ;;
        ' doctor:--config') kind='files' ;;
        ' doctor:--profile') kind='text' ;;
        ' usage:--by') kind='words day week month provider model tool key member credential route payer status' ;;
        ' usage:--since') kind='text' ;;
        ' usage:--until') kind='text' ;;
        ' usage:--provider') kind='providers' ;;
        ' usage:-m' | ' usage:--model') kind='models' ;;
        ' usage:--tool') kind='text' ;;
        ' usage:--key') kind='text' ;;
        ' usage:--member') kind='text' ;;
        ' usage:--credential') kind='text' ;;
        ' usage:--route') kind='text' ;;
        ' usage:--payer') kind='words own wallet local' ;;
        ' usage:--status') kind='words ok failed partial cancelled unknown' ;;
        ' usage:--config') kind='files' ;;
        ' usage:--profile') kind='text' ;;
        ' usage verify:--config') kind='files' ;;
        ' usage verify:--profile') kind='text' ;;
        ' budget:--config') kind='files' ;;
        ' budget:--profile') kind='text' ;;
        ' budget show:--config') kind='files' ;;
        ' budget show:--profile') kind='text' ;;
        ' budget set:--for') kind='text' ;;
        ' budget set:--config') kind='files' ;;
        ' budget set:--profile') kind='text' ;;
        ' budget remove:--for') kind='text' ;;
        ' budget remove:--config') kind='files' ;;
        ' budget remove:--profile') kind='text' ;;
        ' history:--config') kind='files' ;;
        ' history:--profile') kind='text' ;;
        ' history list:--limit') kind='text' ;;
        ' history list:--config') kind='files' ;;
        ' history list:--profile') kind='text' ;;
        ' history show:--config') kind='files' ;;
        ' history show:--profile') kind='text' ;;
        ' history search:--limit') kind='text' ;;
        ' history search:--config') kind='files' ;;
        ' history search:--profile') kind='text' ;;
        ' history delete:--before') kind='text' ;;
        ' history delete:--config') kind='files' ;;
        ' history delete:--profile') kind='text' ;;
        ' history replay:-m' | ' history replay:--model') kind='models' ;;
        ' history replay:--config') kind='files' ;;
        ' history replay:--profile') kind='text' ;;
        ' team:--config') kind='files' ;;
        ' team:--profile') kind='text' ;;
        ' team init:--name') kind='text' ;;
        ' team init:--email') kind='text' ;;
        ' team init:--url') kind='text' ;;
        ' team init:--grant') kind='text' ;;
        ' team init:--discount') kind='text' ;;
        ' team init:--config') kind='files' ;;
        ' team init:--profile') kind='text' ;;
        ' team start:--host') kind='text' ;;
        ' team start:--port') kind='text' ;;
        ' team start:--workers') kind='text' ;;
        ' team start:--tls-cert') kind='text' ;;
        ' team start:--tls-key') kind='text' ;;
        ' team start:--behind-proxy') kind='text' ;;
        ' team start:--log') kind='text' ;;
        ' team start:--config') kind='files' ;;
        ' team start:--profile') kind='text' ;;
        ' team invite:--role') kind='text' ;;
        ' team invite:--team') kind='text' ;;
        ' team invite:--config') kind='files' ;;
        ' team invite:--profile') kind='text' ;;
        ' team usage:--by') kind='words day week month provider model tool key member credential route payer status' ;;
        ' team usage:--since') kind='text' ;;
        ' team usage:--until') kind='text' ;;
        ' team usage:--team') kind='text' ;;
        ' team usage:--config') kind='files' ;;
        ' team usage:--profile') kind='text' ;;
        ' team set:--name') kind='text' ;;
        ' team set:--grant') kind='text' ;;
        ' team set:--discount') kind='text' ;;
        ' team set:--token-seconds') kind='text' ;;
        ' team set:--url') kind='text' ;;
        ' team set:--top-up-url') kind='text' ;;
        ' team set:--team') kind='text' ;;
        ' team set:--config') kind='files' ;;
        ' team set:--profile') kind='text' ;;
        ' team backup:--config') kind='files' ;;
        ' team backup:--profile') kind='text' ;;
        ' team members:--config') kind='files' ;;
        ' team members:--profile') kind='text' ;;
        ' team members list:--team') kind='text' ;;
        ' team members list:--config') kind='files' ;;
        ' team members list:--profile') kind='text' ;;
        ' team members role:--team') kind='text' ;;
        ' team members role:--config') kind='files' ;;
        ' team members role:--profile') kind='text' ;;
        ' team members models:--team') kind='text' ;;
        ' team members models:--config') kind='files' ;;
        ' team members models:--profile') kind='text' ;;
        ' team members remove:--team') kind='text' ;;
        ' team members remove:--config') kind='files' ;;
        ' team members remove:--profile') kind='text' ;;
        ' team keys:--config') kind='files' ;;
        ' team keys:--profile') kind='text' ;;
        ' team keys list:--member') kind='text' ;;
        ' team keys list:--team') kind='text' ;;
        ' team keys list:--config') kind='files' ;;
        ' team keys list:--profile') kind='text' ;;
        ' team keys create:--member') kind='text' ;;
        ' team keys create:--name') kind='text' ;;
        ' team keys create:--models') kind='text' ;;
        ' team keys create:--budget') kind='text' ;;
        ' team keys create:--period') kind='text' ;;
        ' team keys create:--days') kind='text' ;;
        ' team keys create:--team') kind='text' ;;
        ' team keys create:--config') kind='files' ;;
        ' team keys create:--profile') kind='text' ;;
        ' team keys revoke:--team') kind='text' ;;
        ' team keys revoke:--config') kind='files' ;;
        ' team keys revoke:--profile') kind='text' ;;
        ' team budget:--config') kind='files' ;;
        ' team budget:--profile') kind='text' ;;
        ' team budget show:--team') kind='text' ;;
        ' team budget show:--config') kind='files' ;;
        ' team budget show:--profile') kind='text' ;;
        ' team budget set:--period') kind='text' ;;
        ' team budget set:--member') kind='text' ;;
        ' team budget set:--team') kind='text' ;;
        ' team budget set:--config') kind='files' ;;
        ' team budget set:--profile') kind='text' ;;
        ' team budget remove:--member') kind='text' ;;
        ' team budget remove:--team') kind='text' ;;
        ' team budget remove:--config') kind='files' ;;
        ' team budget remove:--profile') kind='text' ;;
        ' team credit:--config') kind='files' ;;
        ' team credit:--profile') kind='text' ;;
        ' team credit show:--team') kind='text' ;;
        ' team credit show:--config') kind='files' ;;
        ' team credit show:--profile') kind='text' ;;
        ' team credit add:--reference') kind='text' ;;
        ' team credit add:--note') kind='text' ;;
        ' team credit add:--team') kind='text' ;;
        ' team credit add:--config') kind='files' ;;
        ' team credit add:--profile') kind='text' ;;
        ' config:--config') kind='files' ;;
        ' config:--profile') kind='text' ;;
        ' config path:--config') kind='files' ;;
        ' config path:--profile') kind='text' ;;
        ' config show:--config') kind='files' ;;
        ' config show:--profile') kind='text' ;;
        ' config get:--config') kind='files' ;;
        ' config get:--profile') kind='text' ;;
        ' config set:--config') kind='files' ;;
        ' config set:--profile') kind='text' ;;
        ' config edit:--config') kind='files' ;;
        ' config edit:--profile') kind='text' ;;
        ' config import:--config') kind='files' ;;
        ' config import:--profile') kind='text' ;;
        ' config check:--config') kind='files' ;;
        ' config check:--profile') kind='text' ;;
        ' config schema:--config') kind='files' ;;
        ' config schema:--profile') kind='text' ;;
        ' config trust:--config') kind='files' ;;
        ' config trust:--profile') kind='text' ;;
        ' completions:--config') kind='files' ;;
        ' completions:--profile') kind='text' ;;
    esac
    [[ -n $kind ]] || case $at in
        '')
            kind='words chat login logout models providers alias explain run setup env start stop restart logs auth status doctor usage budget history team config completions'
            [[ $now == -* ]] && kind='words --version --config --profile --quiet --verbose --no-color --help'
            ;;
        ' chat')
            kind='words '
            [[ $now == -* ]] && kind='words -m --model -s --system -a --attach -i --interactive -c --continue --cid -t --template -p --param --schema -o --option --json --no-stream --raw --render --reasoning --dry-run --timeout --no-stdin --config --profile --quiet --verbose --no-color --help'
            ;;
        ' login')
            kind='words '
            [[ $now == -* ]] && kind='words --url --no-browser --with-token --json --no-wait --resume --qr --timeout --insecure-storage --require-keyring --config --profile --quiet --verbose --no-color --help'
            ;;
        ' logout')
            kind='words '
            [[ $now == -* ]] && kind='words --local --all --config --profile --quiet --verbose --no-color --help'
            ;;
        ' models')
            kind='words update'
            [[ $now == -* ]] && kind='words -q --query --provider --all --sort --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' models update')
            kind='words '
            [[ $now == -* ]] && kind='words --from --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' providers')
            kind='words add list remove show test'
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' providers add')
            kind='providers'
            [[ $now == -* ]] && kind='words --key --key-env --key-cmd --url --dialect --header --model --insecure-storage --require-keyring --config --profile --quiet --verbose --no-color --help'
            ;;
        ' providers list')
            kind='words '
            [[ $now == -* ]] && kind='words --all --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' providers remove')
            kind='providers'
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' providers show')
            kind='providers'
            [[ $now == -* ]] && kind='words --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' providers test')
            kind='providers'
            [[ $now == -* ]] && kind='words --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' alias')
            kind='words list set show remove'
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' alias list')
            kind='words '
            [[ $now == -* ]] && kind='words --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' alias set')
            kind='models'
            [[ $now == -* ]] && kind='words --strategy --config --profile --quiet --verbose --no-color --help'
            ;;
        ' alias show')
            kind='aliases'
            [[ $now == -* ]] && kind='words --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' alias remove')
            kind='aliases'
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' explain')
            kind='models'
            [[ $now == -* ]] && kind='words --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' run')
            kind='words claude codex opencode aider gemini continue zed copilot llm'
            [[ $now == -* ]] && kind='words -m --model --small-model --config --profile --quiet --verbose --no-color --help'
            ;;
        ' setup')
            kind='words claude codex opencode aider gemini continue cline zed vscode copilot llm langchain openai anthropic google-genai cursor'
            [[ $now == -* ]] && kind='words -m --model --small-model --yes --dry-run --undo --list --no-check --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' env')
            kind='words '
            [[ $now == -* ]] && kind='words --shell --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' start')
            kind='words '
            [[ $now == -* ]] && kind='words --host --port --workers --detach --key --tls-cert --tls-key --behind-proxy --print-token --json --log --config --profile --quiet --verbose --no-color --help'
            ;;
        ' stop')
            kind='words '
            [[ $now == -* ]] && kind='words --now --config --profile --quiet --verbose --no-color --help'
            ;;
        ' restart')
            kind='words '
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' logs')
            kind='words '
            [[ $now == -* ]] && kind='words -f --follow -n --lines --config --profile --quiet --verbose --no-color --help'
            ;;
        ' auth')
            kind='words token switch'
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' auth token')
            kind='words '
            [[ $now == -* ]] && kind='words --for --home --config --profile --quiet --verbose --no-color --help'
            ;;
        ' auth switch')
            kind='words '
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' status')
            kind='words '
            [[ $now == -* ]] && kind='words --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' doctor')
            kind='words '
            [[ $now == -* ]] && kind='words --offline --report --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' usage')
            kind='words verify'
            [[ $now == -* ]] && kind='words --by --since --until --provider -m --model --tool --key --member --credential --route --payer --status --unsettled --json --csv --config --profile --quiet --verbose --no-color --help'
            ;;
        ' usage verify')
            kind='words '
            [[ $now == -* ]] && kind='words --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' budget')
            kind='words show set remove'
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' budget show')
            kind='words '
            [[ $now == -* ]] && kind='words --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' budget set')
            kind='words daily weekly monthly total'
            [[ $now == -* ]] && kind='words --for --warn --hard --config --profile --quiet --verbose --no-color --help'
            ;;
        ' budget remove')
            kind='words daily weekly monthly total'
            [[ $now == -* ]] && kind='words --for --config --profile --quiet --verbose --no-color --help'
            ;;
        ' history')
            kind='words list show search delete replay'
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' history list')
            kind='words '
            [[ $now == -* ]] && kind='words --limit --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' history show')
            kind='words '
            [[ $now == -* ]] && kind='words --raw --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' history search')
            kind='words '
            [[ $now == -* ]] && kind='words --limit --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' history delete')
            kind='words '
            [[ $now == -* ]] && kind='words --all --before -y --yes --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' history replay')
            kind='words '
            [[ $now == -* ]] && kind='words -m --model --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team')
            kind='words init start invite usage set backup members keys budget credit'
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team init')
            kind='words '
            [[ $now == -* ]] && kind='words --name --email --password-stdin --url --grant --discount --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team start')
            kind='words '
            [[ $now == -* ]] && kind='words --host --port --workers --tls-cert --tls-key --behind-proxy --json --log --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team invite')
            kind='words '
            [[ $now == -* ]] && kind='words --role --team --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team usage')
            kind='words '
            [[ $now == -* ]] && kind='words --by --since --until --team --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team set')
            kind='words '
            [[ $now == -* ]] && kind='words --name --grant --discount --token-seconds --url --top-up-url --team --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team backup')
            kind='words '
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team members')
            kind='words list role models remove'
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team members list')
            kind='words '
            [[ $now == -* ]] && kind='words --team --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team members role')
            kind='words '
            [[ $now == -* ]] && kind='words --team --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team members models')
            kind='words '
            [[ $now == -* ]] && kind='words --all --team --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team members remove')
            kind='words '
            [[ $now == -* ]] && kind='words --team --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team keys')
            kind='words list create revoke'
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team keys list')
            kind='words '
            [[ $now == -* ]] && kind='words --member --revoked --team --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team keys create')
            kind='words '
            [[ $now == -* ]] && kind='words --member --name --models --budget --period --days --team --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team keys revoke')
            kind='words '
            [[ $now == -* ]] && kind='words --team --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team budget')
            kind='words show set remove'
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team budget show')
            kind='words '
            [[ $now == -* ]] && kind='words --team --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team budget set')
            kind='words '
            [[ $now == -* ]] && kind='words --period --member --team --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team budget remove')
            kind='words '
            [[ $now == -* ]] && kind='words --member --team --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team credit')
            kind='words show add'
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team credit show')
            kind='words '
            [[ $now == -* ]] && kind='words --team --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' team credit add')
            kind='words '
            [[ $now == -* ]] && kind='words --reference --note --team --config --profile --quiet --verbose --no-color --help'
            ;;
        ' config')
            kind='words path show get set edit import check schema trust'
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' config path')
            kind='words '
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' config show')
            kind='words '
            [[ $now == -* ]] && kind='words --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' config get')
            kind='words '
            [[ $now == -* ]] && kind='words --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' config set')
            kind='words '
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' config edit')
            kind='words '
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' config import')
            kind='words '
            [[ $now == -* ]] && kind='words --yes --dry-run --insecure-storage --require-keyring --json --config --profile --quiet --verbose --no-color --help'
            ;;
        ' config check')
            kind='words '
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' config schema')
            kind='words '
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' config trust')
            kind='files'
            [[ $now == -* ]] && kind='words --config --profile --quiet --verbose --no-color --help'
            ;;
        ' completions')
            kind='words bash zsh fish pwsh'
            [[ $now == -* ]] && kind='words --install --uninstall --config --profile --quiet --verbose --no-color --help'
            ;;
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
