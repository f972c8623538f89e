"""tokens: every kind is known by its own verifier alone, and nothing that could let somebody in is stored."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm.errors import ConfigError
from mini_llm.team import devices, invites, keys
from mini_llm.team.rights import Rights
from mini_llm.team.store import Db
from mini_llm.team.tokens import ALPHABET, PREFIXES, Tokens, hkdf, make_secret, new_code, plain_code, read_secret
from tests.team.founding import NOON, TOKENS, Office, office

CLIENT = "mini-llm-cli"


def test_a_key_for_a_purpose_is_the_one_of_the_standard() -> None:
    derived = hkdf(b"\x0b" * 22, b"")  # RFC 5869, test case 3, its first block
    assert derived.hex() == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"


def test_each_kind_of_token_is_known_by_its_own_digest_alone() -> None:
    for kind in PREFIXES:
        token = TOKENS.new(kind)
        assert [other for other in PREFIXES if TOKENS.digest(other, token)] == [kind]


def test_the_same_random_part_has_another_digest_for_every_purpose() -> None:
    part = TOKENS.new("key")[3:]
    digests = {TOKENS.digest(kind, prefix + part) for kind, prefix in PREFIXES.items()}
    assert len(digests - {None}) == len(PREFIXES)


def test_another_servers_token_has_another_digest() -> None:
    token = TOKENS.new("key")
    assert TOKENS.digest("key", token) != Tokens(bytes(32)).digest("key", token)


@pytest.mark.parametrize(
    "wrong", ["", "pk-", "pk-short", "PK-" + "a" * 43, "pk-" + "a" * 44, "pk-" + "a" * 42 + "\n", "pk-" + "é" * 43]
)
def test_what_has_not_the_form_of_a_token_is_no_token(wrong: str) -> None:
    assert TOKENS.digest("key", wrong) is None


@given(st.text())
def test_any_text_is_read_as_a_user_code_or_as_nothing(text: str) -> None:
    code = plain_code(text)
    assert code == "" or (len(code) == 8 and set(code) <= set(ALPHABET))


def test_a_user_code_is_the_same_however_it_is_typed() -> None:
    code = new_code()
    assert len(code) == 9 and set(code) <= {*ALPHABET, "-"}
    plain = TOKENS.code_digest(code)
    assert plain is not None
    assert {
        TOKENS.code_digest(typed)
        for typed in (code.lower(), code.replace("-", " "), f" {code} ", code.replace("-", ""))
    } == {plain}


def test_a_form_belongs_to_its_session() -> None:
    mine, theirs = TOKENS.new("session"), TOKENS.new("session")
    assert TOKENS.is_csrf(mine, TOKENS.csrf(mine))
    assert not TOKENS.is_csrf(theirs, TOKENS.csrf(mine))
    assert not TOKENS.is_csrf(mine, "") and not TOKENS.is_csrf(mine, "\udce9é")


def test_every_token_is_refused_by_every_verifier_but_its_own(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        tokens = _one_of_each(ours)
        for verifier, accepts in VERIFIERS.items():
            passed = [kind for kind, token in tokens.items() if accepts(ours.db, token)]
            assert passed == [verifier], verifier


def test_no_token_lies_in_the_file(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        tokens = _one_of_each(ours)
        ours.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        for token in tokens.values():
            assert token.encode() not in stored and token[3:].encode() not in stored


def test_no_token_reaches_a_statement(tmp_path: Path) -> None:
    with office(tmp_path) as ours:
        seen: list[str] = []

        def trace(_: object, statement: str, values: object) -> bool:
            seen.append(f"{statement} {values}")
            return True

        ours.db.exec_trace = trace
        tokens = _one_of_each(ours)
        for accepts in VERIFIERS.values():
            for token in tokens.values():
                accepts(ours.db, token)
        keys.revoke_token(ours.db, tokens["key"], NOON)
        keys.revoke_token(ours.db, tokens["refresh"], NOON)
        ours.db.exec_trace = None
        told = [token for kind, token in tokens.items() if any(token in line for line in seen)]
    assert len(seen) > 20 and told == []


def test_the_secret_is_for_its_owner_alone_and_is_made_once(tmp_path: Path) -> None:
    file = tmp_path / "home" / "team.secret"
    master = make_secret(file)
    assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700
    assert read_secret(file) == master
    with pytest.raises(FileExistsError):
        make_secret(file)


@pytest.mark.parametrize("content", ["", "\n", "00" * 31, "00" * 33, "sk-1234", "zz" * 32])
def test_a_damaged_or_empty_secret_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "team.secret"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(ConfigError):
        read_secret(file)


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "team.secret"
    make_secret(file)
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="others can read"):
        read_secret(file)


def test_a_missing_secret_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as failure:
        read_secret(tmp_path / "team.secret")
    assert "mini-llm team init" in failure.value.hint


def _one_of_each(ours: Office) -> dict[str, str]:
    """Return a good token of every kind."""
    db, owner = ours.db, ours.owner
    short = keys.issue(db, owner, "short", Rights(), owner, NOON, seconds=600)
    grant = devices.begin(db, CLIENT, "laptop", "here", "usage", NOON)
    session = TOKENS.new("session")
    digest = TOKENS.digest("session", session)
    row = (digest, "ses_1", owner.account, NOON, NOON, NOON + 60, "here", "browser")
    db.execute(
        "INSERT INTO session (digest, id, account, created_at, seen_at, expires_at, address, agent)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        row,
    )
    assert short.refresh_token is not None
    return {
        "key": ours.token,
        "refresh": short.refresh_token,
        "device": grant.device_code,
        "session": session,
        "invite": invites.invite(db, owner, "member", None, NOON)[1],
        "user code": grant.user_code,
        "csrf": TOKENS.csrf(session),
    }


def _lets_in(db: Db, token: str) -> bool:
    return keys.find(db, token, NOON) is not None


def _refreshes(db: Db, token: str) -> bool:
    return keys.rotate(db, token, NOON) is not None


def _polls(db: Db, token: str) -> bool:
    return not isinstance(devices.poll(db, token, CLIENT, NOON), devices.Invalid)


def _invites(db: Db, token: str) -> bool:
    return invites.look(db, token, NOON) is not None


def _approves(db: Db, token: str) -> bool:
    who = f"acc_{hash(token)}"  # somebody else each time: wrong codes are counted
    return devices.look(db, token, who, who, NOON) is not None


VERIFIERS = {
    "key": _lets_in,
    "refresh": _refreshes,
    "device": _polls,
    "invite": _invites,
    "user code": _approves,
}
