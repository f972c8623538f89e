"""What `make try` does: a real answer, from a provider whose key is set, else from a small model on this machine."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import local_model
from pinned import Failure

PROMPT = "In one sentence, what is a router?"
MINI_LLM = os.path.relpath(Path(sys.executable).with_name("mini-llm"))
OTHER_WAYS = f"""\
Other ways to an answer:
  export OPENAI_API_KEY=sk-...    the key of any provider; then `make try` again
  ollama run llama3.2             a model of Ollama's; then {MINI_LLM} chat -m ollama/llama3.2 Hello"""
AFTERWARDS = f"""
That was SmolLM2: 135 million parameters, on this machine, no key, no account. Talk to it again:
  make model                      in one terminal, and in another
  {MINI_LLM} chat -m llamacpp/{local_model.MODEL} Hello
Or, with a provider's key (export OPENAI_API_KEY=sk-...), to any other:
  {MINI_LLM} chat Hello"""


def main() -> int:
    """Print an answer and the commands that got it; return the exit code of the last one."""
    if _can_answer():
        return _run("chat", PROMPT)
    print("No provider's key is set, so a small model on this machine answers.")
    if not local_model.installed():
        print("It takes about a minute, once; everything goes to", local_model.cache())
    try:
        return _ask_local_model()
    except Failure as failure:
        print(f"error: {failure}", *([f"hint: {failure.hint}"] if failure.hint else []), sep="\n", file=sys.stderr)
        print(f"\n{OTHER_WAYS}", file=sys.stderr)
        return 1


def _can_answer() -> bool:
    """Ask mini-llm where it would send the prompt; it ends with 4 where there is no key."""
    asked = subprocess.run(
        [MINI_LLM, "chat", "--dry-run", PROMPT], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if asked.returncode not in (0, 4):
        print(asked.stderr, end="", file=sys.stderr)
    return asked.returncode == 0


def _ask_local_model() -> int:
    """Serve the model for one question, with a configuration of its own: yours is not touched."""
    what = local_model.install()
    with (
        tempfile.TemporaryDirectory(prefix="mini-llm-") as home,
        local_model.serving(log=Path(home) / "server.log", what=what) as url,
    ):
        environ = {name: value for name, value in os.environ.items() if not name.startswith("MINI_LLM_")}
        environ["MINI_LLM_HOME"] = home
        print(f"\nThe model listens on {url}; MINI_LLM_HOME={home}")
        code = _run("providers", "add", "llamacpp", "--url", f"{url}/v1", environ=environ)
        code = code or _run("chat", "-m", f"llamacpp/{local_model.MODEL}", PROMPT, environ=environ)
    if not code:
        print(AFTERWARDS)
    return code


def _run(*arguments: str, environ: Mapping[str, str] | None = None) -> int:
    """Show a mini-llm command and run it; return its exit code."""
    print(f"\n$ {MINI_LLM} {shlex.join(arguments)}", flush=True)
    with subprocess.Popen([MINI_LLM, *arguments], stdin=subprocess.DEVNULL, env=environ) as running:
        while True:
            try:
                return running.wait()
            except KeyboardInterrupt:
                continue  # it got the Ctrl-C too, and ends in its own way


if __name__ == "__main__":
    local_model.stop_on_sigterm()
    sys.stdout.reconfigure(line_buffering=True)  # in a log, too, what is said stands before what it is about
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
