"""What every driver does: play its scenes through an SDK against the gateway, and tell each as a line of JSON.

Runs in the SDK's own environment: standard library only, nothing of ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

TOOL = "get_weather"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CALLING = 'What is the weather? @tool get_weather {"city": "Paris"}'
SAYING_JSON = '@say {"city": "Paris", "degrees": 21}'


def play(scenes: Mapping[str, Callable[[], Any]]) -> None:
    """Play all *scenes*; what one raises is told too, as a caller would see it."""
    for name, scene in scenes.items():
        told: dict[str, Any] = {"scene": name}
        try:
            told["got"] = scene()
        except Exception as error:  # whatever the SDK raises is what a caller would see
            told["raised"] = [kind.__name__ for kind in type(error).__mro__]
            told["message"] = f"{error} {error.__cause__ or ''}"
            told["status"] = getattr(error, "status_code", None) or getattr(error, "code", None)
            told["request_id"] = getattr(error, "request_id", None) or ""
        print(json.dumps(told), flush=True)
