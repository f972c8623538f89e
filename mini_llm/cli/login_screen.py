"""What a login shows: to people on stderr, to programs as JSON on stdout, one object for each change."""

from __future__ import annotations

import sys
from collections.abc import Callable
from json import dumps
from typing import TYPE_CHECKING, Any, Protocol

from mini_llm.cli import output
from mini_llm.wallet.addresses import label_of

if TYPE_CHECKING:
    from mini_llm.cli.flags import Flags
    from mini_llm.wallet.account import Account
    from mini_llm.wallet.device import Event, Grant
    from mini_llm.wallet.joining import Joined

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
CLEAR = "\r\x1b[K"
LINE_SECONDS = 15.0


class Screen(Protocol):
    """Who is told how a login goes."""

    tick_seconds: float

    def offer(self, issuer: str, grant: Grant, *, hindrance: str, enter: bool) -> None:
        """Show where to say yes, and to which code. *hindrance* is why no browser is opened, "" if one may be."""

    def event(self, event: Event) -> None:
        """Note how the waiting goes."""

    def tick(self, left: float) -> None:
        """Show that time passes; *left* are the seconds the code still holds."""

    def expired(self) -> None:
        """Say that the code has expired and Enter brings a new one."""

    def no_browser(self) -> None:
        """Say that no browser could be opened."""

    def connected(self, issuer: str, account: Account, where: str, joined: Joined | None) -> None:
        """Say who is signed in, how the account stands, and what to do next."""

    def cancelled(self) -> None:
        """Say that nothing was changed."""


class People:
    """On stderr: stdout stays clean. The address and the code stay on the screen, whatever happens below them."""

    def __init__(self, flags: Flags, *, qr: bool, now: Callable[[], float]) -> None:
        self._flags = flags
        self._qr = qr
        self._now = now
        shown = output.is_terminal(sys.stderr) and not flags.quiet
        self._animated = shown and flags.environ.get("TERM") != "dumb"
        self.tick_seconds = 0.1 if self._animated else 0.5
        self._said = now()
        self._state = "waiting for your yes in the browser"
        self._turn = 0

    def offer(self, issuer: str, grant: Grant, *, hindrance: str, enter: bool) -> None:
        """Show the address and the code first; quiet or not, nobody gets on without them."""
        output.talk(f"Sign in to {label_of(issuer)}\n\n  open  {grant.uri}\n  code  {grant.user_code}\n")
        if self._qr:
            self._draw(grant.complete or grant.uri)
        if hindrance:
            self._flags.say_dim(f"no browser is opened: {hindrance}; any device will do")
            if not self._qr and output.is_terminal(sys.stderr):
                self._flags.say_dim("`mini-llm login --qr` shows the address as a QR code")
        elif enter:
            self._flags.say("Press Enter to open it in your browser, or open it on any device")
        self._said = self._now()

    def event(self, event: Event) -> None:
        """Change what the waiting line says."""
        before = self._state
        self._state = "waiting for your yes in the browser"
        if event.state == "unreachable":
            self._state = f"{output.clean(event.why)}; trying again"
        if self._state != before and not self._animated:
            self._flags.say(self._state)

    def tick(self, left: float) -> None:
        """Turn the spinner; where nothing may move, say something every 15 seconds."""
        minutes, seconds = divmod(max(0, int(left)), 60)
        if self._animated:
            self._turn = (self._turn + 1) % len(SPINNER)
            sys.stderr.write(f"{CLEAR}{SPINNER[self._turn]} {self._state[:56]} · {minutes}:{seconds:02d} left")
            sys.stderr.flush()
        elif self._now() - self._said >= LINE_SECONDS:
            self._said = self._now()
            self._flags.say(f"{self._state}, {minutes}:{seconds:02d} left")

    def expired(self) -> None:
        """Offer a new code."""
        self._wipe()
        output.talk("The code has expired. Press Enter for a new one")

    def no_browser(self) -> None:
        """Say so above the waiting line."""
        self._wipe()
        output.talk("no browser could be opened; open the address yourself")

    def connected(self, issuer: str, account: Account, where: str, joined: Joined | None) -> None:
        """Show the account, where the key lies, and what to do next."""
        self._wipe()
        if joined and joined.again:
            self._flags.say("You were already signed in to this account; its key is a new one now")
        self._flags.say(f"Connected to {label_of(issuer)} as {account.label}\n")
        for name, told in self._facts(account, where, joined):
            self._flags.say(f"  {name:<8} {told}")
        if joined and joined.stored.announced:
            self._flags.say(f"\nnote: {joined.stored.announced}")
        self._flags.say('\nNext:\n  mini-llm chat "hello"')
        if _has_setup():
            self._flags.say("  mini-llm setup --list")

    def cancelled(self) -> None:
        """Say it on a line of its own."""
        self._wipe()
        output.talk("Login cancelled. Nothing was changed.")

    def _facts(self, account: Account, where: str, joined: Joined | None) -> list[tuple[str, str]]:
        from mini_llm import pricing

        facts = [("plan", account.plan)]
        facts.append(("team", f"{account.team} ({account.role})" if account.role else account.team))
        low = "; running low" if account.low else ""
        facts.append(("credits", "" if account.balance is None else f"{pricing.dollars(account.balance)}{low}"))
        facts += [("key", where), ("config", str(self._flags.paths().config))]
        facts.append(("default", joined.login.default if joined else ""))
        return [fact for fact in facts if fact[1]]

    def _draw(self, url: str) -> None:
        try:
            import segno  # an extra: few need it
        except ImportError:
            output.talk("no QR code without its library: pip install 'mini-llm[qr]'")
            return
        if sys.stderr is not None and (sys.stderr.encoding or "").lower().startswith("utf"):
            segno.make(url, micro=False).terminal(out=sys.stderr, compact=True)

    def _wipe(self) -> None:
        if self._animated:
            sys.stderr.write(CLEAR)
            sys.stderr.flush()


class Machines:
    """As JSON on stdout: one object a line, each with its `state`."""

    tick_seconds = 1.0

    def __init__(self) -> None:
        self._last: tuple[str, str] = ("", "")

    def offer(self, issuer: str, grant: Grant, *, hindrance: str, enter: bool) -> None:
        """Tell what to open."""
        self._tell("code", issuer=issuer, **described(grant))

    def event(self, event: Event) -> None:
        """Tell what has changed."""
        if event != self._last:
            self._last = event
            self._tell(event.state, **({"why": event.why} if event.why else {}))

    def tick(self, left: float) -> None:
        """Say nothing: nothing has changed."""

    def expired(self) -> None:
        """Tell that the code has expired."""
        self._tell("expired")

    def no_browser(self) -> None:
        """Say nothing: programs open none."""

    def connected(self, issuer: str, account: Account, where: str, joined: Joined | None) -> None:
        """Tell the account."""
        note = {"note": joined.stored.announced} if joined and joined.stored.announced else {}
        self._tell("connected", issuer=issuer, stored=where, **note, **account.to_json())

    def cancelled(self) -> None:
        """Tell that nothing was changed."""
        self._tell("cancelled")

    def _tell(self, state: str, **more: Any) -> None:
        output.line(dumps({"state": state, **more}))


def described(grant: Grant) -> dict[str, Any]:
    """Return what may be known of a grant: all but the secret in it."""
    return {
        "verification_uri": grant.uri,
        "verification_uri_complete": grant.complete or None,
        "user_code": grant.user_code,
        "expires_in": grant.expires_in,
    }


def _has_setup() -> bool:
    from mini_llm.cli import COMMANDS

    return "setup" in COMMANDS
