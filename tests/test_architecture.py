"""The house: who may import whom, each outside library's one door, and what nobody writes here.

Reads the source, imports nothing of it. A room is the first name under mini_llm: a module or a folder.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mini_llm"

# A room imports from the lines above it, and on its own line from what stands left of an arrow.
HOUSE = """
_version errors types -> sse peek attachments shape sqlite
config -> plugins -> credentials providers dialects catalogue
health pricing memory meter -> ledger routing -> history
transport -> signing -> upstream wallet
translation -> recovery -> dispatch -> runtime
client -> gateway -> team dashboard
desktop network local setup -> doctor -> cli
"""
ENTRANCES = ("__init__", "__main__")  # the names others see; they may import from any room

# Where each outside library comes in; its types do not leave that place.
DOORS = {
    "apsw": ("sqlite", "ledger/sqlite", "history/sqlite", "team/store"),
    "argon2": ("team/passwords",),
    "authlib": ("team/oidc",),
    "botocore": ("signing/aws",),
    "google": ("signing/google",),
    "httptools": ("transport", "gateway/connection"),  # llhttp, on both sides
    "httpx": ("catalogue", "doctor", "team/oidc"),
    "joserfc": ("team/oidc",),  # of authlib: its tokens
    "jinja2": ("team/pages",),
    "jsonschema": ("shape",),
    "keyring": ("credentials",),
    "opentelemetry": ("gateway/otel",),
    "orjson": ("",),  # JSON is everywhere
    "platformdirs": ("config",),
    "prompt_toolkit": ("cli/lines",),
    "referencing": ("shape",),
    "rich": ("cli",),
    "segno": ("cli/login_screen",),
    "tomlkit": ("setup",),
    "truststore": ("transport",),
    "typer": ("cli",),
    "yaml": ("setup/formats/yaml",),
    "tzdata": ("ledger/windows",),  # `zoneinfo` reads it where the system has no zones
    "uvloop": ("gateway/server",),
    "zstandard": ("gateway/inflating",),
}
IMPORTED_AS = {"pyyaml": "yaml"}  # packages that are called otherwise in the code

LONGEST_FILE = 400
LONGEST_FUNCTION = 50
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "core", "manager", "misc"}
UNSAFE_CALLS = {"eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load"}
UNSAFE_MODULES = {"pickle", "marshal", "shelve", "dill"}
SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|PRAGMA|ATTACH|WITH|REPLACE)\s", re.IGNORECASE)
PATCHING = {"monkeypatch.setattr", "monkeypatch.setitem", "monkeypatch.delattr", "mock.patch", "mocker.patch"}


def test_imports_point_one_way() -> None:
    allowed = _allowed()
    problems = []
    for path in _sources("mini_llm"):
        room = _room(path)
        for line, name in _imports(path):
            other = name.split(".")[1] if name.startswith("mini_llm.") else ""
            if other in (*ENTRANCES, "", room) or room in ENTRANCES:
                continue
            if other not in allowed.get(room, ()):
                problems.append(f"{_place(path, line)} imports {name}: `{room}` may not know `{other}`")
    assert not problems, _told(
        problems,
        "Imports point one way, see HOUSE in this file. Hand the thing in as an argument, or move it to the room that"
        " both may import from. A new room needs a place in HOUSE and a line in ARCHITECTURE.md.",
    )


def test_every_room_has_a_place_in_the_house() -> None:
    places = _allowed()
    problems = [
        f"mini_llm/{room}" for room in sorted({_room(path) for path in _sources("mini_llm")}) if room not in places
    ]
    assert not problems, _told(
        problems, "Put the room into HOUSE in this file: below what it needs, above who needs it."
    )


def test_each_outside_library_comes_in_by_its_own_door() -> None:
    problems = []
    for path in _sources("mini_llm"):
        inside = path.relative_to(PACKAGE).with_suffix("").as_posix()
        for line, name in _imports(path):
            library = name.partition(".")[0]
            if library in sys.stdlib_module_names or library == "mini_llm":
                continue
            if not any(f"{inside}/".startswith(f"{door}/" if door else "") for door in DOORS.get(library, ())):
                problems.append(f"{_place(path, line)} imports {library}")
    assert not problems, _told(
        problems,
        "Ask the room that is the library's door (DOORS in this file) and keep the library's types in there. A library"
        " that is new needs a reason in pyproject.toml and one door here.",
    )


def test_every_dependency_has_a_door() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.split(r"[<>=~!; \[]", line)[0] for line in project["dependencies"]]
    problems = [name for name in names if IMPORTED_AS.get(name, name) not in DOORS]
    assert not problems, _told(problems, "Give the dependency one door in DOORS, or take it out of pyproject.toml.")


def test_files_and_functions_stay_short() -> None:
    problems = []
    for path in _sources("mini_llm", "scripts", "bench", "tests"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LONGEST_FILE:
            problems.append(f"{_place(path)}: {lines} lines (at most {LONGEST_FILE})")
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    problems.append(
                        f"{_place(path, node.lineno)} {node.name}: {lines} lines (at most {LONGEST_FUNCTION})"
                    )
    assert not problems, _told(problems, "Find the noun that is missing and give it a function, or a file, of its own.")


def test_names_say_what_a_thing_is() -> None:
    problems = []
    for path in _sources("mini_llm", "scripts", "bench", "tests"):
        problems += [
            f"{_place(path)}: `{part}`"
            for part in path.relative_to(ROOT).with_suffix("").parts
            if EMPTY_NAMES.intersection(part.split("_"))
        ]
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.ClassDef) and node.name.lower().endswith(tuple(EMPTY_NAMES - {"base", "core"})):
                problems.append(f"{_place(path, node.lineno)}: `{node.name}`")
    assert not problems, _told(
        problems, "This name fits anything. If a function has no home, its noun is missing: find it."
    )


def test_nothing_runs_text_as_code_or_as_a_shell_command() -> None:
    problems = []
    for path in _sources("mini_llm", "scripts", "bench"):
        problems += [
            f"{_place(path, line)} imports {name}"
            for line, name in _imports(path)
            if name.partition(".")[0] in UNSAFE_MODULES
        ]
        for call in _calls(path):
            shell = any(key.arg == "shell" and not _is(key.value, False) for key in call.keywords)
            if shell or ast.unparse(call.func) in UNSAFE_CALLS:
                problems.append(f"{_place(path, call.lineno)}: {ast.unparse(call)[:80]}")
    assert not problems, _told(
        problems, "Use json for data and a list of arguments for a program: no text is ever run."
    )


def test_text_is_read_and_written_in_a_named_encoding() -> None:
    problems = []
    for path in _sources("mini_llm", "scripts"):
        for node in ast.walk(_tree(path)):
            if not isinstance(node, ast.Call) or any(word.arg in ("encoding", None) for word in node.keywords):
                continue
            called = ast.unparse(node.func)
            method = called.rpartition(".")[2]
            given = len(node.args) - (method == "write_text")
            mode = next((ast.unparse(word.value) for word in node.keywords if word.arg == "mode"), "")
            if called in ("open", "os.fdopen") and len(node.args) > 1:
                mode = ast.unparse(node.args[1])
            if (method in ("read_text", "write_text") and not given) or (
                called in ("open", "os.fdopen") and "b" not in mode
            ):
                problems.append(f"{_place(path, node.lineno)} {called}")
    assert not problems, _told(problems, "Name the encoding: Windows would take another than UTF-8.")


def test_sql_is_never_built_from_strings() -> None:
    problems = [
        f"{_place(path, node.lineno)}: {ast.unparse(node)[:80]}"
        for path in _sources("mini_llm")
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.expr) and SQL.match(_start_if_built(node))
    ]
    assert not problems, _told(problems, "Write the statement whole and pass the values as parameters: `WHERE id = ?`.")


def test_tests_patch_nothing() -> None:
    problems = []
    for path in _sources("tests"):
        problems += [
            f"{_place(path, line)} imports {name}" for line, name in _imports(path) if "mock" in name.split(".")
        ]
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in PATCHING:
                problems.append(f"{_place(path, node.lineno)}: {ast.unparse(node)}")
    assert not problems, _told(
        problems,
        "Hand the world in: clock, environment, paths and addresses are arguments. A provider in a test is a real"
        " server on a real socket (tests/upstream.py).",
    )


def _allowed() -> dict[str, set[str]]:
    """Return for every room of HOUSE the rooms it may import from."""
    allowed: dict[str, set[str]] = {}
    above: set[str] = set()
    for line in HOUSE.split("\n"):
        for group in line.split("->"):
            rooms = group.split()
            allowed |= {room: set(above) for room in rooms}
            above |= set(rooms)
    return allowed | {entrance: set(above) for entrance in ENTRANCES}


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def _sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each import with its line; `from mini_llm import sse` counts as `mini_llm.sse`."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names)


def _calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(_tree(path)) if isinstance(node, ast.Call))


def _is(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _start_if_built(node: ast.expr) -> str:
    """Return how *node* begins if it puts a string together while it runs, else ""."""
    match node:
        case ast.JoinedStr(values=[ast.Constant(value=str(start)), *rest]) if rest:
            return start
        case ast.BinOp(left=ast.Constant(value=str(start)), op=ast.Add() | ast.Mod()):
            return start
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(start)), attr="format")):
            return start
    return ""


def _place(path: Path, line: int = 0) -> str:
    return f"{path.relative_to(ROOT).as_posix()}{f':{line}' if line else ''}"


def _told(problems: Iterable[str], advice: str) -> str:
    return "\n" + "\n".join(f"  {problem}" for problem in problems) + f"\n{advice}"
