"""The command line. `COMMANDS` is all that is known before a command runs; its module is imported then."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import typer

from mini_llm.cli import frame, output
from mini_llm.cli.flags import Flags, flags
from mini_llm.cli.report import report
from mini_llm.errors import MiniLLMError

COMMANDS = {
    "chat": "Ask a model; the answer streams to stdout",
    "login": "Sign in to a wallet: one key for every model",
    "logout": "Sign out of it again",
    "models": "List what can be called now, and what it costs",
    "providers": "Add, test and remove providers",
    "alias": "Give a model, or a chain of models, a short name",
    "explain": "Show where a request for a model would go, and why",
    "run": "Start a tool with the gateway in its environment",
    "setup": "Tell a tool to use the gateway, in its own settings",
    "env": "Print the gateway's address and token as lines for a shell",
    "start": "Start the gateway: every provider behind one address",
    "stop": "End the gateway",
    "restart": "End the gateway and start it again",
    "logs": "Show what the gateway wrote",
    "auth": "Show the tokens with which programs ask the gateway",
    "status": "Show on one screen what works and what does not",
    "doctor": "Test each link: config, keys, providers, clock, gateway, tools",
    "usage": "Show tokens and cost, by day, model, tool or whatever else",
    "budget": "Show and set the most that may be spent",
    "history": "Show, search and delete the conversations that are kept",
    "team": "Run a team server: members, keys, budgets, credits",
    "config": "Read and change settings",
    "completions": "Print or install the completions of your shell",
}

WELCOME = """\
mini-llm: one command for every model, with your own keys

  mini-llm chat "Why is the sky blue?"          ask; the answer streams
  git diff | mini-llm chat "Write the commit"   a pipe is context
  mini-llm providers add groq --key             add a provider

`mini-llm --help` lists all commands; `mini-llm status` shows what works
"""

FIRST = """\
mini-llm: one command for every model

Three ways to a first answer:

  mini-llm login                    one sign-in for every model, paid by use
  export OPENAI_API_KEY=sk-...      your own key: OpenAI, Anthropic, Gemini,
                                    others: `mini-llm providers list --all`
  ollama run llama3.2               a model on this machine, for nothing:
                                    mini-llm chat -m ollama/llama3.2 "Hello"

Then ask:

  mini-llm chat "Why is the sky blue?"

Keys that are on this machine already: `mini-llm config import --dry-run`
All commands: `mini-llm --help`
"""

EXIT_CODES = """\
Exit codes:
  0 done · 1 failed · 2 misused · 4 not signed in, or no key
  5 provider or network · 6 budget or credits exhausted
  7 unknown model or provider · 8 gateway not running
  69 the gateway's port is in use · 78 it can't be started so · 130 interrupted"""


class Commands(frame.Door):
    """The commands of this version."""

    table = COMMANDS


def command() -> typer.core.TyperGroup:
    """Return the first level of the command line."""
    app = frame.new_app(Commands, invoke_without_command=True, epilog=EXIT_CODES)
    app.callback()(root)
    return typer.main.get_group(app)


def root(
    ctx: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version"),
) -> None:
    """The AI router that just works: one command for every model, with your own keys."""
    if version:
        from mini_llm._version import __version__

        output.line(f"mini-llm {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        output.data(FIRST if _is_first(flags(ctx)) else WELCOME)


def _is_first(known: Flags) -> bool:
    """Tell whether nothing is set up that could answer."""
    from mini_llm.providers import Registry

    try:
        loaded = known.load()
        registry = Registry(loaded.config, environ=known.environ, folder=loaded.paths.home / "providers")
        return not (registry.configured() or registry.wallet())
    except MiniLLMError:  # something is, and `mini-llm doctor` tells what is wrong with it
        return False


def main(args: Sequence[str], environ: Mapping[str, str] | None = None) -> int:
    """Run one command line and return its exit code."""
    output.prepare()
    known = Flags(os.environ if environ is None else environ)
    try:
        group = command()
        with group.make_context("mini-llm", list(args), obj=known) as ctx:
            group.invoke(ctx)
        known.farewell()
    except BrokenPipeError:
        raise
    except BaseException as error:
        return report(error, known)
    return 0
