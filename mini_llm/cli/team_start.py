"""`mini-llm team init` and `mini-llm team start`: make a team server, and run it."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mini_llm.cli import output
from mini_llm.cli.flags import Flags, interactive
from mini_llm.cli.team_file import AsJson, check_made, known_of, nanos, need_extra, settings_of
from mini_llm.errors import ConfigError, MiniLLMError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from mini_llm.gateway.process import Record

CONFIG = """\
{
  // The providers of your team, and their keys: `mini-llm --profile team providers add openai --key`
  "providers": {},
  // The cheapest healthy provider that has the model answers
  "routing": { "strategy": "cost" },
  "wallet": { "type": "none" },
  "gateway": { "port": 6465 }
}
"""


class ThereError(MiniLLMError):
    """A team server was made here before."""

    exit_code = 78


def init(
    ctx: typer.Context,
    name: Annotated[str, typer.Option(metavar="NAME", help="What your team is called")] = "",
    email: Annotated[str, typer.Option(metavar="ADDRESS", help="The first owner's e-mail address")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the owner's password from stdin")
    ] = False,
    url: Annotated[str, typer.Option(metavar="URL", help="Where people will reach it: https://ai.example.com")] = "",
    grant: Annotated[str, typer.Option(metavar="DOLLARS", help="Credits that each new account brings")] = "5.00",
    discount: Annotated[int, typer.Option(metavar="PERCENT", help="Off the providers' prices", min=0, max=99)] = 0,
    as_json: AsJson = False,
) -> None:
    """Make a team server: its folder, its secret, your team, and you as its owner."""
    from mini_llm.team import settings
    from mini_llm.team.state import SECRET_FILE

    need_extra()
    known = known_of(ctx)
    home = known.paths().home
    if (home / SECRET_FILE).exists():
        raise ThereError(f"there is a team server in {home} already", hint="run `mini-llm team start`")
    if url and (wrong := settings.check_url(url)):
        raise UsageError(f"--url {url[:200]} {wrong}")
    given = nanos(grant)
    name, email = _asked("Team", name, "--name"), _asked("Your e-mail address", email, "--email")
    password = _password(from_stdin=password_stdin)
    made = _make(known, name, email, password, (given, discount))
    if url:
        settings.write(home, settings.Settings(url=url.rstrip("/")))
    if as_json:
        output.json({"home": str(home), "config": str(known.paths().config), **made})
        return
    known.say(
        f"made the team {name} in {home}; {email} is its owner\n"
        "  mini-llm --profile team providers add openai --key   a provider for all\n"
        "  mini-llm team start                                  run it\n"
        "  mini-llm team invite                                 a link for each person"
    )


def start(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(help="The address to listen on", metavar="ADDRESS")] = "",
    port: Annotated[
        int, typer.Option(metavar="PORT", help="The port; 0 for any", min=-1, max=65535, show_default=False)
    ] = -1,
    workers: Annotated[int, typer.Option(metavar="N", help="How many processes share the port", min=1, max=64)] = 1,
    tls_cert: Annotated[str, typer.Option(help="Encrypt, with this certificate", metavar="FILE")] = "",
    tls_key: Annotated[str, typer.Option(help="The certificate's key", metavar="FILE")] = "",
    behind_proxy: Annotated[
        list[str] | None, typer.Option(help="The network of the proxy that encrypts for us", metavar="CIDR")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print where it listens as one line of JSON")] = False,
    log: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Run the team server until it is told to stop: Ctrl-C, SIGTERM, or `mini-llm --profile team stop`."""
    need_extra()
    from mini_llm.gateway.binding import Options
    from mini_llm.team import server  # with the pages: what no other command needs

    known = known_of(ctx)
    check_made(known)
    options = Options(host, port, workers, "", tls_cert, tls_key, tuple(behind_proxy or ()))
    try:
        settings, runtime = settings_of(known), known.runtime()
        if options.behind_proxy and not settings.url:
            raise ConfigError(
                "who comes through a proxy has to be told where", hint="set it: `mini-llm team set --url URL`"
            )
    except ConfigError as error:
        error.exit_code = 78
        raise
    told: list[Record] = []

    def announce(record: Record) -> None:
        if not told:
            _tell(known, record, settings.url or record.url, as_json=as_json)
        told.append(record)

    server.start(runtime, settings, options, announce, log=log)


def _tell(known: Flags, record: Record, url: str, *, as_json: bool) -> None:
    if as_json:
        from json import dumps

        workers = list(record.workers) or [record.pid]
        output.line(dumps({"url": record.url, "public_url": url, "pid": record.pid, "workers": workers}))
        return
    known.say(
        f"the team server listens at {record.url} (pid {record.pid})\n"
        f"  pages      {url}/dashboard\n"
        f"  your team  mini-llm login --url {url}\n"
        f"  invite     mini-llm team invite"
    )


def _make(known: Flags, name: str, email: str, password: str, terms: tuple[int, int]) -> dict[str, str]:
    """Write the secret, the settings, the team and its owner; of what fails nothing is left that hinders."""
    from mini_llm.cli.team_file import run
    from mini_llm.config import files
    from mini_llm.team import accounts, people, teams
    from mini_llm.team.passwords import hashed
    from mini_llm.team.state import SECRET_FILE
    from mini_llm.team.store import Db, Store
    from mini_llm.team.tokens import make_secret

    secret = hashed(password)
    paths = known.paths()
    files.make_folder(paths.home)
    make_secret(paths.home / SECRET_FILE)

    def found(db: Db, now: float) -> dict[str, str]:
        team = teams.create(db, name, now, terms=teams.Terms(*terms))
        account = accounts.create(db, email, "", now, password_hash=secret)
        owner = people.join(db, team.id, account.id, "owner", now)
        return {"team": team.id, "owner": owner.id}

    async def make(store: Store) -> dict[str, str]:
        return await store.write(lambda db: found(db, store.now()))

    try:
        made = run(known, make)
    except BaseException:
        (paths.home / SECRET_FILE).unlink()
        raise
    _write_config(paths.config)
    return made


def _write_config(config: Path) -> None:
    from mini_llm.config import files

    with files.locked(config) as target:
        if not target.exists():
            files.write(target, CONFIG.encode())


def _asked(what: str, told: str, flag: str) -> str:
    """Return what was told, or what somebody answers."""
    if told:
        return told
    if not interactive():
        raise UsageError(f"{flag} is missing", hint="nobody is there to be asked")
    sys.stderr.write(f"{what}: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _password(*, from_stdin: bool) -> str:
    """Return the owner's password; it is never shown, nor on the command line."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not interactive():
        raise UsageError("the owner needs a password", hint="pipe it in, with --password-stdin")
    from getpass import getpass  # turns the echo off before it asks

    password = getpass("Your password, at least 10 characters: ")
    if not secrets.compare_digest(password.encode(), getpass("Once more: ").encode()):
        raise UsageError("these are two different passwords")
    return password
