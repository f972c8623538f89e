"""The line somebody types in a conversation: several lines of text, earlier ones, Tab. The door of prompt_toolkit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth

BLOCK = '"""'  # begins and ends text of several lines
FILES = ("/attach", "/save", "/load")
MOST_NAMES = 200  # that Tab offers at once


class Lines:
    """Read what is typed. *commands* are there with what they take, *names* are the models: Tab knows both.

    *earlier* lines come back with the arrow keys.
    """

    def __init__(
        self, commands: Mapping[str, str], names: Callable[[], Iterable[str]], *, earlier: Sequence[str], color: bool
    ) -> None:
        self._session: PromptSession[str] = PromptSession(
            FormattedText([("bold" if color else "", "> ")]),
            multiline=True,
            prompt_continuation="  ",
            key_bindings=_keys(),
            completer=_Completer(commands, names),
            complete_while_typing=False,
            history=InMemoryHistory(list(earlier)),
            color_depth=None if color else ColorDepth.DEPTH_1_BIT,
            enable_open_in_editor=True,
        )

    async def read(self) -> str:
        """Return what was typed. Raises EOFError at Ctrl-D, KeyboardInterrupt at Ctrl-C."""
        return without_marks(await self._session.prompt_async())


def without_marks(text: str) -> str:
    """Return *text* without the quotes that stand around several lines."""
    text = text.strip()
    if len(text) >= 2 * len(BLOCK) and text.startswith(BLOCK) and text.endswith(BLOCK):
        return text[len(BLOCK) : -len(BLOCK)].strip("\n")
    return text


def is_open(text: str) -> bool:
    """Tell whether *text* begins a block that has not ended."""
    text = text.strip()
    return text.startswith(BLOCK) and (len(text) < 2 * len(BLOCK) or not text.endswith(BLOCK))


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if is_open(buffer.text):
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


class _Completer(Completer):
    """Complete commands, models and files."""

    def __init__(self, commands: Mapping[str, str], names: Callable[[], Iterable[str]]) -> None:
        self._commands = commands
        self._names = names
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Yield what may stand here."""
        text = document.text_before_cursor
        if not text.startswith("/") or "\n" in text:
            return
        command, space, rest = text.partition(" ")
        if not space:
            for one, takes in self._commands.items():
                if one.startswith(text):
                    yield Completion(f"{one} " if takes else one, -len(text))
        elif command in FILES:
            yield from self._paths.get_completions(Document(rest), complete_event)
        elif command in ("/model", "/retry"):
            yield from (Completion(one, -len(rest)) for one in _near(rest, self._names()))


def _near(text: str, names: Iterable[str]) -> Iterator[Any]:
    """Yield the names that begin with *text*, then those that hold it."""
    known = sorted(set(names))
    begin = [name for name in known if name.startswith(text)]
    hold = [name for name in known if text in name and not name.startswith(text)] if text else []
    yield from [*begin, *hold][:MOST_NAMES]
