"""`mini-llm chat`: one question, one answer."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mini_llm.cli import prompt
from mini_llm.cli.flags import Flags, flags
from mini_llm.cli.frame import Command, new_app
from mini_llm.cli.help import examples
from mini_llm.errors import UsageError

app = new_app()

Words = Annotated[list[str] | None, typer.Argument(metavar="[PROMPT]...", help="What to ask; - stands for stdin")]
Many = list[str] | None


@app.command(
    cls=Command,
    epilog=examples(
        'chat "Why is the sky blue?"',
        'git diff | mini-llm chat "Write the commit message" -m anthropic/claude-opus-4-8',
        'chat "What is in this picture?" -a photo.jpg',
        'chat "Invent a dog" --schema "name, age int, tricks [str]"',
        'chat "Be creative" -o temperature=1.2 -o max_tokens=200',
    ),
)
def chat(
    ctx: typer.Context,
    words: Words = None,
    model: Annotated[str, typer.Option("-m", "--model", metavar="MODEL", help="provider/model, model or alias")] = "",
    system: Annotated[str, typer.Option("-s", "--system", metavar="TEXT", help="Instructions for the model")] = "",
    attach: Annotated[
        Many, typer.Option("-a", "--attach", metavar="FILE|URL|-", help="Add text, image, PDF or audio; repeatable")
    ] = None,
    schema: Annotated[
        str, typer.Option(metavar="FILE|DSL", help='Answer as JSON: a JSON schema file, or "name, age int, tags [str]"')
    ] = "",
    option: Annotated[
        Many, typer.Option("-o", "--option", metavar="KEY=VALUE", help="temperature, max_tokens, ...; repeatable")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole answer with usage, cost and route")] = False,
    no_stream: Annotated[bool, typer.Option("--no-stream", help="Wait for the whole answer")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Print the text as it comes, also on a terminal")] = False,
    render: Annotated[bool, typer.Option("--render", help="Render Markdown, also in a pipe")] = False,
    reasoning: Annotated[bool, typer.Option("--reasoning", help="Show the model's thinking on stderr")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show route and price; send nothing")] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", show_default=False, help="For the whole call, fallbacks included")
    ] = 0.0,
    no_stdin: Annotated[bool, typer.Option("--no-stdin", help="Leave stdin alone")] = False,
) -> None:
    """Ask a model. The prompt comes from the arguments, from stdin, or both (stdin first, as context)."""
    from mini_llm.cli import answer  # with the event loop, once the prompt is sound

    if raw and render:
        raise UsageError("--raw and --render exclude each other")
    known = flags(ctx)
    runtime = known.runtime()
    asked = prompt.read(words or (), attach or (), use_stdin=not no_stdin, fetch=_fetch(known), warn=known.say)
    options = _options(option or [], model=model, system=system, timeout=timeout, schema=schema)
    question = answer.Question(asked.text, {**options, "attachments": asked.parts})
    if dry_run:
        answer.plan(runtime, question, as_json=as_json, color=known.colour())
        return
    screen = answer.Screen.open(known, as_json=as_json, raw=raw or bool(schema), render=render, reasoning=reasoning)
    answer.run(runtime, question, screen, stream=not (as_json or no_stream))


def _options(pairs: list[str], *, schema: str, timeout: float, **named: str) -> dict[str, Any]:
    """Return what goes with the prompt, only what was said."""
    from mini_llm.cli import options

    found: dict[str, Any] = {name: value for name, value in named.items() if value}
    found.update(options.read(pairs))
    if timeout:
        found["timeout"] = options.seconds(timeout)
    if schema:
        found["schema"] = options.schema(schema)
    return {**found, "caller": "chat"}


def _fetch(known: Flags) -> Any:
    """Return what gets the bytes behind an address."""

    def fetch(url: str) -> bytes:
        from mini_llm.cli import download

        return download.get(url, known.environ)

    return fetch
