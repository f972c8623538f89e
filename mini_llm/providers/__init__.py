"""Who can answer: one TOML file a provider, under what the user's config says of it.

A new provider is one file here, or in the user's own `providers/` folder, which wins over a shipped one, or in a
plugin, which can add some and replace none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from mini_llm.errors import ConfigError, CredentialError, MiniLLMError, UnknownModelError
from mini_llm.providers.continuing import Continues
from mini_llm.providers.files import AUTH, DIALECTS, PLACEHOLDER, SIGNED, check_url, read

if TYPE_CHECKING:
    from mini_llm.config import Config, ProviderSettings

__all__ = [
    "AUTH",
    "DIALECTS",
    "SIGNED",
    "WALLET",
    "WALLET_TOKEN",
    "Continues",
    "Provider",
    "Registry",
    "check_url",
    "wallet_token",
]

WALLET = "passy"
WALLET_TOKEN = "MINI_LLM_TOKEN"  # noqa: S105  the name of a variable
GATEWAY_TOKENS = "ml-"  # how they begin
SHIPPED = Path(__file__).parent
NAME = r"[a-z0-9][a-z0-9._-]{0,63}"  # compiled when first needed, as every pattern here: most starts need none
LOOPBACK = ("localhost", "127.0.0.1", "::1")
EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Provider:
    """One place that answers. `base_url` is complete: what stood in braces was filled from the environment.

    `by_name`: its key in the environment is not enough to use it unasked, because people have that key for
    other purposes. `drop`, `rename` and `defaults` mend the body of a request; `paths` replaces a dialect's
    own path. `continues` tells which models go on with an answer that is begun for them. `api_key` is a reference from
    the user's config, empty where `key_env` counts; `api_keys` are more of them, to be used in turn.
    """

    name: str
    base_url: str
    dialect: str = "openai_chat"
    auth: str = "bearer"
    key_env: tuple[str, ...] = ()
    docs: str = ""
    local: bool = False
    by_name: bool = False
    default: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    drop: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    defaults: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    models: tuple[str, ...] = ()
    paths: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    continues: Continues = field(default_factory=Continues)
    api_key: str = field(default="", repr=False)
    api_keys: tuple[str, ...] = field(default=(), repr=False)


class NoAddressError(ConfigError):
    """The address of a provider has a part that the environment does not tell."""


class Registry:
    """Every provider there is, as found once. Files are read when asked for."""

    def __init__(self, config: Config, *, environ: Mapping[str, str], folder: Path | None) -> None:
        self._settings: Mapping[str, ProviderSettings] = config.providers
        self._wallet = config.wallet
        self._environ = environ
        self._folder = folder
        self._plugins = config.plugins
        self._known: dict[str, Provider] = {}
        self._configured: tuple[Provider, ...] | None = None
        self._notices: list[str] = []
        self._broken: list[MiniLLMError] = []  # plugins, which may have had what is not found

    @property
    def notices(self) -> tuple[str, ...]:
        """One line for each provider that had to be left out of `configured` because its file or setting is wrong."""
        return tuple(self._notices)

    def names(self) -> tuple[str, ...]:
        """Return every known name, sorted. Opens no file."""
        return self._names

    def get(self, name: str) -> Provider:
        """Return the provider called *name*.

        Raises UnknownModelError if there is none or it is switched off, ConfigError if its file is wrong or a
        variable its address needs is not set.
        """
        if name not in self._known:
            self._known[name] = self._build(name)
        return self._known[name]

    def configured(self) -> tuple[Provider, ...]:
        """Return those usable now: the config's in its order, then those whose key is in the environment."""
        if self._configured is None:
            rest = [name for name in self.names() if name not in self._settings]
            found = [self._usable(name) for name in [*self._settings, *rest]]
            self._configured = tuple(provider for provider in found if provider is not None)
        return self._configured

    def usable(self) -> tuple[Provider, ...]:
        """Return whoever can be asked for a model by its name: the configured providers, and the wallet behind them."""
        wallet = self.wallet()
        return self.configured() if wallet is None else (*self.configured(), wallet)

    def wallet(self) -> Provider | None:
        """Return the wallet as a provider, None if it is off or has no key."""
        if self._wallet is not None and self._wallet.type != WALLET:
            return None
        wallet = self.get(WALLET)
        return wallet if wallet.api_key or self._variable(wallet) else None

    def key_reference(self, provider: Provider) -> str:
        """Return where *provider*'s key is, as a reference for `credentials`; "" if it needs none."""
        return self.key_references(provider)[0]

    def key_references(self, provider: Provider) -> tuple[str, ...]:
        """Return where each of *provider*'s keys is; one "" if it needs none. Raises CredentialError without any."""
        keys = tuple(dict.fromkeys(key for key in (provider.api_key, *provider.api_keys) if key))
        return keys or (self._usual_reference(provider),)

    def _usual_reference(self, provider: Provider) -> str:
        """Return where the key is that nobody wrote down: in the environment."""
        if provider.auth == "none":
            return ""
        if variable := self._variable(provider):
            return f"${{{variable}}}"
        if provider.auth in SIGNED:
            return ""
        variables = " or ".join(f"`{name}`" for name in provider.key_env)
        ways = f"set {variables}, or run" if variables else "run"
        taken = next((name for name in provider.key_env if self._environ.get(name)), "")
        raise CredentialError(
            f"no key for {provider.name}{f': {taken} holds a token of the gateway' if taken else ''}",
            hint=f"{ways} `mini-llm providers add {provider.name} --key`",
        )

    @cached_property
    def _names(self) -> tuple[str, ...]:
        own = (name for name, settings in self._settings.items() if settings.base_url)
        return tuple(sorted({*own, *self._files}))

    @cached_property
    def _files(self) -> dict[str, Path]:
        """Every provider file by its name; the user's stand before ours."""
        found = {path.stem: path for path in SHIPPED.iterdir() if path.suffix == ".toml"}
        try:
            private = list(self._folder.iterdir()) if self._folder and self._folder.exists() else []
        except OSError as error:
            self._notices.append(f"{self._folder} can't be read: {error.strerror or error}")
            private = []
        mine = {path.stem: path for path in private if path.suffix == ".toml" and re.fullmatch(NAME, path.stem)}
        return {**self._with_plugins(found), **mine}

    def _with_plugins(self, found: dict[str, Path]) -> dict[str, Path]:
        """Add the files of plugins; one that can't be used leaves a notice."""
        if not self._plugins:
            return found
        from mini_llm import plugins  # most people have none

        for plugin in self._plugins:
            try:
                files = plugins.provider_files(plugin)
            except plugins.PluginError as error:
                self._notices.append(error.message)
                self._broken.append(error)
                continue
            for name, path in files.items():
                if name in found or not re.fullmatch(NAME, name):
                    what = "is there already" if name in found else "is no name for a provider"
                    self._notices.append(f"plugin {plugin}: provider {name} {what}; left out")
                else:
                    found[name] = path
        return found

    def _variable(self, provider: Provider) -> str:
        """Return the first of its key variables that is set.

        `mini-llm env` puts the gateway's own token into the usual ones: that is no key of theirs, and not sent there.
        """
        settings = self._settings.get(provider.name)
        named = settings is not None and settings.key_env
        found = (
            name for name in provider.key_env if (value := self._environ.get(name)) and (named or not _ours(value))
        )
        return next(found, "")

    def _usable(self, name: str) -> Provider | None:
        """Return the provider if it can be used without being named; a broken one only leaves a notice."""
        settings = self._settings.get(name)
        if settings is not None and not settings.enabled:
            return None
        try:
            provider = self.get(name)
        except MiniLLMError as error:
            # That a variable is not set is no news, unless the user set the provider up.
            if settings is not None or not isinstance(error, NoAddressError):
                self._notices.append(f"{name} can't be used: {error.message}")
            return None
        if settings is None and (provider.by_name or provider.local or not self._variable(provider)):
            return None
        return provider

    def _build(self, name: str) -> Provider:
        settings = self._settings.get(name)
        if settings is not None and not settings.enabled:
            turn_on = f"mini-llm config set providers.{name}.enabled true"
            raise UnknownModelError(f"provider {name} is switched off", hint=f"run `{turn_on}`")
        path = self._files.get(name)
        if path is None and (settings is None or not settings.base_url):
            raise self._broken[0] if self._broken else self._unknown(name)
        table: dict[str, Any] = read(path) if path else {"auth": "none"}
        if settings is not None:
            table = _merged(table, settings)
        if name == WALLET:
            table |= self._of_wallet()
        host_env = table.pop("host_env", "")
        base_url = self._filled(name, table.pop("base_url"))
        if host := self._environ.get(host_env):
            base_url = _moved(base_url, host)
        if problem := check_url(base_url):
            raise ConfigError(f"the address of {name}, {base_url!r}, {problem}")
        if path is None and not table.keys() & {"api_key", "api_keys"}:
            table["local"] = urlsplit(base_url).hostname in LOOPBACK
        if ":" in table.get("dialect", ""):
            from mini_llm import plugins  # a plugin's: to import it may fail, and then this provider can't be used

            plugins.part("dialects", table["dialect"], self._plugins)
        table["continues"] = Continues.of(table.get("continues", EMPTY))
        lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
        return Provider(name=name, base_url=base_url.rstrip("/"), **{**table, **lists})

    def _of_wallet(self) -> dict[str, str]:
        """Return what is set for the wallet; a token in the environment goes before the one a login left."""
        told = {"api_key": self._wallet.api_key, "base_url": self._wallet.endpoint} if self._wallet else {}
        if wallet_token(self._environ):
            told["api_key"] = f"env:{WALLET_TOKEN}"
        return {key: value for key, value in told.items() if value}

    def _filled(self, name: str, url: str) -> str:
        """Put the environment's values where *url* has `{VARIABLE}`."""
        if "{" not in url:
            return url
        values = {told: self._first(told.split("|")) for told in re.findall(PLACEHOLDER, url)}
        missing = [told.partition("|")[0] for told, value in values.items() if not value]
        if missing:
            raise NoAddressError(
                f"the address of {name} is not known",
                hint=f"set {' and '.join(f'`{variable}`' for variable in missing)}, "
                f"or run `mini-llm providers add {name} --url URL`",
            )
        filled = re.sub(PLACEHOLDER, lambda match: values[match[1]].strip().rstrip("/"), url)
        return filled if "://" in filled else f"https://{filled}"

    def _first(self, variables: Sequence[str]) -> str:
        """Return what the first of *variables* that is set holds."""
        return next((value for variable in variables if (value := self._environ.get(variable))), "")

    def _unknown(self, name: str) -> UnknownModelError:
        from difflib import get_close_matches  # only for a message

        near = get_close_matches(name, self.names(), n=3)
        meant = f"nearest: {', '.join(near)}; " if near else ""
        return UnknownModelError(
            f"no provider called {name}",
            hint=f"{meant}add your own with `mini-llm providers add NAME --url URL`",
            nearest=near,
        )


def wallet_token(environ: Mapping[str, str]) -> str:
    """Return the wallet's key from the environment, "" if there is none.

    Tools that ask the gateway have its own token in the same variable (`mini-llm run`); that goes to no wallet.
    """
    told = environ.get(WALLET_TOKEN, "").strip()
    return "" if _ours(told) else told


def _ours(value: str) -> bool:
    """Tell whether *value* is a token of a gateway."""
    return value.strip().startswith(GATEWAY_TOKENS)


def _merged(table: dict[str, Any], settings: ProviderSettings) -> dict[str, Any]:
    """Return what the file says with the user's settings over it."""
    table = dict(table)
    if settings.base_url:
        table["base_url"] = settings.base_url
        table.pop("host_env", None)
    if settings.dialect:
        table["dialect"] = DIALECTS.get(settings.dialect, settings.dialect)
    if settings.key_env:
        table["key_env"] = [settings.key_env]
    if settings.api_key:
        table["api_key"] = settings.api_key
    if settings.api_keys:
        table["api_keys"] = list(settings.api_keys)
    if settings.auth:
        table["auth"] = settings.auth
    elif (settings.api_key or settings.api_keys or settings.key_env) and table.get("auth") in ("none", *SIGNED):
        table["auth"] = "bearer"  # a key of the user's own takes the place of what needs none
    table["models"] = list(dict.fromkeys([*settings.models, *table.get("models", ())]))
    table["headers"] = {**table.get("headers", {}), **settings.headers}
    return table


def _moved(url: str, host: str) -> str:
    """Return *url* at another *host*, written as Ollama lets people write it: `host`, `:port`, `http://host:port`."""
    ours = urlsplit(url)
    theirs = urlsplit(host.strip() if "://" in host else f"//{host.strip()}")
    try:
        port = theirs.port or {"https": 443, "http": 80}.get(theirs.scheme, ours.port)
    except ValueError:
        port = ours.port  # as Ollama does with a port that is none
    name = theirs.hostname or "127.0.0.1"
    # 0.0.0.0 and :: are what a server listens on; nobody can call them.
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(name, f"[{name}]" if ":" in name else name)  # noqa: S104
    scheme = theirs.scheme or ours.scheme
    return urlunsplit((scheme, f"{name}:{port}", (theirs.path.rstrip("/") + ours.path), "", ""))
