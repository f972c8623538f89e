"""The door of the `mini-llm` command: answers what needs no framework, hands the rest to `mini_llm.cli`.

Imports nothing but `sys` and `os` until it must: helpers and shell prompts call us often.
"""

import os
import sys


def main() -> int:
    """Run the command line of this process and return its exit code."""
    try:
        code = run(sys.argv[1:])
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader went away (`| head`): it has what it wanted
        silence()
        return 0
    except OSError as error:  # the disk behind stdout is full
        silence()
        sys.stderr.write(f"error: cannot write the output: {error.strerror or error}\n")
        return 1
    return code


def run(args: list[str]) -> int:
    if args == ["--version"]:
        from mini_llm._version import __version__

        sys.stdout.write(f"mini-llm {__version__}\n")
        return 0
    if args[:2] == ["auth", "token"] and (token := known_token(args[2:])):
        sys.stdout.write(f"{token}\n")
        return 0
    from mini_llm.cli import main

    return main(args)


def known_token(args: list[str]) -> str:
    """Return the gateway's token, or with `--for TOOL` that tool's; "" for whatever needs the whole command line.

    Coding agents call it before they ask, and wait.
    """
    if args and (len(args) != 2 or args[0] != "--for" or args[1].startswith("-")):
        return ""
    from mini_llm.config import Paths
    from mini_llm.errors import MiniLLMError
    from mini_llm.gateway.tokens import Tokens

    try:
        tokens = Tokens(Paths.find(os.environ).home)
        return tokens.create(args[1]) if args else tokens.main()
    except MiniLLMError:
        return ""


def silence() -> None:
    """Point stdout at nothing, so that Python's last flush cannot fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    sys.exit(main())
