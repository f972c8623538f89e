"""How `mini-llm login` goes: by a code on any device, by a key from stdin, or by going on with what was begun."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import typer

from mini_llm.cli import browser, output, waiting
from mini_llm.cli.login_screen import Machines, People, Screen, described
from mini_llm.cli.options import seconds as checked_seconds
from mini_llm.cli.waiting import World
from mini_llm.config import origin_of
from mini_llm.credentials import Secret
from mini_llm.errors import CredentialError, MiniLLMError, UsageError
from mini_llm.providers import WALLET, WALLET_TOKEN, Registry, wallet_token
from mini_llm.wallet import device, discovery, joining, leaving, models
from mini_llm.wallet.addresses import ISSUER, issuer_of
from mini_llm.wallet.device import ExpiredError, Grant
from mini_llm.wallet.discovery import Endpoints
from mini_llm.wallet.joining import Storage
from mini_llm.wallet.logins import Logins, Pending
from mini_llm.wallet.service import Service
from mini_llm.wallet.tokens import LoginError, Tokens, revoke_all

if TYPE_CHECKING:
    from mini_llm.cli.flags import Flags

BEGUN = f"{WALLET}/begun"  # the secret of a login that is to be resumed
PROBE = f"{WALLET}/probe"
LONGEST_KEY = 1000
MODELS_SECONDS = 5.0  # a login does not wait longer for what is only good to know


class Wanted(NamedTuple):
    """What the caller said."""

    url: str = ""
    no_browser: bool = False
    with_token: bool = False
    as_json: bool = False
    no_wait: bool = False
    resume: bool = False
    qr: bool = False
    timeout: float | None = None
    insecure: bool = False
    require_keyring: bool = False


def run(flags: Flags, wanted: Wanted, world: World | None = None) -> None:
    """Sign in. Until the new key has proved to work, and the account behind it is known, nothing is changed."""
    _check(flags, wanted)
    world = world or World()
    screen: Screen = Machines() if wanted.as_json else People(flags, qr=wanted.qr, now=world.now)
    login = Login(flags, wanted, world, screen)
    try:
        # Before the loop begins, which would keep Ctrl-C from whoever is asked.
        key = _key_from_stdin() if wanted.with_token else ""
        asyncio.run(login.go(key))
    except KeyboardInterrupt:
        if login.done:
            return
        screen.cancelled()
        raise typer.Exit(130) from None


def _check(flags: Flags, wanted: Wanted) -> None:
    """Refuse what can't be meant before anybody goes to a browser for it."""
    ways = [wanted.with_token, wanted.no_wait, wanted.resume]
    if sum(ways) > 1:
        raise UsageError("--with-token, --no-wait and --resume exclude each other")
    if wanted.insecure and wanted.require_keyring:
        raise UsageError("--insecure-storage and --require-keyring exclude each other")
    if wanted.timeout is not None:
        checked_seconds(wanted.timeout)
    if wallet_token(flags.environ) and any(ways):
        raise LoginError(
            f"the key in {WALLET_TOKEN} is used, so no other would be", hint=f"clear it first: unset {WALLET_TOKEN}"
        )
    joining.check(flags.load())
    if wanted.require_keyring:
        stored = flags.credentials().store(PROBE, "x" * 600, origin=ISSUER, require_keyring=True)
        flags.credentials().forget(stored.reference)


class Login:
    """One login under way."""

    def __init__(self, flags: Flags, wanted: Wanted, world: World, screen: Screen) -> None:
        self._flags = flags
        self._wanted = wanted
        self._world = world
        self._screen = screen
        self._logins = Logins(flags.paths().home)
        self._storage = Storage(wanted.insecure, wanted.require_keyring)
        self.done = False

    async def go(self, key: str) -> None:
        """Sign in, in the way that was asked for: with *key* if there is one."""
        async with Service.open(self._flags.environ) as service:
            if wallet_token(self._flags.environ):
                await self._with_variable(service)
            elif key:
                endpoints = await self._discover(service)
                await self._finish(service, endpoints, Tokens(key), by_device=False)
            elif self._wanted.resume:
                await self._resume(service)
            elif self._wanted.no_wait:
                await self._begin(service)
            else:
                await self._by_code(service)

    async def _by_code(self, service: Service) -> None:
        """Show a code and wait for somebody's yes to it; a new one where people sit and the old one has expired."""
        endpoints = await self._discover(service)
        end = self._world.now() + (self._wanted.timeout or float("inf"))
        while True:
            grant = await self._granted(service, endpoints)
            hindrance = self._hindrance()
            enter = self._world.enter.there and not hindrance
            self._screen.offer(endpoints.issuer, grant, hindrance=hindrance, enter=enter)
            try:
                tokens = await self._wait(service, endpoints, grant, end, opens=enter)
            except ExpiredError:
                if not self._asks() or self._world.now() >= end:
                    raise
                self._screen.expired()
                await waiting.for_enter(end, self._world)
                continue
            await self._finish(service, endpoints, tokens, by_device=True)
            return

    async def _granted(self, service: Service, endpoints: Endpoints) -> Grant:
        grant = await device.begin(service, endpoints, device=socket.gethostname())
        self._flags.credentials().hide(grant.device_code)  # a service may quote it back at us
        return grant

    async def _wait(self, service: Service, endpoints: Endpoints, grant: Grant, end: float, *, opens: bool) -> Tokens:
        """Wait for somebody's yes, no longer than the code holds."""
        until = min(end, self._world.now() + grant.expires_in)
        poll = device.poll(
            *(service, endpoints, grant),
            until=until,
            now=self._world.now,
            sleep=self._world.sleep,
            tell=self._screen.event,
        )
        page = (grant.complete or grant.uri) if opens else ""
        return await waiting.wait(poll, until, self._world, self._screen, page=page, environ=self._flags.environ)

    async def _begin(self, service: Service) -> None:
        """Ask for a code, keep what it takes to go on, and end."""
        endpoints = await self._discover(service)
        grant = await self._granted(service, endpoints)
        stored = self._flags.credentials().store(
            BEGUN,
            grant.device_code,
            origin=origin_of(endpoints.token),
            insecure=self._storage.insecure,
            require_keyring=self._storage.require_keyring,
        )
        expires_at = self._world.wall() + grant.expires_in
        self._logins.begin(
            Pending(endpoints, stored.reference, grant.user_code, grant.uri, grant.complete, grant.interval, expires_at)
        )
        profile = f" --profile {self._flags.profile}" if self._flags.profile else ""
        resume = f"mini-llm login{profile} --resume"
        if self._wanted.as_json:
            output.json({**described(grant), "resume": resume})
        else:
            self._screen.offer(endpoints.issuer, grant, hindrance="", enter=False)
            self._flags.say(f"then run: {resume}")

    async def _resume(self, service: Service) -> None:
        """Go on with what `_begin` began."""
        begun = self._logins.pending()
        if begun is None:
            raise LoginError("no login was begun here", hint="begin one: mini-llm login --json --no-wait")
        credentials = self._flags.credentials()
        origin = origin_of(begun.endpoints.token)
        code = credentials.find(begun.code, origin=origin).reveal(origin)
        left = min(device.LONGEST_LIFE, max(0, round(begun.expires_at - self._world.wall())))
        grant = Grant(code, begun.user_code, begun.uri, begun.complete, left, begun.interval)
        self._screen.offer(begun.endpoints.issuer, grant, hindrance="", enter=False)
        end = self._world.now() + (self._wanted.timeout or float("inf"))
        try:
            tokens = await self._wait(service, begun.endpoints, grant, end, opens=False)
        except LoginError:
            if self._world.wall() >= begun.expires_at or self._world.now() < end:  # not only our patience is over
                self._forget(begun)
            raise
        self._forget(begun)
        await self._finish(service, begun.endpoints, tokens, by_device=True)

    async def _with_variable(self, service: Service) -> None:
        """Tell whose key the environment holds. Nothing is stored but, where one is named, the service's address."""
        loaded = self._flags.load()
        registry = _registry(self._flags)
        endpoint = registry.get(WALLET).base_url
        issuer = endpoint
        if self._wanted.url:
            endpoints = await self._discover(service)
            issuer, endpoint = endpoints.issuer, endpoints.api
        tokens = Tokens(wallet_token(self._flags.environ))
        known = Endpoints(issuer, "", "", "", endpoint, "")
        account = await joining.verify(service, known, tokens, sleep=self._world.sleep)
        if self._wanted.url:
            joining.point_to(loaded, endpoint)
        self._screen.connected(issuer, account, f"environment {WALLET_TOKEN}; nothing is stored", None)

    async def _finish(self, service: Service, endpoints: Endpoints, tokens: Tokens, *, by_device: bool) -> None:
        """See whose key it is, and only then put it in the place of what was there."""
        for secret in (tokens.access, tokens.refresh):
            self._flags.credentials().hide(secret)
        try:
            account = await joining.verify(service, endpoints, tokens, sleep=self._world.sleep)
        except MiniLLMError:
            if by_device:
                with suppress(MiniLLMError, TimeoutError):
                    async with asyncio.timeout(leaving.SECONDS):
                        await revoke_all(service, endpoints, tokens)
            raise
        default = await self._default(service, endpoints, tokens)
        joined = joining.join(
            *(self._flags.load(), self._flags.credentials(), endpoints, tokens, account),
            storage=self._storage,
            by_device=by_device,
            default=default,
            now=self._world.wall,
        )
        self.done = True
        self._screen.connected(endpoints.issuer, account, joined.stored.where, joined)
        self._tell_of_fallback()
        if joined.before is not None:  # whoever holds the old key holds nothing
            with suppress(MiniLLMError):
                await leaving.revoke(self._flags.environ, joined.login, joined.before)

    def _tell_of_fallback(self) -> None:
        """Say how the wallet may step in for keys of the user's own: it never does so unasked."""
        wallet = self._flags.load().config.wallet
        if _registry(self._flags).configured() and (wallet is None or wallet.fallback is None):
            allow = "mini-llm config set wallet.features.fallback true"
            self._flags.say(f"\nYour own providers come first; to let the wallet step in when they fail:\n  {allow}")

    async def _default(self, service: Service, endpoints: Endpoints, tokens: Tokens) -> str:
        """Fetch the models, and return which is to answer when none is named; "" where that is settled, or unknown."""
        loaded = self._flags.load()
        key = Secret(tokens.access, origin=origin_of(endpoints.api), reference="the new key")
        try:
            async with asyncio.timeout(MODELS_SECONDS):
                offers = await models.fetch(service, endpoints.api, key, loaded.paths.cache, now=self._world.wall)
        except (MiniLLMError, TimeoutError):
            return ""
        settled = loaded.config.default or _registry(self._flags).configured()
        return "" if settled else offers.first

    async def _discover(self, service: Service) -> Endpoints:
        issuer = issuer_of(self._wanted.url) if self._wanted.url else ISSUER
        return await discovery.discover(service, issuer)

    def _hindrance(self) -> str:
        """Say why no browser is opened."""
        if self._wanted.no_browser:
            return "as asked"
        if self._wanted.as_json or not output.is_terminal(sys.stderr):
            return "nobody looks at this terminal"
        return browser.hindrance(self._flags.environ)

    def _asks(self) -> bool:
        return self._world.enter.there and output.is_terminal(sys.stderr) and not self._wanted.as_json

    def _forget(self, begun: Pending) -> None:
        with suppress(CredentialError):
            self._flags.credentials().forget(begun.code)
        self._logins.end()


def _registry(flags: Flags) -> Registry:
    loaded = flags.load()
    return Registry(loaded.config, environ=flags.environ, folder=loaded.paths.home / "providers")


def _key_from_stdin() -> str:
    """Return the key that stdin holds: the only way to hand one in, as arguments are seen by all."""
    if sys.stdin is not None and sys.stdin.isatty():
        from getpass import getpass  # turns the echo off

        told = getpass("Key: ")
    else:
        told = sys.stdin.read(16 * LONGEST_KEY) if sys.stdin else ""
    key = told.strip()
    if not key:
        raise UsageError("stdin holds no key", hint="pipe it in: pass show mini-llm | mini-llm login --with-token")
    if len(key) > LONGEST_KEY or not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError("what stdin holds is no key: it has blanks in it or is too long")
    return key
