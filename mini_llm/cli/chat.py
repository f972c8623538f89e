"""`mini-llm chat`: one question, one answer; with `-i` as many as you like."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mini_llm.cli import prompt
from mini_llm.cli.flags import Flags, flags
from mini_llm.cli.frame import Command, new_app
from mini_llm.cli.help import examples
from mini_llm.errors import UsageError

app = new_app()


def _option(*names: str, help: str, metavar: str | None = None) -> Any:
    return typer.Option(*names, metavar=metavar, show_default=False, help=help)


Words = Annotated[list[str] | None, typer.Argument(metavar="[PROMPT]...", help="What to ask; - stands for stdin")]
Many = list[str] | None
Model = Annotated[str, _option("-m", "--model", metavar="MODEL", help="provider/model, model or alias")]
System = Annotated[str, _option("-s", "--system", metavar="TEXT", help="Instructions for the model")]
Attach = Annotated[
    Many, _option("-a", "--attach", metavar="FILE|URL|-", help="Add text, image, PDF or audio; repeatable")
]
Schema = Annotated[
    str,
    _option(
        "--schema", metavar="FILE|DSL", help='Answer as JSON that fits a schema file, or "name, age int, tags [str]"'
    ),
]
Option = Annotated[
    Many, _option("-o", "--option", metavar="KEY=VALUE", help="temperature, max_tokens, ...; repeatable")
]
Again = Annotated[bool, _option("-c", "--continue", help="Go on with the last conversation")]
Cid = Annotated[str, _option("--cid", metavar="ID", help="Go on with this conversation; see `mini-llm history`")]
Interactive = Annotated[bool, _option("-i", "--interactive", help="Talk, one question after the other")]
Named = Annotated[str, _option("-t", "--template", metavar="NAME", help="A prompt from ~/.mini-llm/templates")]
Param = Annotated[Many, _option("-p", "--param", metavar="KEY=VALUE", help="A $variable of the template; repeatable")]
AsJson = Annotated[bool, _option("--json", help="Print the whole answer with usage, cost and route")]
NoStream = Annotated[bool, _option("--no-stream", help="Wait for the whole answer")]
Raw = Annotated[bool, _option("--raw", help="Print the text as it comes, also on a terminal")]
Render = Annotated[bool, _option("--render", help="Render Markdown, also in a pipe")]
Reasoning = Annotated[bool, _option("--reasoning", help="Show the model's thinking on stderr")]
DryRun = Annotated[bool, _option("--dry-run", help="Show route and price; send nothing")]
Timeout = Annotated[float, _option("--timeout", metavar="SECONDS", help="For the whole call, fallbacks included")]
NoStdin = Annotated[bool, _option("--no-stdin", help="Leave stdin alone")]


@app.command(
    cls=Command,
    epilog=examples(
        'chat "Why is the sky blue?"',
        'git diff | mini-llm chat "Write the commit message" -m anthropic/claude-opus-4-8',
        'chat "What is in this picture?" -a photo.jpg',
        'chat "Invent a dog" --schema "name, age int, tricks [str]"',
        'chat "Be creative" -o temperature=1.2 -o max_tokens=200',
        "chat -i -m smart     # a conversation; /help tells the commands",
        'chat -c "And in winter?"',
    ),
)
def chat(
    ctx: typer.Context,
    words: Words = None,
    model: Model = "",
    system: System = "",
    attach: Attach = None,
    interactive: Interactive = False,
    again: Again = False,
    cid: Cid = "",
    template: Named = "",
    param: Param = None,
    schema: Schema = "",
    option: Option = None,
    as_json: AsJson = False,
    no_stream: NoStream = False,
    raw: Raw = False,
    render: Render = False,
    reasoning: Reasoning = False,
    dry_run: DryRun = False,
    timeout: Timeout = 0.0,
    no_stdin: NoStdin = False,
) -> None:
    """Ask a model. The prompt comes from the arguments, from stdin, or both (stdin first, as context)."""
    from mini_llm.cli import asking

    known = flags(ctx)
    shown = asking.Shown(
        as_json, not (as_json or no_stream), raw or bool(schema), render, reasoning, interactive, dry_run
    )
    if raw and render:
        raise UsageError("--raw and --render exclude each other")
    if param and not template:
        raise UsageError("-p fills a template", hint="name one: `-t NAME`")
    if interactive:
        asking.check_terminal(shown)
    known.runtime()
    form = asking.template(known, template) if template else None
    fetch = _fetch(known)
    asked = prompt.read(
        *(words or (), attach or ()),
        use_stdin=not no_stdin,
        fetch=fetch,
        warn=known.say,
        needed=not interactive and (form is None or form.wants_input),
    )
    wish = asking.Wish(model, system, schema, tuple(option or ()), timeout)
    if form is not None:
        asked, wish = asking.filled(form, param or (), asked, wish)
    thread = asking.thread(known, cid, again=again)
    asking.begin(known, asked, wish, thread, shown, fetch)


def _fetch(known: Flags) -> Any:
    """Return what gets the bytes behind an address."""

    def fetch(url: str) -> bytes:
        from mini_llm.cli import download

        return download.get(url, known.environ)

    return fetch
