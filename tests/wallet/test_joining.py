"""Where a login is kept: the keyring where there is a good one, a file that is announced where there is none."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mini_llm.config import Loaded, Paths, load
from mini_llm.credentials import Credentials
from mini_llm.errors import ConfigError, CredentialError, DeadlineError
from mini_llm.wallet import account, joining, leaving
from mini_llm.wallet.discovery import Endpoints
from mini_llm.wallet.joining import Joined, Storage
from mini_llm.wallet.logins import Logins, name_of
from mini_llm.wallet.tokens import Tokens
from tests.hostile import stall
from tests.keyrings import Backend, credentials, named, on_disk, safe
from tests.wallet.server import ACCOUNT, KEY, REFRESH, wallet

ISSUER, API = "https://ai.example.com", "https://api.ai.example.com/v1"
ENDPOINTS = Endpoints(ISSUER, f"{ISSUER}/device", f"{ISSUER}/token", f"{ISSUER}/revoke", API, f"{ISSUER}/dashboard")
NAME = "passy/ai.example.com/acc_1"
NEW = "pk-" + "n" * 43


class Small(Backend):
    """A keyring that keeps no more than so many characters of an entry, as Windows does."""

    def set_password(self, service: str, name: str, value: str) -> None:
        super().set_password(service, name, value[:80])


def settings(folder: Path) -> Loaded:
    environ = {"MINI_LLM_HOME": str(folder), "HOME": str(folder)}
    return load(Paths.find(environ), environ=environ, cwd=None)


def joined(folder: Path, known: Credentials, tokens: Tokens, storage: Storage | None = None, **changes: Any) -> Joined:
    who = account.read({**ACCOUNT, **changes}, API)
    return joining.join(
        settings(folder), known, ENDPOINTS, tokens, who, storage=storage or Storage(), by_device=True, now=lambda: 100.0
    )


def wallet_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "config.json").read_text())["wallet"]
    return found


def test_with_a_keyring_no_secret_is_on_disk(tmp_path: Path) -> None:
    backend = safe()
    done = joined(tmp_path, credentials(tmp_path, backend), Tokens(KEY, REFRESH, 3600))
    assert wallet_of(tmp_path)["apiKey"] == f"wallet:{NAME}"
    assert (done.login.key, done.login.refresh) == (f"keyring:{NAME}", f"keyring:{NAME}/renews")
    assert (done.login.expires_at, done.login.renew_at) == (3700.0, 2980.0)
    assert done.stored.announced == ""
    assert KEY not in on_disk(tmp_path)
    assert REFRESH not in on_disk(tmp_path)
    assert sorted(json.loads(entry)["secret"] for entry in backend.entries.values()) == [KEY, REFRESH]


def test_a_key_that_holds_is_referred_to_directly(tmp_path: Path) -> None:
    assert joined(tmp_path, credentials(tmp_path, safe()), Tokens(KEY)).login.reference == f"keyring:{NAME}"
    assert wallet_of(tmp_path) == {
        "type": "passy",
        "apiKey": f"keyring:{NAME}",
        "endpoint": API,
        "features": {"costOptimization": True, "discounts": True},
    }


@pytest.mark.parametrize(
    "backend",
    [
        safe(Small),
        named("keyring.backends.null.Keyring"),
        named("keyring.backends.fail.Keyring"),
        named("keyrings.alt.file.PlaintextKeyring"),
        None,
    ],
)
def test_without_a_good_keyring_the_file_is_announced_or_refused(backend: Any, tmp_path: Path) -> None:
    known = credentials(tmp_path, backend)
    with pytest.raises(CredentialError, match="keyring can't be used"):
        joined(tmp_path, known, Tokens(KEY), Storage(require_keyring=True))
    assert KEY not in on_disk(tmp_path)
    done = joined(tmp_path, known, Tokens(KEY))
    assert "stored in plain text" in done.stored.announced
    assert wallet_of(tmp_path)["apiKey"] == f"file:secrets.json#{NAME}"


def test_who_finds_a_keyring_later_leaves_no_copy_in_the_clear(tmp_path: Path) -> None:
    joined(tmp_path, credentials(tmp_path), Tokens(KEY, REFRESH, 3600))
    again = joined(tmp_path, credentials(tmp_path, safe()), Tokens(NEW))
    assert again.again
    assert again.before == Tokens(KEY, REFRESH)
    assert json.loads((tmp_path / "secrets.json").read_text()) == {}
    assert Logins(tmp_path).all()[NAME].refresh == ""


def test_what_the_user_allowed_the_wallet_stays_and_nothing_is_allowed_for_them(tmp_path: Path) -> None:
    joined(tmp_path, credentials(tmp_path, safe()), Tokens(KEY), features={"fallback": True, "discounts": False})
    assert wallet_of(tmp_path)["features"] == {"costOptimization": True, "discounts": False}
    (tmp_path / "config.json").write_text('{"wallet": {"features": {"fallback": true}}}')
    joined(tmp_path, credentials(tmp_path, safe()), Tokens(KEY), features={"fallback": False})
    assert wallet_of(tmp_path)["features"] == {"fallback": True}


def test_the_names_that_a_service_gives_cannot_lead_out_of_their_place(tmp_path: Path) -> None:
    done = joined(tmp_path, credentials(tmp_path, safe()), Tokens(KEY), id="../../etc/passwd#\n")
    assert re.fullmatch(r"passy/ai\.example\.com/\.\.-\.\.-etc-passwd--[0-9a-f]{16}", done.login.name)


def test_a_config_that_cannot_be_changed_is_told_before(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"wallet": {"type": "custom", "providers": [{"id": "lab"}]}}')
    with pytest.raises(ConfigError, match="providers of your own"):
        joining.check(settings(tmp_path))


def test_a_login_is_forgotten_with_all_its_secrets(tmp_path: Path) -> None:
    backend = safe()
    known = credentials(tmp_path, backend)
    login = joined(tmp_path, known, Tokens(KEY, REFRESH, 3600)).login
    leaving.forget(settings(tmp_path), known, login)
    assert backend.entries == {}
    assert json.loads((tmp_path / "config.json").read_text()) == {}
    assert Logins(tmp_path).all() == {}
    assert list((tmp_path / "cache").glob("wallet-*.json")) == []


def test_a_comment_among_the_wallet_s_settings_stays(tmp_path: Path) -> None:
    known = credentials(tmp_path, safe())
    (tmp_path / "config.json").write_text('{"wallet": {\n  // ours\n  "type": "passy"\n}}')
    login = joined(tmp_path, known, Tokens(KEY)).login
    leaving.forget(settings(tmp_path), known, login)
    text = (tmp_path / "config.json").read_text()
    assert "// ours" in text
    assert "apiKey" not in text


def test_revocation_takes_no_longer_than_it_may(tmp_path: Path) -> None:
    with wallet() as server:
        server.scripts["/oauth/revoke"] = stall()
        login = joined(tmp_path, credentials(tmp_path, safe()), Tokens(KEY)).login
        slow = replace(login, revocation=f"{server.url}/oauth/revoke")
        with pytest.raises(DeadlineError, match="within"):
            asyncio.run(leaving.revoke({}, slow, Tokens(KEY), seconds=0.2))


LONG = f"https://{'a' * 50}"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{LONG}.example", f"{LONG}.evil.example"),  # cut off where they differ
        ("https://ai.example.com/acme", "https://ai.example.com:acme"),
        ("https://ai.example.com/a~b", "https://ai.example.com/a-b"),
    ],
)
def test_two_services_never_share_a_login(one: str, other: str) -> None:
    names = [name_of(issuer, "acc_1") for issuer in (one, other)]
    assert names[0] != names[1]
    assert all(name.startswith("passy/") and name.count("/") == 2 for name in names)
    assert name_of(one, "a" * 60) != name_of(one, "a" * 61)
