"""`mini-llm start`: the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mini_llm.cli import output
from mini_llm.cli.flags import Flags, flags
from mini_llm.cli.frame import Command, new_app
from mini_llm.cli.help import examples
from mini_llm.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from mini_llm.gateway.binding import Options
    from mini_llm.gateway.process import Record

app = new_app()
EXAMPLES = examples(
    "start",
    "start --detach",
    "start --port 8080 --workers 2",
    "start --host 0.0.0.0 --key env:GATEWAY_KEY --tls-cert cert.pem --tls-key key.pem",
)


@app.command(cls=Command, epilog=EXAMPLES)
def start(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(help="The address to listen on", metavar="ADDRESS")] = "",
    port: Annotated[
        int,
        typer.Option(
            metavar="PORT", help="The port, 6464 if none is set; 0 for any", min=-1, max=65535, show_default=False
        ),
    ] = -1,
    workers: Annotated[int, typer.Option(metavar="N", help="How many processes share the port", min=1, max=64)] = 1,
    detach: Annotated[bool, typer.Option("--detach", help="Go on without this terminal")] = False,
    key: Annotated[
        str, typer.Option(help="A key of your own for callers: env:NAME, file:PATH …", metavar="REFERENCE")
    ] = "",
    tls_cert: Annotated[str, typer.Option(help="Encrypt, with this certificate", metavar="FILE")] = "",
    tls_key: Annotated[str, typer.Option(help="The certificate's key", metavar="FILE")] = "",
    behind_proxy: Annotated[
        list[str] | None, typer.Option(help="The network of the proxy that encrypts for us", metavar="CIDR")
    ] = None,
    print_token: Annotated[bool, typer.Option("--print-token", help="Show the token, not only its file")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print where it listens as one line of JSON")] = False,
    log: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Start the gateway: every provider behind one address, for OpenAI, Anthropic and Gemini clients."""
    from mini_llm.gateway.binding import Options

    check_no_team(flags(ctx))
    options = Options(host, port, workers, checked(key), tls_cert, tls_key, tuple(behind_proxy or ()))
    if detach:
        tell(flags(ctx), detached(flags(ctx), options), print_token=print_token, as_json=as_json)
        return
    from mini_llm.gateway import opening  # the server: 60 ms that no other way of starting needs

    try:
        runtime = flags(ctx).runtime()
    except ConfigError as error:
        error.exit_code = 78
        raise
    told: list[Record] = []

    def announce(record: Record) -> None:
        if not told:
            tell(flags(ctx), record, print_token=print_token, as_json=as_json)
        told.append(record)

    opening.start(runtime, options, announce, log=log)


def check_no_team(known: Flags) -> None:
    """Refuse to run a gateway in the home of a team server: its keys would be this machine's for the asking."""
    from mini_llm.team.settings import SECRET_FILE

    home = known.paths().home
    if (home / SECRET_FILE).exists():
        error = ConfigError(f"a team server lives in {home}", hint="start that: mini-llm team start")
        error.exit_code = 78
        raise error


def checked(key: str) -> str:
    """Refuse a key that stands on the command line, where everybody can read it."""
    from mini_llm.config import is_reference

    if key and not is_reference(key):
        raise UsageError("--key takes no key, but where one is", hint="such as env:GATEWAY_KEY or file:/run/key")
    return key


def detached(known: Flags, options: Options) -> Record:
    """Start a gateway that outlives us; what is wrong is told here, not in its log."""
    from mini_llm.gateway import binding, detaching, process

    try:
        loaded = known.load()
    except ConfigError as error:
        error.exit_code = 78
        raise
    process.check_none(loaded.paths.home)
    binding.check(options.over(loaded.config.gateway))
    words = [*(["--config", known.config] if known.config else []), "--quiet"]
    words += ["--profile", known.profile] if known.profile else []
    try:
        return detaching.start(loaded.paths, words, options, known.environ)
    except detaching.NotStartedError as error:
        output.talk(error.said.strip() or f"error: {error.message}")
        raise typer.Exit(error.exit_code) from None


def tell(known: Flags, record: Record, *, print_token: bool, as_json: bool) -> None:
    """Say where the gateway is, and how to use it."""
    from mini_llm.gateway.tokens import MAIN_FILE, Tokens

    home = known.paths().home
    token = Tokens(home).main()
    if as_json:
        from json import dumps

        told = {
            "url": record.url,
            "pid": record.pid,
            "workers": list(record.workers) or [record.pid],
            "version": record.version,
            "token_file": str(home / MAIN_FILE),
            "log": record.log,
        }
        output.line(dumps(told | ({"token": token} if print_token else {})))
        return
    known.say(
        f"the gateway listens at {record.url} (pid {record.pid})\n"
        f"  OpenAI     {record.url}/v1   also for Responses\n"
        f"  Anthropic  {record.url}\n"
        f"  Gemini     {record.url}\n"
        f"  token      {token if print_token else home / MAIN_FILE}"
    )
