"""One request as a room sees it: head and whole body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a room knows its requests
    from mini_llm.gateway.state import Room


class Request:
    """A request that has come whole. `headers` has lower-case names; `path` is as sent, without the query.

    `doubled` names the fields that came more than once (the first value stands in `headers`). `began` is the loop's
    time at its first byte, `peer` the address of who sent it. `room`, `caller` (its name, and the tool it uses)
    and `id` are set on the way in.
    """

    __slots__ = (
        "began", "body", "caller", "doubled", "headers", "id", "method", "path", "peer", "query", "room", "tls",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        *,
        doubled: Sequence[str] = (),
        body: bytes = b"",
        peer: str = "",
        began: float = 0.0,
        tls: bool = False,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.doubled = doubled
        self.body = body
        self.peer = peer
        self.began = began
        self.tls = tls
        self.id = ""
        self.room: Room | None = None
        self.caller = ("", "")
