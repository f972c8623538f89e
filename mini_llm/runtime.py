"""Open and close what a process shares. The only place that wires the parts together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mini_llm import config as configuration
from mini_llm.catalogue import Catalogue
from mini_llm.config import Config, Loaded, Paths
from mini_llm.credentials import Credentials, Renews
from mini_llm.dispatch import Dispatch, Payer
from mini_llm.errors import LedgerError
from mini_llm.health import Health
from mini_llm.health.file import HealthFile
from mini_llm.ledger import Ledger, open_journal, open_sqlite
from mini_llm.ledger.budgets import Budgets, limit_of
from mini_llm.ledger.windows import zone_named
from mini_llm.memory import Memory
from mini_llm.providers import WALLET, Registry
from mini_llm.routing import Caches, Decision, Expectations, Needs, Router, Target
from mini_llm.signing import Signers, World
from mini_llm.transport import Resolve, Transport
from mini_llm.types import Price
from mini_llm.upstream import Upstream

if TYPE_CHECKING:
    from mini_llm.history import History
    from mini_llm.plugins.rows import Hooks

LEDGER_FILE = "ledger.db"
HEALTH_FILE = "health.json"
# Parts that outlive a reload.
SHARED = (
    *("caches", "credentials", "expectations", "health", "health_file", "ledger", "memory", "signers", "transport"),
)
LEARN_SECONDS = 7 * 86_400  # older answers tell little of what a model says now


class Runtime:
    """The parts of one process. Each is made when first used, so a command pays only for what it needs.

    *now* is the monotonic clock of every deadline and pause; *resolve* replaces the system's resolver. `payer`, set
    before the first request, is who pays in the place of this gateway's user.
    """

    def __init__(
        self,
        loaded: Loaded,
        environ: Mapping[str, str],
        *,
        now: Callable[[], float] = time.monotonic,
        resolve: Resolve | None = None,
    ) -> None:
        self.loaded = loaded
        self.environ = environ
        self.payer: Payer | None = None
        self._now = now
        self._resolve = resolve

    @classmethod
    def open(
        cls,
        *,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        config: Path | None = None,
        profile: str = "",
        overrides: Mapping[str, object] | None = None,
        now: Callable[[], float] = time.monotonic,
        resolve: Resolve | None = None,
    ) -> Runtime:
        """Read the configuration; nothing else is opened yet. Raises ConfigError with every problem found."""
        environ = os.environ if environ is None else environ
        paths = Paths.find(environ, config=config, profile=profile)
        loaded = configuration.load(paths, environ=environ, cwd=cwd or Path.cwd(), overrides=overrides or {})
        return cls(loaded, environ, now=now, resolve=resolve)

    @cached_property
    def credentials(self) -> Credentials:
        """Where secrets are found, and what hides them in messages."""
        return Credentials(environ=self.environ, paths=self.loaded.paths, renews=self._renews)

    @cached_property
    def registry(self) -> Registry:
        """The providers."""
        return Registry(self.loaded.config, environ=self.environ, folder=self.loaded.paths.home / "providers")

    @cached_property
    def catalogue(self) -> Catalogue:
        """What is known of models."""
        config, cache = self.loaded.config, self.loaded.paths.cache
        return Catalogue.open(cache=cache, overrides=config.prices, wallet=self._wallet_prices())

    @cached_property
    def health(self) -> Health:
        """How the targets fare, beginning with what the last gateway knew."""
        health = Health()
        HealthFile(self.loaded.paths.data / HEALTH_FILE, health, now=self._now).load()
        return health

    @cached_property
    def health_file(self) -> HealthFile:
        """What keeps that for the next process, once it is told to."""
        return HealthFile(self.loaded.paths.data / HEALTH_FILE, self.health, now=self._now)

    @cached_property
    def ledger(self) -> Ledger:
        """The book of attempts."""
        file, durability = self.loaded.paths.data / LEDGER_FILE, self.loaded.config.durability
        return Ledger(
            lambda: open_sqlite(file, durability=durability),
            open_reader=lambda: open_sqlite(file, reading=True),
            open_journal=lambda: open_journal(file),
        )

    @cached_property
    def budgets(self) -> Budgets:
        """The limits that are set, and the money held against them."""
        config = self.loaded.config
        zone = zone_named(config.budget_zone)
        return Budgets(self.ledger, map(limit_of, config.limits), zone=zone, low=config.budget_low)

    @cached_property
    def memory(self) -> Memory:
        """What clients lose between two turns. In this process only, unless shared: thinking is written nowhere."""
        return Memory()

    def share_memory(self) -> None:
        """Keep what clients lose in the ledger's file, for a day: a next turn may reach another worker of a gateway."""
        self.memory = Memory(self.ledger)

    @cached_property
    def history(self) -> History | None:
        """What keeps prompts and answers; None, and nothing of it is loaded, unless the user turned it on.

        Who has others pay, as a team server does, keeps nothing: what members say is theirs.
        """
        config = self.loaded.config
        if not config.history or self.payer is not None:
            return None
        from mini_llm import history

        file = self.loaded.paths.data / history.FILE
        days, megabytes = config.history_days, config.history_megabytes
        return history.History(
            lambda: history.open_store(file), self.credentials.redact, days=days, megabytes=megabytes
        )

    @cached_property
    def router(self) -> Router:
        """What turns a name into targets."""
        return Router(
            *(self.loaded.config, self.registry, self.catalogue, self.health),
            expectations=self.expectations,
            caches=self.caches,
        )

    @cached_property
    def expectations(self) -> Expectations:
        """How long the answers of each target are. The ledger is read where a price decides, not before."""
        return Expectations(self._answers_before)

    @cached_property
    def caches(self) -> Caches:
        """Which target has a conversation in its prompt cache."""
        return Caches()

    @cached_property
    def transport(self) -> Transport:
        """The connections to providers; first used inside the event loop that they will live in."""
        return Transport(environ=self.environ, resolve=self._resolve, now=self._now)

    @cached_property
    def signers(self) -> Signers:
        """What signs requests, and the access tokens it got for that."""
        return Signers(World(self.environ, self.credentials.hide, self.transport))

    @cached_property
    def upstream(self) -> Upstream:
        """What talks to providers."""
        return Upstream(self.transport, self.registry, self.credentials, self.signers)

    @cached_property
    def dispatch(self) -> Dispatch:
        """The loop that gets answers."""
        budgets = self.budgets if self.loaded.config.limits else None
        return Dispatch(
            *(self.router, self.registry, self.catalogue, self.upstream, self.health, self.ledger),
            now=self._now,
            budgets=self.payer or budgets,
            charge=self.payer.charge if self.payer else None,
            low=None if self.payer or budgets is None else budgets.low,
            tell=self.hooks.tell if self.hooks is not None else None,
        )

    @cached_property
    def hooks(self) -> Hooks | None:
        """What plugins want to do with rows; None, and nothing of it is loaded, where there are no plugins."""
        names = self.loaded.config.plugins
        if not names:
            return None
        from mini_llm.plugins.rows import Hooks

        return Hooks(names)

    def decide(self, name: str = "", needs: Needs | None = None) -> Decision:
        """Return which targets a request for *name* would be sent to, in order. Nothing is sent."""
        minds = self.loaded.config.limits and self.payer is None and self.router.minds_budgets(name)
        return self.router.decide(name, needs or Needs(), self._now(), self.budgets.low_now() if minds else "")

    def reloaded(self, loaded: Loaded) -> Runtime:
        """Return a runtime with other settings that shares what they leave as it is; only the last one is closed."""
        new = Runtime(loaded, self.environ, now=self._now, resolve=self._resolve)
        new.payer = self.payer
        shared = set(SHARED)
        if _priced(loaded.config) == _priced(self.loaded.config):
            shared.add("catalogue")
        if loaded.config.plugins == self.loaded.config.plugins:
            shared.add("hooks")
        for name in shared:
            new.__dict__[name] = getattr(self, name)
        return new

    def _wallet_prices(self) -> dict[str, Price] | None:
        """Return what the wallet asked when it was last asked; with its discount, if that is to count."""
        wallet, cache = self.loaded.config.wallet, self.loaded.paths.cache
        if wallet is None or not wallet.endpoint:
            return None
        from mini_llm.wallet import lastly, models  # where there is a wallet

        offers = models.kept(cache, wallet.endpoint)
        if offers is None:
            return None
        seen = None if wallet.discounts else lastly.Lastly(cache).get(wallet.endpoint, wallet.api_key)
        return offers.prices(seen.discount if seen else models.NO_DISCOUNT)

    def _renews(self, credentials: Credentials) -> Renews:
        """Return what renews the wallet's tokens, where they run out."""
        from mini_llm.wallet.renewal import Renewal  # most wallets give keys that do not

        return Renewal(credentials, self.loaded.paths, self.environ)

    def _answers_before(self) -> Iterator[tuple[Target, int, int]]:
        """Yield each configured target's answers of late, and their tokens; nothing where there is no ledger yet."""
        if not (self.loaded.paths.data / LEDGER_FILE).exists():
            return
        since = time.time() - LEARN_SECONDS
        for provider in dict.fromkeys([*(one.name for one in self.registry.configured()), WALLET]):
            with suppress(LedgerError):  # the guesses stay
                for row in self.ledger.usage("model", since=since, only={"provider": provider, "status": "ok"}):
                    yield Target(provider, row.name), row.output_tokens, row.attempts

    async def close(self) -> None:
        """Close connections and write what the ledger still holds. Raises LedgerError if rows were lost."""
        if "health_file" in self.__dict__:
            await self.health_file.close()
        if "transport" in self.__dict__:
            await self.transport.close()
        if history := self.__dict__.get("history"):
            history.close()
        if "ledger" in self.__dict__:
            self.ledger.close()
        if hooks := self.__dict__.get("hooks"):
            hooks.close()


def _priced(config: Config) -> tuple[object, ...]:
    """Return what of the settings the catalogue depends on."""
    wallet = config.wallet
    return config.prices, wallet and (wallet.endpoint, wallet.api_key, wallet.discounts)
