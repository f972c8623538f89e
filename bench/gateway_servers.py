"""The servers that are compared: nginx before itself, ours, Portkey, LiteLLM; and nginx as the upstream of all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from gateway_processes import Served, free_port, running

ROOT = Path(__file__).parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mini-llm" / "bench"
PORTKEY = "@portkey-ai/gateway@1.15.2"
LITELLM_KEY = "sk-5d41402abc4b2a76b9719d911017c592"
LITELLM = "litellm[proxy]==1.106.2"
TEXT = "The sky is blue because air scatters short waves more than long ones. "
ANSWER = {
    "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
    "object": "chat.completion",
    "created": 1741569952,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": TEXT * 3, "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 19, "completion_tokens": 45, "total_tokens": 64},
    "system_fingerprint": "fp_44709d6fcb",
}
SIZE = 670
TOKEN = "ml-bench-0123456789abcdef0123456789abcdef"


def answer() -> str:
    """Return the upstream's whole answer: a chat completion of 670 bytes."""
    text = json.dumps(ANSWER, separators=(",", ":"))
    return text.replace(TEXT * 3, TEXT * 3 + "x" * (SIZE - len(text)))


class Ask(NamedTuple):
    """How one server is asked: where, with what headers, in which words."""

    port: int
    path: str
    headers: Mapping[str, str]
    body: bytes


def chat(port: int, model: str, text: str, *, stream: bool = False, headers: Mapping[str, str] | None = None) -> Ask:
    """Return a chat completion."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}
    return Ask(port, "/v1/chat/completions", headers or {}, json.dumps(body).encode())


def messages(port: int, model: str, text: str, *, stream: bool = False, headers: Mapping[str, str]) -> Ask:
    """Return the same as Anthropic's callers say it."""
    body = {"model": model, "max_tokens": 1000, "messages": [{"role": "user", "content": text}], "stream": stream}
    return Ask(port, "/v1/messages", {"anthropic-version": "2023-06-01", **headers}, json.dumps(body).encode())


_NGINX = """
daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log {folder}/{name}.log crit;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  {http}
}}
"""
_WHOLE = """
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{
    default_type application/json; return 200 '{answer}'; }} }}
"""
_PROXY = """
  upstream target {{ server 127.0.0.1:{upstream}; keepalive 2048; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{
    proxy_pass http://target; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }} }}
"""


@contextmanager
def nginx(folder: Path, name: str, http: str, port: int) -> Iterator[Served]:
    """Run nginx with one worker."""
    config = folder / f"{name}.conf"
    config.write_text(_NGINX.format(folder=folder, name=name, http=http))
    with running(["nginx", "-c", str(config), "-p", str(folder)], port, log=folder / f"{name}.out") as served:
        yield served


@contextmanager
def whole_upstream(folder: Path) -> Iterator[Served]:
    """Run the upstream that gives the same whole answer to all."""
    port = free_port()
    with nginx(folder, "upstream", _WHOLE.format(port=port, answer=answer()), port) as served:
        yield served


@contextmanager
def proxy(folder: Path, upstream: int) -> Iterator[Served]:
    """Run nginx as a proxy before *upstream*."""
    port = free_port()
    with nginx(folder, f"proxy-{port}", _PROXY.format(port=port, upstream=upstream), port) as served:
        yield served


@contextmanager
def paced_upstream(folder: Path) -> Iterator[Served]:
    """Run the upstream that streams."""
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name("gateway_upstream.py")), str(port)]
    with running(command, port, log=folder / "paced.log") as served:
        yield served


class Ours(NamedTuple):
    """Our gateway as it runs, and the token it wants."""

    served: Served
    token: str

    @property
    def headers(self) -> Mapping[str, str]:
        return {"authorization": f"Bearer {self.token}"}


@contextmanager
def ours(folder: Path, upstreams: Mapping[str, int], *, workers: int = 1) -> Iterator[Ours]:
    """Run `mini-llm start` with a provider for each of *upstreams*, in a home of its own."""
    home = folder / f"home-{free_port()}"
    environ = our_home(home, upstreams)
    port = free_port()
    command = start_command(port, workers)
    with running(command, port, log=folder / "ours.log", environ=environ) as served:
        yield Ours(served, TOKEN)


@contextmanager
def without_ledger(folder: Path, upstreams: Mapping[str, int]) -> Iterator[Ours]:
    """Run our gateway with a ledger that drops its rows."""
    environ = our_home(folder / f"home-{free_port()}", upstreams)
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name("gateway_without_ledger.py")), str(port)]
    with running(command, port, log=folder / "without.log", environ=environ) as served:
        yield Ours(served, TOKEN)


def our_home(home: Path, upstreams: Mapping[str, int]) -> Mapping[str, str]:
    """Make *home* with its settings; return the environment to run in."""
    home.mkdir(mode=0o700)
    providers = {
        name: {
            "baseUrl": f"http://127.0.0.1:{port}/v1",
            "dialect": "openai",
            "apiKey": "sk-0123456789",
            "models": ["m"],
        }
        for name, port in upstreams.items()
    }
    config = home / "config.json"
    config.write_text(json.dumps({"providers": providers, "wallet": {"type": "none"}}))
    token = home / "gateway.token"
    token.write_text(TOKEN)
    for path in (config, token):
        path.chmod(0o600)
    return {**os.environ, "MINI_LLM_HOME": str(home)}


def start_command(port: int, workers: int) -> list[str]:
    """Return how our gateway is started."""
    return [sys.executable, "-m", "mini_llm", "start", "--port", str(port), "--workers", str(workers)]


@contextmanager
def portkey(folder: Path) -> Iterator[Served]:
    """Run Portkey's gateway; installed on first use."""
    home = CACHE / "portkey"
    script = home / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    if not script.exists():
        home.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", PORTKEY], cwd=home, check=True)
    port = free_port()
    environ = {**os.environ, "NODE_ENV": "production"}
    command = ["node", str(script), f"--port={port}", "--headless"]
    with running(command, port, log=folder / "portkey.log", environ=environ) as served:
        yield served


@contextmanager
def litellm(folder: Path, upstream: int) -> Iterator[Served]:
    """Run LiteLLM's proxy before *upstream*; installed on first use."""
    home = CACHE / "litellm-proxy"
    program = home / "bin" / "litellm"
    if not program.exists():
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--python", sys.executable, str(home)], check=True)
        subprocess.run([uv, "pip", "install", "--python", str(home / "bin" / "python"), LITELLM], check=True)
    config = folder / "litellm.yaml"
    target = {"model": "openai/m", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "sk-0123456789"}
    config.write_text(json.dumps({"model_list": [{"model_name": "m", "litellm_params": target}]}))  # JSON is YAML
    port = free_port()
    settings = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MASTER_KEY": LITELLM_KEY}
    environ = {**os.environ, **settings}
    command = [str(program), "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    with running(command, port, log=folder / "litellm.log", environ=environ, patience=120) as served:
        yield served
