"""What `providers add` has to find out: the key without showing it, the address in its whole form."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from mini_llm.cli.flags import Flags, interactive
from mini_llm.cli.frame import Command
from mini_llm.errors import CredentialError, UsageError

if TYPE_CHECKING:
    from mini_llm.providers import Provider

ASK = "\0ask"  # what `--key` without a value stands for; no key can be this
LONGEST_KEY = 16_384


class Wanted(NamedTuple):
    """What the caller said of the provider."""

    name: str
    url: str
    dialect: str
    headers: tuple[str, ...]
    models: tuple[str, ...]
    key: str
    key_env: str
    key_cmd: str


class Storage(NamedTuple):
    """Where a key may be kept."""

    insecure: bool
    require_keyring: bool


class AddCommand(Command):
    """A command whose `--key` may stand alone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Tell `--key` that stands alone from one with a value."""
        told = list(args)
        for position, word in enumerate(args):
            if word == "--":
                break
            following = args[position + 1] if position + 1 < len(args) else "--"
            if word == "--key" and following.startswith("--"):
                told[position] = f"--key={ASK}"
        return super().parse_args(ctx, told)


def add(flags: Flags, wanted: Wanted, storage: Storage) -> Provider:
    """Write the provider's settings, keep its key, and return it as it stands now."""
    from mini_llm.config import set_value
    from mini_llm.config.keys import join

    if sum(map(bool, (wanted.key, wanted.key_env, wanted.key_cmd))) > 1:
        raise UsageError("--key, --key-env and --key-cmd exclude each other")
    settings = _settings(flags, wanted)
    provider = _provider(flags, wanted, settings)
    if reference := _key(flags, wanted, storage, provider):
        settings["apiKey"] = reference
    place = ("providers", wanted.name)
    if wanted.name not in flags.load().config.providers:
        set_value(flags.paths(), join(place), settings)
        return provider
    for setting, value in settings.items():
        set_value(flags.paths(), join((*place, setting)), value)
    return provider


def _settings(flags: Flags, wanted: Wanted) -> dict[str, Any]:
    """Return what goes into the config, but for the key."""
    settings: dict[str, Any] = {}
    if wanted.url:
        settings["baseUrl"] = _address(flags, wanted)
    if wanted.dialect:
        settings["dialect"] = wanted.dialect
    if wanted.models:
        settings["models"] = list(wanted.models)
    if wanted.headers:
        settings["headers"] = dict(_header(header) for header in wanted.headers)
    return settings


def _address(flags: Flags, wanted: Wanted) -> str:
    """Complete an address as people type it, and say what was added."""
    url = wanted.url.strip().rstrip("/")
    if "://" not in url:
        host = urlsplit(f"//{url}").hostname or ""
        url = f"{'http' if host in LOCAL else 'https'}://{url}"
    for endpoint in ENDPOINTS:
        url = url.removesuffix(endpoint)
    if not urlsplit(url).path and not url.startswith("http+unix:"):
        url += VERSIONS.get(wanted.dialect, "/v1")
    if url != wanted.url.strip().rstrip("/"):
        flags.say(f"using {url} as the address")
    return url


LOCAL = ("localhost", "127.0.0.1", "::1")
ENDPOINTS = ("/chat/completions", "/completions", "/messages", "/responses", "/models")
VERSIONS = {"gemini": "/v1beta", "cohere": "/v2", "ollama": "/api", "bedrock": "", "bedrock_converse": ""}


def _header(header: str) -> tuple[str, str]:
    name, separator, value = header.partition("=")
    if not separator or not name.strip():
        raise UsageError(f"cannot read the header {header}", hint="write it as NAME=VALUE: `--header X-Team=red`")
    return name.strip(), value


def _provider(flags: Flags, wanted: Wanted, settings: dict[str, Any]) -> Provider:
    """Return the provider as it would be with *settings* in the config."""
    from dataclasses import replace

    from mini_llm.config import ProviderSettings
    from mini_llm.providers import Registry

    loaded = flags.load()
    known = loaded.config.providers.get(wanted.name, ProviderSettings())
    told = replace(
        known,
        enabled=True,
        base_url=settings.get("baseUrl", known.base_url),
        dialect=settings.get("dialect", known.dialect),
    )
    config = replace(loaded.config, providers={**loaded.config.providers, wanted.name: told})
    return Registry(config, environ=flags.environ, folder=loaded.paths.home / "providers").get(wanted.name)


def _key(flags: Flags, wanted: Wanted, storage: Storage, provider: Provider) -> str:
    """Return the reference to the provider's key, "" where it needs none or has one."""
    if wanted.key_env:
        if not flags.environ.get(wanted.key_env):
            flags.say(f"warning: {wanted.key_env} is not set now")
        return f"${{{wanted.key_env}}}"
    if wanted.key_cmd:
        return f"cmd:{wanted.key_cmd}"
    if not wanted.key and not _needs_key(flags, provider):
        return ""
    return _stored(flags, wanted, storage, provider)


def _needs_key(flags: Flags, provider: Provider) -> bool:
    if provider.api_key:
        return not _fits(flags, provider)
    held = any(flags.environ.get(name) for name in provider.key_env)
    return provider.auth != "none" and not provider.local and not held


def _fits(flags: Flags, provider: Provider) -> bool:
    """Tell whether the key that is kept for the provider was stored for the address it has now."""
    from mini_llm.config import origin_of

    if not provider.api_key.startswith(("keyring:", "file:")):
        return True
    try:
        flags.credentials().find(provider.api_key, origin=origin_of(provider.base_url))
    except CredentialError:
        return False
    return True


def _stored(flags: Flags, wanted: Wanted, storage: Storage, provider: Provider) -> str:
    """Keep the key where it is safe, say where that is, and return the reference."""
    from mini_llm.config import origin_of

    value = _value(flags, wanted, provider)
    stored = flags.credentials().store(
        wanted.name,
        value,
        origin=origin_of(provider.base_url),
        insecure=storage.insecure,
        require_keyring=storage.require_keyring,
    )
    flags.say(stored.announced or f"the key is in {stored.where}")
    return stored.reference


def _value(flags: Flags, wanted: Wanted, provider: Provider) -> str:
    if wanted.key == "-":
        key = sys.stdin.read(LONGEST_KEY + 1) if sys.stdin else ""
    elif wanted.key and wanted.key != ASK:
        flags.say("warning: the key stays in your shell's history; `--key` alone asks for it, `--key -` reads stdin")
        key = wanted.key
    elif interactive():
        key = _asked(f"Key for {wanted.name}: ")
    else:
        ways = f"set {provider.key_env[0]}, or " if provider.key_env else ""
        raise UsageError(f"no key for {wanted.name}, and no terminal to ask on", hint=f"{ways}pipe it in: `--key -`")
    return _checked(key.strip(), wanted.name)


def _asked(question: str) -> str:
    from getpass import getpass  # turns the echo off before it asks, unlike the framework's prompt

    try:
        return getpass(question)
    except EOFError:
        return ""


def _checked(key: str, name: str) -> str:
    if not key:
        raise UsageError(f"the key for {name} is empty")
    if len(key) > LONGEST_KEY or any(letter.isspace() or not letter.isprintable() for letter in key):
        raise UsageError(f"what was given for {name} is not a key: it has blanks in it or is too long")
    return key
