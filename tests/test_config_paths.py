"""Where things live, and which addresses there are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm.config import Paths, origin_of
from mini_llm.errors import ConfigError

linux = pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="the platform's own folders differ")


@linux
def test_the_usual_places(tmp_path: Path) -> None:
    paths = Paths.find({"HOME": str(tmp_path)})
    assert paths.home == tmp_path / ".mini-llm"
    assert paths.config == tmp_path / ".mini-llm/config.json"
    assert paths.data == tmp_path / ".local/share/mini-llm"
    assert paths.cache == tmp_path / ".cache/mini-llm"
    assert paths.logs == tmp_path / ".local/state/mini-llm/log"


@linux
def test_they_are_the_folders_platformdirs_names(tmp_path: Path) -> None:
    code = (
        "import platformdirs as p; print(*(f('mini-llm') for f in (p.user_data_dir, p.user_cache_dir, p.user_log_dir)))"
    )
    environ = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "c")}
    told = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True).stdout
    paths = Paths.find(environ)
    assert told.split() == [str(paths.data), str(paths.cache), str(paths.logs)]


def test_one_variable_moves_everything(tmp_path: Path) -> None:
    paths = Paths.find({"MINI_LLM_HOME": str(tmp_path / "x"), "XDG_DATA_HOME": "/elsewhere"})
    assert (paths.home, paths.data, paths.cache, paths.logs) == tuple(
        tmp_path / "x" / n for n in (".", "data", "cache", "logs")
    )


def test_a_tilde_is_the_user_s_folder(tmp_path: Path) -> None:
    assert Paths.find({"HOME": str(tmp_path), "MINI_LLM_HOME": "~/llm"}).home == tmp_path / "llm"


def test_an_existing_xdg_folder_is_honoured(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    assert Paths.find(environ).home == tmp_path / ".mini-llm"
    (tmp_path / "xdg/mini-llm").mkdir(parents=True)
    assert Paths.find(environ).home == tmp_path / "xdg/mini-llm"


def test_another_config_file_leaves_the_home_where_it_is(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "MINI_LLM_CONFIG": str(tmp_path / "b.json")}
    assert Paths.find(environ).config == tmp_path / "b.json"
    assert Paths.find(environ, config=tmp_path / "c.json").config == tmp_path / "c.json"
    assert Paths.find(environ).home == tmp_path / ".mini-llm"


def test_a_profile_is_a_home_of_its_own(tmp_path: Path) -> None:
    for paths in (
        Paths.find({"HOME": str(tmp_path)}, profile="work"),
        Paths.find({"HOME": str(tmp_path), "MINI_LLM_PROFILE": "work"}),
    ):
        assert paths.home == tmp_path / ".mini-llm/profiles/work"
        assert paths.data.parts[-2:] == ("profiles", "work")


@pytest.mark.parametrize("name", ["..", "../x", "a/b", ".hidden", "a\nb", "x" * 65, "-x"])
def test_a_profile_s_name_leads_nowhere_else(name: str) -> None:
    with pytest.raises(ConfigError, match="can't name a profile"):
        Paths.find({}, profile=name)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com:443"),
        ("HTTPS://API.OpenAI.com:443", "https://api.openai.com:443"),
        ("http://localhost:8080/v1?x=1", "http://localhost:8080"),
        ("http://127.0.0.1", "http://127.0.0.1:80"),
        ("http://[::1]:1/", "http://[::1]:1"),
        ("http+unix://%2Ftmp%2Fa.sock/v1", "http+unix://%2Ftmp%2Fa.sock"),
        ("http+unix://%2ftmp%2fA.sock", "http+unix://%2Ftmp%2FA.sock"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: str) -> None:
    assert origin_of(url) == origin_of(origin) == origin


@pytest.mark.parametrize(
    "url",
    [
        *("", "api.openai.com", "//host", "ftp://host", "file:///etc", "javascript:alert(1)", "https:host", "-x"),
        *("https://", "https:///path", "http://user@host", "http://user:pass@host", "http://@host", "http://a@b@c"),
        *("http://host:0", "http://host:99999", "http://host:x", "http://ho st", "http://host\\@evil", "http://höst"),
        *("http://host\n.evil", "http://host\0", "http://host#@evil", "http://[::1", "http://[evil]", "http://[v1.x]"),
        *(
            "http://[fe80::1%25eth0]",
            "http://a..b",
            "http://-x",
            "http://${HOST}",
            "http+unix://tmp",
            "http+unix://a:1",
        ),
        *("http://host%2eevil", "http://1.2.3.4:80:90", "http://" + "a" * 300),
    ],
)
def test_what_two_readers_could_take_differently_is_no_address(url: str) -> None:
    with pytest.raises(ConfigError, match="is no address we can call"):
        origin_of(url)


@given(st.text(st.sampled_from("htps:/@.[]1ax?#\\ %"), max_size=24))
def test_the_host_of_an_origin_is_the_host_that_is_called(tail: str) -> None:
    url = "http://" + tail
    try:
        origin = origin_of(url)
    except ConfigError:
        return
    assert urlsplit(origin).hostname == urlsplit(url).hostname
    assert origin_of(origin) == origin
