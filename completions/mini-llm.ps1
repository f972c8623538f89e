# Completions of mini-llm for PowerShell, made by `mini-llm completions pwsh`. Names come from the cache.
Register-ArgumentCompleter -Native -CommandName mini-llm -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $pages = @{
        '' = @('words chat models providers alias explain start stop restart logs auth status usage budget config completions', 'words --version --config --profile --quiet --verbose --no-color --help')
        ' chat' = @('words ', 'words -m --model -s --system -a --attach --schema -o --option --json --no-stream --raw --render --reasoning --dry-run --timeout --no-stdin --config --profile --quiet --verbose --no-color --help')
        ' models' = @('words update', 'words -q --query --provider --all --sort --json --config --profile --quiet --verbose --no-color --help')
        ' models update' = @('words ', 'words --from --json --config --profile --quiet --verbose --no-color --help')
        ' providers' = @('words add list remove show test', 'words --config --profile --quiet --verbose --no-color --help')
        ' providers add' = @('providers', 'words --key --key-env --key-cmd --url --dialect --header --model --insecure-storage --require-keyring --config --profile --quiet --verbose --no-color --help')
        ' providers list' = @('words ', 'words --all --json --config --profile --quiet --verbose --no-color --help')
        ' providers remove' = @('providers', 'words --config --profile --quiet --verbose --no-color --help')
        ' providers show' = @('providers', 'words --json --config --profile --quiet --verbose --no-color --help')
        ' providers test' = @('providers', 'words --json --config --profile --quiet --verbose --no-color --help')
        ' alias' = @('words list set show remove', 'words --config --profile --quiet --verbose --no-color --help')
        ' alias list' = @('words ', 'words --json --config --profile --quiet --verbose --no-color --help')
        ' alias set' = @('models', 'words --strategy --config --profile --quiet --verbose --no-color --help')
        ' alias show' = @('aliases', 'words --json --config --profile --quiet --verbose --no-color --help')
        ' alias remove' = @('aliases', 'words --config --profile --quiet --verbose --no-color --help')
        ' explain' = @('models', 'words --json --config --profile --quiet --verbose --no-color --help')
        ' start' = @('words ', 'words --host --port --workers --detach --key --tls-cert --tls-key --behind-proxy --print-token --json --log --config --profile --quiet --verbose --no-color --help')
        ' stop' = @('words ', 'words --now --config --profile --quiet --verbose --no-color --help')
        ' restart' = @('words ', 'words --config --profile --quiet --verbose --no-color --help')
        ' logs' = @('words ', 'words -f --follow -n --lines --config --profile --quiet --verbose --no-color --help')
        ' auth' = @('words token', 'words --config --profile --quiet --verbose --no-color --help')
        ' auth token' = @('words ', 'words --for --config --profile --quiet --verbose --no-color --help')
        ' status' = @('words ', 'words --json --config --profile --quiet --verbose --no-color --help')
        ' usage' = @('words verify', 'words --by --since --until --provider -m --model --tool --key --member --credential --route --payer --status --unsettled --json --csv --config --profile --quiet --verbose --no-color --help')
        ' usage verify' = @('words ', 'words --json --config --profile --quiet --verbose --no-color --help')
        ' budget' = @('words show set remove', 'words --config --profile --quiet --verbose --no-color --help')
        ' budget show' = @('words ', 'words --json --config --profile --quiet --verbose --no-color --help')
        ' budget set' = @('words daily weekly monthly total', 'words --for --warn --hard --config --profile --quiet --verbose --no-color --help')
        ' budget remove' = @('words daily weekly monthly total', 'words --for --config --profile --quiet --verbose --no-color --help')
        ' config' = @('words path show get set check schema trust', 'words --config --profile --quiet --verbose --no-color --help')
        ' config path' = @('words ', 'words --config --profile --quiet --verbose --no-color --help')
        ' config show' = @('words ', 'words --json --config --profile --quiet --verbose --no-color --help')
        ' config get' = @('words ', 'words --json --config --profile --quiet --verbose --no-color --help')
        ' config set' = @('words ', 'words --config --profile --quiet --verbose --no-color --help')
        ' config check' = @('words ', 'words --config --profile --quiet --verbose --no-color --help')
        ' config schema' = @('words ', 'words --config --profile --quiet --verbose --no-color --help')
        ' config trust' = @('files', 'words --config --profile --quiet --verbose --no-color --help')
        ' completions' = @('words bash zsh fish pwsh', 'words --install --config --profile --quiet --verbose --no-color --help')
    }
    $values = @{
        ':--config' = 'files'
        ':--profile' = 'text'
        ' chat:-m' = 'models'
        ' chat:--model' = 'models'
        ' chat:-s' = 'text'
        ' chat:--system' = 'text'
        ' chat:-a' = 'files'
        ' chat:--attach' = 'files'
        ' chat:--schema' = 'files'
        ' chat:-o' = 'text'
        ' chat:--option' = 'text'
        ' chat:--timeout' = 'text'
        ' chat:--config' = 'files'
        ' chat:--profile' = 'text'
        ' models:-q' = 'text'
        ' models:--query' = 'text'
        ' models:--provider' = 'providers'
        ' models:--sort' = 'words name price context'
        ' models:--config' = 'files'
        ' models:--profile' = 'text'
        ' models update:--from' = 'files'
        ' models update:--config' = 'files'
        ' models update:--profile' = 'text'
        ' providers:--config' = 'files'
        ' providers:--profile' = 'text'
        ' providers add:--key' = 'text'
        ' providers add:--key-env' = 'text'
        ' providers add:--key-cmd' = 'text'
        ' providers add:--url' = 'text'
        ' providers add:--dialect' = 'words openai anthropic gemini responses'
        ' providers add:--header' = 'text'
        ' providers add:--model' = 'models'
        ' providers add:--config' = 'files'
        ' providers add:--profile' = 'text'
        ' providers list:--config' = 'files'
        ' providers list:--profile' = 'text'
        ' providers remove:--config' = 'files'
        ' providers remove:--profile' = 'text'
        ' providers show:--config' = 'files'
        ' providers show:--profile' = 'text'
        ' providers test:--config' = 'files'
        ' providers test:--profile' = 'text'
        ' alias:--config' = 'files'
        ' alias:--profile' = 'text'
        ' alias list:--config' = 'files'
        ' alias list:--profile' = 'text'
        ' alias set:--strategy' = 'words priority cost latency balanced'
        ' alias set:--config' = 'files'
        ' alias set:--profile' = 'text'
        ' alias show:--config' = 'files'
        ' alias show:--profile' = 'text'
        ' alias remove:--config' = 'files'
        ' alias remove:--profile' = 'text'
        ' explain:--config' = 'files'
        ' explain:--profile' = 'text'
        ' start:--host' = 'text'
        ' start:--port' = 'text'
        ' start:--workers' = 'text'
        ' start:--key' = 'text'
        ' start:--tls-cert' = 'text'
        ' start:--tls-key' = 'text'
        ' start:--behind-proxy' = 'text'
        ' start:--log' = 'text'
        ' start:--config' = 'files'
        ' start:--profile' = 'text'
        ' stop:--config' = 'files'
        ' stop:--profile' = 'text'
        ' restart:--config' = 'files'
        ' restart:--profile' = 'text'
        ' logs:-n' = 'text'
        ' logs:--lines' = 'text'
        ' logs:--config' = 'files'
        ' logs:--profile' = 'text'
        ' auth:--config' = 'files'
        ' auth:--profile' = 'text'
        ' auth token:--for' = 'text'
        ' auth token:--config' = 'files'
        ' auth token:--profile' = 'text'
        ' status:--config' = 'files'
        ' status:--profile' = 'text'
        ' usage:--by' = 'words day week month provider model tool key member credential route payer status'
        ' usage:--since' = 'text'
        ' usage:--until' = 'text'
        ' usage:--provider' = 'providers'
        ' usage:-m' = 'models'
        ' usage:--model' = 'models'
        ' usage:--tool' = 'text'
        ' usage:--key' = 'text'
        ' usage:--member' = 'text'
        ' usage:--credential' = 'text'
        ' usage:--route' = 'text'
        ' usage:--payer' = 'words own wallet local'
        ' usage:--status' = 'words ok failed partial cancelled unknown'
        ' usage:--config' = 'files'
        ' usage:--profile' = 'text'
        ' usage verify:--config' = 'files'
        ' usage verify:--profile' = 'text'
        ' budget:--config' = 'files'
        ' budget:--profile' = 'text'
        ' budget show:--config' = 'files'
        ' budget show:--profile' = 'text'
        ' budget set:--for' = 'text'
        ' budget set:--config' = 'files'
        ' budget set:--profile' = 'text'
        ' budget remove:--for' = 'text'
        ' budget remove:--config' = 'files'
        ' budget remove:--profile' = 'text'
        ' config:--config' = 'files'
        ' config:--profile' = 'text'
        ' config path:--config' = 'files'
        ' config path:--profile' = 'text'
        ' config show:--config' = 'files'
        ' config show:--profile' = 'text'
        ' config get:--config' = 'files'
        ' config get:--profile' = 'text'
        ' config set:--config' = 'files'
        ' config set:--profile' = 'text'
        ' config check:--config' = 'files'
        ' config check:--profile' = 'text'
        ' config schema:--config' = 'files'
        ' config schema:--profile' = 'text'
        ' config trust:--config' = 'files'
        ' config trust:--profile' = 'text'
        ' completions:--config' = 'files'
        ' completions:--profile' = 'text'
    }
    $cache = if ($env:MINI_LLM_HOME) { Join-Path $env:MINI_LLM_HOME 'cache' }
        elseif ($env:LOCALAPPDATA) { Join-Path $env:LOCALAPPDATA 'mini-llm/Cache' }
        elseif ($IsMacOS) { Join-Path $HOME 'Library/Caches/mini-llm' }
        elseif ($env:XDG_CACHE_HOME) { Join-Path $env:XDG_CACHE_HOME 'mini-llm' }
        else { Join-Path $HOME '.cache/mini-llm' }
    $at = ''
    $before = ''
    foreach ($element in $commandAst.CommandElements | Select-Object -Skip 1) {
        if ($element.Extent.EndOffset -ge $cursorPosition -and $wordToComplete) { break }
        $before = $element.ToString()
        if ($pages.ContainsKey("$at $before")) { $at = "$at $before" }
    }
    $kind = $values["${at}:$before"]
    if (-not $kind) { $kind = if ($wordToComplete -like '-*') { $pages[$at][1] } else { $pages[$at][0] } }
    if ($kind -eq 'files' -or $kind -eq 'text') { return }
    $names = if ($kind -like 'words *') { $kind.Substring(6) -split ' ' } else {
        $lists = if ($kind -eq 'models') { 'models', 'aliases' } else { , $kind }
        foreach ($list in $lists) { Get-Content -ErrorAction SilentlyContinue (Join-Path $cache "names/$list") }
    }
    $names | Where-Object { $_ -and $_.StartsWith($wordToComplete) } | ForEach-Object {
        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
    }
}
