"""What a team server's operator sets: `team.json` in its home. Providers and models stand in its `config.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mini_llm.config import files
from mini_llm.config.build import nanos
from mini_llm.errors import ConfigError

NAME = "team.json"
SECRET_FILE = "team.secret"  # noqa: S105  its name; where it lies, a team server lives
_AMOUNT = re.compile(r"\d{1,9}(\.\d{1,9})?")
_NAMES: Mapping[str, str] = {
    "url": "url",
    "low": "low",
    "topUpUrl": "top_up_url",
}
_OIDC: Mapping[str, str] = {"issuer": "issuer", "clientId": "client_id", "clientSecret": "client_secret"}


@dataclass(frozen=True, slots=True)
class OpenIdConnect:
    """The company's own sign-in. `client_secret` is a reference; `domains` are those of e-mail addresses let in."""

    issuer: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is set. `url` is where people reach the server, "" where it is asked itself.

    `low` is below how many US dollars (decimal text) credits count as low, `top_up_url` where more are bought.
    """

    url: str = ""
    low: str = "1.00"
    top_up_url: str = ""
    oidc: OpenIdConnect = OpenIdConnect()

    @property
    def low_nanos(self) -> int:
        """Below how much credits count as low, in nano-dollars."""
        return nanos(self.low)


def read(home: Path) -> Settings:
    """Return the settings below *home*, the defaults where there are none. Raises ConfigError with every problem."""
    file = home / NAME
    data = files.read(file)
    if data is None:
        return Settings()
    try:
        told = json.loads(files.decode(data, file))
    except ValueError as error:
        raise ConfigError(f"{file} is no JSON: {error}") from None
    problems = [f"{file}: {problem}" for problem in _problems(told)]
    if problems:
        raise ConfigError(problems[0], problems=problems)
    oidc = told.get("oidc", {})
    names = {ours: oidc[theirs] for theirs, ours in _OIDC.items() if theirs in oidc}
    company = OpenIdConnect(**names, domains=tuple(oidc.get("domains", ())))
    values = {ours: told[theirs] for theirs, ours in _NAMES.items() if theirs in told}
    return Settings(**{**values, "url": str(told.get("url", "")).rstrip("/")}, oidc=company)


def write(home: Path, settings: Settings) -> None:
    """Write *settings*; what stands at its default is left out."""
    usual, values = asdict(Settings()), asdict(settings)
    told: dict[str, Any] = {theirs: values[ours] for theirs, ours in _NAMES.items() if values[ours] != usual[ours]}
    if settings.oidc.issuer:
        told["oidc"] = {theirs: values["oidc"][ours] for theirs, ours in _OIDC.items()} | {
            "domains": list(settings.oidc.domains)
        }
    with files.locked(home / NAME) as target:
        files.write(target, f"{json.dumps(told, indent=2)}\n".encode())


def check_url(url: str) -> str:
    """Return what is wrong with a server's public address, "" if nothing: https, or http on this machine."""
    parts = urlsplit(url)
    try:
        local = parts.hostname in ("127.0.0.1", "localhost", "::1")
        sound = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = local = False
    if not sound or parts.username or parts.query or parts.fragment or parts.path not in ("", "/"):
        return "is no address such as https://ai.example.com"
    return "" if parts.scheme == "https" or (parts.scheme == "http" and local) else "must begin with https://"


def _problems(told: Any) -> list[str]:
    """Return all that is wrong."""
    if not isinstance(told, dict):
        return ["must be an object"]
    problems = [f"no setting is called {name[:80]}" for name in told if name not in (*_NAMES, "oidc")]
    problems += [f"{name}: must be text" for name in _NAMES if not isinstance(told.get(name, ""), str)]
    if problems:
        return problems
    if told.get("url") and (wrong := check_url(told["url"])):
        problems.append(f"url: {told['url'][:200]} {wrong}")
    if not _AMOUNT.fullmatch(told.get("low", "0")):
        problems.append('low: must be US dollars as text, such as "1.00"')
    return problems + _oidc_problems(told.get("oidc", {}))


def _oidc_problems(told: Any) -> list[str]:
    if not isinstance(told, dict):
        return ["oidc: must be an object"]
    problems = [f"oidc: no setting is called {name[:80]}" for name in told if name not in (*_OIDC, "domains")]
    problems += [f"oidc.{name}: must be text" for name in _OIDC if not isinstance(told.get(name, ""), str)]
    domains = told.get("domains", [])
    if not isinstance(domains, list) or not all(isinstance(one, str) for one in domains):
        problems.append("oidc.domains: must be a list of texts")
    if told and not problems and not (told.get("issuer") and told.get("clientId")):
        problems.append("oidc: needs issuer and clientId")
    return problems
