"""The completion script for PowerShell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mini_llm.cli.shells import Page

SHELLS = "words bash zsh fish pwsh"

HEAD = """\
# Completions of mini-llm for PowerShell, made by `mini-llm completions pwsh`. Names come from the cache.
Register-ArgumentCompleter -Native -CommandName mini-llm -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $pages = @{
"""
MIDDLE = """\
    }
    $values = @{
"""
TAIL = """\
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
"""


def pwsh(pages: Sequence[Page]) -> str:
    """Return the script for PowerShell."""
    lines = [HEAD]
    for page in pages:
        below = " ".join(name for name, _ in page.below)
        arguments = SHELLS if page.arguments == "shells" else page.arguments
        options = " ".join(name for option in page.options for name in option.names)
        own = arguments if arguments and not below else f"words {below}"
        lines.append(f"        '{_at(page)}' = @('{own}', 'words {options}')\n")
    lines.append(MIDDLE)
    for page in pages:
        for option in page.options:
            if option.value:
                lines += [f"        '{_at(page)}:{name}' = '{option.value}'\n" for name in option.names]
    return "".join([*lines, TAIL])


def _at(page: Page) -> str:
    return f" {page.path}" if page.path else ""
