"""What is loaded, and when: only what the user's own config names, only when needed, never from the working folder."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

import pytest

from mini_llm.plugins import finding
from tests.plugins.conftest import Place
from tests.plugins.package import install, write

# Leaves a line when it is imported.
MARKS = """
import os
with open(os.environ["MARK"], "a") as file:
    file.write(__name__ + "\\n")
"""
PLUGIN = (
    MARKS
    + 'from mini_llm.plugins import Plugin\nplugin = Plugin(command="acme_command:main", on_row="acme_rows:note")\n'
)
PARTS = {"acme_command.py": f"{MARKS}def main(args): print(*args)\n", "acme_rows.py": f"{MARKS}def note(row): ...\n"}


@pytest.fixture
def marked(place: Place) -> Place:
    """Return a place where acme is installed and switched on, and leaves a mark when it is imported."""
    install(place.site, "acme", PLUGIN, files=PARTS)
    place.environ["MARK"] = str(place.home / "mark")
    place.configure(plugins=["acme"])
    return place


def marks(place: Place) -> list[str]:
    file = place.home / "mark"
    return file.read_text().split() if file.exists() else []


@pytest.mark.parametrize("command", ["--version", "--help", "auth token", "completions bash", "config show"])
def test_what_needs_no_plugin_loads_none(command: str, marked: Place) -> None:
    assert marked.run(*command.split()).code == 0
    assert marks(marked) == []


def test_each_part_is_loaded_when_it_is_needed(marked: Place) -> None:
    assert marked.run("providers").code == 0
    assert marks(marked) == ["plugin_acme"]
    assert marked.run("acme", "a", "--b").out == "a --b\n"
    assert marks(marked)[1:] == ["plugin_acme", "acme_command"]


def test_what_is_installed_and_not_named_is_not_loaded(marked: Place) -> None:
    marked.configure()
    assert marked.run("providers").code == 0
    done = marked.run("acme")
    assert (done.code, marks(marked)) == (2, [])
    assert "no command called acme" in done.err


def test_a_project_file_switches_no_plugin_on(marked: Place) -> None:
    marked.configure()
    write(marked.work, {"mini-llm.config.json": '{"plugins": ["acme"]}'})
    done = marked.run("acme")
    assert "ignored plugins" in done.err
    assert "no command called acme" in done.err
    assert marked.run("config", "trust").code == 0
    done = marked.run("acme")
    assert done.code == 2
    assert "plugins can't be named in a project file" in done.err
    assert marks(marked) == []


def test_the_environment_switches_no_plugin_on(marked: Place) -> None:
    marked.configure()
    assert marked.run("acme", environ={"MINI_LLM_PLUGINS": "acme"}).code == 2
    assert marks(marked) == []


@pytest.mark.parametrize("path", ["", ".", "vendor", "{work}", "{work}/vendor", "{site}/../work"])
def test_a_package_in_the_working_folder_is_not_found(path: str, place: Place) -> None:
    """`python -m mini_llm` looks in the working folder first; PYTHONPATH may point there."""
    for folder in (place.work, place.work / "vendor"):
        install(folder, "acme", PLUGIN, files=PARTS)
    place.configure(plugins=["acme"])
    place.environ |= {"MARK": str(place.home / "mark")}
    place.environ["PYTHONPATH"] += f"{os.pathsep}{path.format(work=place.work, site=place.site)}"
    done = place.run("acme")
    assert done.code == 2
    assert "no package that is installed beside mini-llm offers it" in done.err
    assert marks(place) == []


@pytest.mark.parametrize("shadow", ["plugin_acme.py", "plugin_acme/__init__.py", "acme_command.py"])
def test_a_module_of_the_working_folder_does_not_take_a_plugins_place(shadow: str, marked: Place) -> None:
    write(marked.work, {shadow: f"{PLUGIN}\nraise SystemExit(99)\ndef main(args): ...\n"})
    done = marked.run("acme")
    assert done.code == 2
    assert "it lies in the working folder, where nothing is loaded from" in done.err
    assert marks(marked) == (["plugin_acme"] if shadow == "acme_command.py" else [])


def test_what_this_python_has_installed_may_lie_in_the_working_folder(tmp_path: Path) -> None:
    packages = sysconfig.get_path("purelib")
    folder = str(Path(packages).parents[3])
    assert not finding.is_strange(packages, folder)
    assert not finding.is_strange(f"{packages}/acme.py", folder)
    assert finding.is_strange(f"{folder}/acme.py", folder)
    assert finding.is_strange(f"{packages}/../../../../acme.py", folder)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")
def test_a_link_hides_nothing(tmp_path: Path) -> None:
    work, other = tmp_path / "work", tmp_path / "other"
    (work / "real").mkdir(parents=True)
    other.mkdir()
    os.symlink(work / "real", other / "link")
    os.symlink(other, work / "out")
    os.symlink(work, tmp_path / "cwd")
    assert finding.is_strange(str(other / "link"), str(work))
    assert finding.is_strange(str(work / "out"), str(work))
    assert finding.is_strange(str(work / "real"), str(tmp_path / "cwd"))
    assert not finding.is_strange(str(other), str(work))
    assert finding.search_path(["", ".", "real", str(work), str(other)], str(work)) == [str(other)]
