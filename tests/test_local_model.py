"""The real model that `make try` and other tests stand on."""

import json
import socket
import time
import urllib.request
from urllib.parse import urlsplit

from tests.conftest import LocalModel


def test_it_answers_in_words(local_model: LocalModel) -> None:
    body = {"messages": [{"role": "user", "content": "In one sentence, what is a router?"}], "max_tokens": 20}
    with urllib.request.urlopen(f"{local_model.url}/v1/chat/completions", json.dumps(body).encode()) as answer:
        told = json.load(answer)
    assert "router" in told["choices"][0]["message"]["content"]


def test_it_stops_when_the_caller_goes_away(local_model: LocalModel) -> None:
    before = local_model.cancelled
    body = json.dumps({"prompt": "Once upon a time", "stream": True, "max_tokens": 4000}).encode()
    address = urlsplit(local_model.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        head = f"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        assert connection.recv(1)
    deadline = time.monotonic() + 10
    while local_model.cancelled == before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert local_model.cancelled == before + 1
