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
    from mini_llm.cli import main

    return main(args)


def silence() -> None:
    """Point stdout at nothing, so that Python's last flush cannot fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    sys.exit(main())
