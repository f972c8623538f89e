"""What was typed after `chat` becomes a question, or the beginning of a conversation."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mini_llm.cli import conversations, output
from mini_llm.cli.conversations import Thread
from mini_llm.cli.flags import interactive
from mini_llm.cli.prompt import NOTHING, Prompt
from mini_llm.errors import CredentialError, MiniLLMError, UpstreamError, UsageError
from mini_llm.types import Message, Text

if TYPE_CHECKING:
    from mini_llm.cli.answer import Question, Screen
    from mini_llm.cli.flags import Flags
    from mini_llm.cli.templates import Template

SYSTEM = ("system", "developer")


class Wish(NamedTuple):
    """What is asked for beside the prompt, as it was typed."""

    model: str
    system: str
    schema: str
    pairs: tuple[str, ...]
    timeout: float


class Shown(NamedTuple):
    """How the answer is to be shown."""

    as_json: bool
    stream: bool
    raw: bool
    render: bool
    reasoning: bool
    interactive: bool
    dry_run: bool


def check_terminal(shown: Shown) -> None:
    """Raise UsageError where there can be no conversation."""
    if shown.as_json or shown.dry_run:
        raise UsageError(f"-i and --{'json' if shown.as_json else 'dry-run'} exclude each other")
    if not interactive() or not output.is_terminal(sys.stdout):
        raise UsageError("a conversation needs a terminal", hint='ask once: `mini-llm chat "Why is the sky blue?"`')


def template(known: Flags, name: str) -> Template:
    """Return the template called *name*."""
    from mini_llm.cli import templates

    return templates.load(known.paths().home, name)


def filled(found: Template, pairs: Sequence[str], asked: Prompt, wish: Wish) -> tuple[Prompt, Wish]:
    """Put what is asked into a template; what the command line says goes before what the file says."""
    from mini_llm.cli import templates

    text, system = templates.fill(found, asked.text, pairs)
    if not text and not asked.parts:
        raise UsageError("nothing to ask", hint=NOTHING)
    return asked._replace(text=text), wish._replace(
        model=wish.model or found.model,
        system=wish.system or system,
        schema=wish.schema or found.schema,
        pairs=(*found.options, *wish.pairs),
    )


def thread(known: Flags, cid: str, *, again: bool) -> Thread:
    """Return the conversation to go on with, or a new one, which is kept if the history is on."""
    return conversations.resumed(known, cid) if cid or again else conversations.begun(known)


def begin(known: Flags, asked: Prompt, wish: Wish, thread: Thread, shown: Shown, fetch: Callable[[str], bytes]) -> None:
    """Ask."""
    from mini_llm.cli import answer  # with the event loop, once the prompt is sound

    kept = [message for message in thread.messages if not (wish.system and message.role in SYSTEM)]
    if any(conversations.NOT_KEPT in str(message) for message in kept):
        known.say("note: files of earlier turns are not kept; attach them again with `-a` if they matter")
    options = {"model": "", **thread.options, **_options(wish)}
    options |= {"caller": conversations.CHAT, "conversation": thread.id}
    if shown.interactive:
        from mini_llm.cli import interactive

        interactive.converse(known, asked, options, kept, shown, fetch)
        return
    said = [*kept, turn(asked)] if kept else asked.text
    question = answer.Question(said, options if kept else {**options, "attachments": asked.parts}, bool(wish.schema))
    if shown.dry_run:
        answer.plan(known.runtime(), question, as_json=shown.as_json, color=known.colour())
        return
    screen = answer.Screen.open(
        known, as_json=shown.as_json, raw=shown.raw, render=shown.render, reasoning=shown.reasoning
    )
    if thread.id:
        screen.beside["conversation"] = thread.id
    _run(known, question, screen, stream=shown.stream)


def _run(known: Flags, question: Question, screen: Screen, *, stream: bool) -> None:
    """Ask; once more where own providers failed and the user now lets the wallet answer."""
    from mini_llm.cli import answer, consent

    runtime = known.runtime()
    try:
        answer.run(runtime, question, screen, stream=stream)
    except MiniLLMError as error:
        if screen.begun or not isinstance(error, UpstreamError | CredentialError):
            raise
        decision = runtime.decide(question.options["model"])
        if screen.as_json or not consent.may_pay(known, decision, runtime.registry, error):
            raise
        known.forget()
        answer.run(known.runtime(), question, screen, stream=stream)


def turn(asked: Prompt) -> Message:
    """Return what a user says."""
    return Message("user", (*asked.parts, *([Text(asked.text)] if asked.text or not asked.parts else [])))


def _options(wish: Wish) -> dict[str, Any]:
    """Return what goes with the prompt, only what was said."""
    from mini_llm.cli import options

    found: dict[str, Any] = {name: value for name, value in (("model", wish.model), ("system", wish.system)) if value}
    found.update(options.read(wish.pairs))
    if wish.timeout:
        found["timeout"] = options.seconds(wish.timeout)
    if wish.schema:
        found["schema"] = options.schema(wish.schema)
    return found
