"""The commands inside a conversation: /model, /system, /attach …"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from mini_llm.cli import prompt, saved
from mini_llm.cli.talk import Talk
from mini_llm.errors import UsageError
from mini_llm.types import Message

if TYPE_CHECKING:
    from mini_llm.cli.flags import Flags

COMMANDS = {
    "/model": ("[MODEL]", "ask another model; alone: say which"),
    "/system": ("[TEXT|-]", "instruct the model anew; - takes that back"),
    "/attach": ("FILE|URL", "add a file to the next question"),
    "/save": ("FILE", "write it down: JSON to load again, or FILE.md to read"),
    "/load": ("FILE", "go on with a saved conversation"),
    "/cost": ("", "what the answers cost so far"),
    "/retry": ("[MODEL]", "ask the last question again"),
    "/undo": ("", "forget the last question and its answer"),
    "/help": ("", "show this"),
    "/exit": ("", "leave; Ctrl-D does, too"),
}
KEYS = 'Alt-Enter or """ for several lines · Tab completes · Ctrl-C stops an answer'
COMMAND = re.compile(r"/[a-zA-Z]+")


class Leave(Exception):
    """The conversation is over."""


def is_command(text: str) -> bool:
    """Tell whether *text* is meant for us; a path is not."""
    return bool(COMMAND.fullmatch(text.split(maxsplit=1)[0])) if text.split() else False


class Slash:
    """Do what is said in commands."""

    def __init__(self, known: Flags, talk: Talk, fetch: Callable[[str], bytes]) -> None:
        self._known = known
        self._talk = talk
        self._fetch = fetch
        self._ours = ""  # the file that may be written over
        self._does: dict[str, Callable[[str], Message | None]] = {
            "/model": self._model,
            "/system": self._system,
            "/attach": self._attach,
            "/save": self._save,
            "/load": self._load,
            "/cost": self._cost,
            "/retry": self._retry,
            "/undo": self._undo,
            "/help": self._help,
            "/exit": self._exit,
            "/quit": self._exit,
        }

    def run(self, line: str) -> Message | None:
        """Do it; return what is to be asked now, if anything. Raises Leave at the end, MiniLLMError if it can't be."""
        name, _, rest = line.partition(" ")
        does = self._does.get(name.lower())
        if does is None:
            from difflib import get_close_matches

            near = get_close_matches(name, self._does, n=1)
            raise UsageError(f"no command {name}", hint=f"did you mean {near[0]}?" if near else "/help lists them")
        return does(rest.strip())

    def _say(self, text: str) -> None:
        self._known.say_dim(text)

    def _model(self, name: str) -> None:
        runtime = self._known.runtime()
        if name:
            runtime.decide(name)
            self._talk.options["model"] = name
        self._say(runtime.decide(self._talk.options.get("model", "")).line())

    def _system(self, text: str) -> None:
        if text:
            self._talk.instruct("" if text == "-" else text)
        self._say(self._talk.instructions or "no instructions")

    def _attach(self, name: str) -> None:
        if not name:
            raise UsageError("attach what?", hint="/attach FILE, or an address")
        self._talk.attached.append(prompt.load(name, self._fetch))
        self._say(f"{name} goes with the next question")

    def _save(self, name: str) -> None:
        file = saved.save(name, self._talk, over=self._ours)
        self._ours = str(file)
        self._say(
            f"saved in {file}; files are in it by name alone" if saved.has_files(self._talk) else f"saved in {file}"
        )

    def _load(self, name: str) -> None:
        found = saved.load(name)
        self._talk.messages = list(found.messages)
        self._talk.unanswered = None
        self._talk.options.pop("system", None)
        if found.system:
            self._talk.options["system"] = found.system
        if found.model:
            self._talk.options["model"] = found.model
        if self._talk.options.get("conversation"):
            from mini_llm.history import new_id

            self._talk.options["conversation"] = new_id()
        self._ours = str(found.file)
        count = sum(message.role == "user" for message in found.messages)
        self._say(f"loaded {count} question{'' if count == 1 else 's'} from {found.file}")

    def _cost(self, _: str) -> None:
        self._say(self._talk.cost)

    def _retry(self, name: str) -> Message:
        if name:
            self._model(name)
        asked = self._talk.take_back()
        if asked is None:
            raise UsageError("nothing was asked yet")
        return asked

    def _undo(self, _: str) -> None:
        asked = self._talk.take_back()
        if asked is None:
            raise UsageError("nothing was asked yet")
        words = " ".join(" ".join(getattr(part, "text", "") for part in asked.parts).split())
        self._say(f"forgotten: {words[:60]}{'…' if len(words) > 60 else ''}")

    def _help(self, _: str) -> None:
        width = max(len(f"{name} {what}") for name, (what, _) in COMMANDS.items())
        for name, (what, about) in COMMANDS.items():
            self._known.say(f"  {f'{name} {what}':<{width}}  {about}")
        self._say(f"  {KEYS}")

    def _exit(self, _: str) -> None:
        raise Leave
