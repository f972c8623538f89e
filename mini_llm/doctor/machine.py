"""What can be looked at without a network: Python, SQLite, config, keyring, ledger, tools."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from mini_llm._version import __version__
from mini_llm.config import Loaded, Paths, files
from mini_llm.credentials import Credentials
from mini_llm.doctor.finding import Finding
from mini_llm.errors import CredentialError, MiniLLMError
from mini_llm.ledger import open_sqlite
from mini_llm.runtime import LEDGER_FILE, Runtime

LIBRARIES = ("httptools", "httpx", "keyring", "orjson", "rich", "typer", "uvloop")
LEAST_FREE = 256 << 20
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
OTHERS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


def python() -> Iterator[Finding]:
    """Tell what runs."""
    from importlib.metadata import PackageNotFoundError, version  # 60 ms, here alone

    found = []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:  # uvloop on Windows
            continue
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    yield Finding("mini-llm", "ok", f"{__version__} with {', '.join(found)}")
    yield Finding("python", "ok", f"{platform.python_version()} on {system}")


def sqlite() -> Iterator[Finding]:
    """Tell which SQLite is in use."""
    from mini_llm.ledger.sqlite.soundness import sqlite_version  # with the driver

    yield Finding("sqlite", "ok", sqlite_version())


def config(paths: Paths, loaded: Loaded) -> Iterator[Finding]:
    """Tell what the settings have to say. That they can be read is known by now."""
    there = paths.config.exists()
    yield Finding("config", "ok", f"{paths.config}{'' if there else ', which is not there: built-in values'}")
    for notice in loaded.notices:
        yield Finding("config", "warning", notice, "mini-llm config edit")
    if there and files.exposed(paths.config):
        yield Finding("config", "warning", "others on this machine can read it", f"chmod 600 {paths.config}")


def keyring(credentials: Credentials, loaded: Loaded) -> Iterator[Finding]:
    """Store a key of the largest size, read it and delete it."""
    try:
        yield Finding("keyring", "ok", f"{credentials.probe_keyring()} keeps a key of the largest size")
    except CredentialError as error:
        used = _in_keyring(loaded)
        if used:
            what = f"{error.message}, and the key of {', '.join(used)} is kept there"
            yield Finding("keyring", "problem", what, f"mini-llm providers add {used[0]} --key")
        else:
            kept = "keys are kept in a file that you alone can read"
            yield Finding("keyring", "warning", f"{error.message}; {kept}")


def ledger(runtime: Runtime) -> Iterator[Finding]:
    """Open the ledger, read it through, and look for room to write."""
    file = runtime.loaded.paths.data / LEDGER_FILE
    if file.exists():
        open_sqlite(file, reading=True).close()  # is it of our making, and not of a later version
        from mini_llm.ledger.sqlite.soundness import read_through

        read_through(file)
        yield Finding("ledger", "ok", f"{file} is sound, {file.stat().st_size / (1 << 20):.1f} MB")
    else:
        yield Finding("ledger", "ok", f"{file} is not there yet: nothing was asked")
    free = shutil.disk_usage(_nearest(file.parent)).free
    if free < LEAST_FREE:
        yield Finding("disk", "problem", f"only {free >> 20} MB are free at {file.parent}", "make room there")
    else:
        yield Finding("disk", "ok", f"{free / (1 << 30):,.1f} GB are free at {file.parent}")


def surroundings(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Tell which proxy and which certificates the environment asks for."""
    proxies = [f"{name}={told}" for name in PROXIES if (told := environ.get(name.lower()) or environ.get(name))]
    yield Finding("proxy", "ok", ", ".join(proxies) or "none set")
    named = [(name, environ[name]) for name in CERTIFICATES if environ.get(name)]
    for name, told in named:
        if not Path(told).exists():
            yield Finding("certificates", "problem", f"{name} names {told}, which is not there", f"unset {name}")
    if all(Path(told).exists() for _, told in named):
        beside = f", and those of {', '.join(f'{name}={told}' for name, told in named)}" if named else ""
        yield Finding("certificates", "ok", f"the system's own{beside}")
    ignored = [name for name in OTHERS if environ.get(name)]
    if ignored and not named:
        what = f"{', '.join(ignored)} is for other programs and does not count here"
        yield Finding("certificates", "warning", what, f'export SSL_CERT_FILE="${ignored[0]}"')


def tools(runtime: Runtime) -> Iterator[Finding]:
    """Tell of each tool that was set up whether that still holds."""
    from mini_llm.setup import TOOLS, find, offer, standing
    from mini_llm.setup.tool import Place

    try:
        url = offer.url(runtime)
    except MiniLLMError:  # it takes any port, and has none now
        url = ""
    place = Place(runtime.environ, sys.platform)
    stood = [standing.one(find(name), runtime.loaded.paths.home, place, url) for name in TOOLS]
    for one in stood:
        if one.stale:
            yield Finding(one.tool.name, "problem", one.stale, f"mini-llm setup {one.tool.name}")
        elif one.configured and one.installed is None:
            what = f"{one.tool.title} is set up, and not here any more"
            yield Finding(one.tool.name, "warning", what, f"mini-llm setup {one.tool.name} --undo")
        elif one.configured:
            yield Finding(one.tool.name, "ok", f"{one.tool.title} is set up, and that still holds")
    if not any(one.configured for one in stood):
        here = ", ".join(one.tool.name for one in stood if one.installed and one.way == "setup")
        yield Finding("tools", "ok", f"none set up{f'; here: {here}' if here else ''}")


def _in_keyring(loaded: Loaded) -> list[str]:
    """Return the names of the providers whose key is in the keyring."""
    settings = loaded.config.providers
    found = [name for name, one in settings.items() if _kept((one.api_key, *one.api_keys))]
    wallet = loaded.config.wallet
    return [*found, *(["the wallet"] if wallet and _kept((wallet.api_key,)) else [])]


def _kept(references: tuple[str, ...]) -> bool:
    return any(reference.startswith("keyring:") for reference in references)


def _nearest(folder: Path) -> Path:
    """Return *folder*, or the nearest one above it that is there."""
    return next(one for one in (folder, *folder.parents) if one.exists())
