"""Write the turns of a conversation as `contents`."""

from __future__ import annotations

from collections.abc import Iterator

from mini_llm.dialects import calls
from mini_llm.dialects.gemini.files import written_file
from mini_llm.dialects.gemini.signatures import sign, signed
from mini_llm.dialects.gemini.words import CANNOT, NAME, version
from mini_llm.dialects.turns import reminder
from mini_llm.types import (
    Audio,
    ChatRequest,
    Document,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)

_SYSTEM = ("system", "developer")
_EMPTY: Json = {"text": ""}


def written_turns(request: ChatRequest) -> Json:
    """Return `contents`, and `systemInstruction` if there is one."""
    leading = next((at for at, turn in enumerate(request.messages) if turn.role not in _SYSTEM), len(request.messages))
    system = list(_system(request.messages[:leading]))
    contents = _contents(request, leading)
    body: Json = {"contents": contents or [{"role": "user", "parts": [_EMPTY]}]}
    return body | ({"systemInstruction": {"parts": system}} if system else {})


def _system(messages: tuple[Message, ...]) -> Iterator[Json]:
    for at, message in enumerate(messages):
        for part in message.parts:
            if not isinstance(part, Text):
                raise CANNOT.error(f"messages[{at}]", "a system prompt is text")
            if part.text:
                yield {"text": part.text}


def _contents(request: ChatRequest, first: int) -> list[Json]:
    """Return the turns. What a model said in one go is one turn, and so are the results of its calls."""
    writer = _Writer(request)
    contents: list[Json] = []
    before = ""
    for at, message in enumerate(request.messages[first:], first):
        parts = list(writer.parts(message, f"messages[{at}]"))
        if not parts and message.role in ("user", *_SYSTEM) and message.parts:
            parts = [_EMPTY]
        if not parts:
            continue
        if message.role == before and before in ("assistant", "tool"):
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": "model" if message.role == "assistant" else "user", "parts": parts})
        before = message.role
    if request.model and version(request.model) >= (3, 0):
        for content in contents:
            sign(content["parts"])
    return contents


class _Writer:
    """Writes parts, and knows the names of the calls that were made."""

    def __init__(self, request: ChatRequest) -> None:
        self._model = request.model
        self._ours = request.dialect == NAME
        self._names: dict[str, str] = {}

    def parts(self, message: Message, path: str) -> Iterator[Json]:
        """Return the parts of *message*, which stands at *path*."""
        return signed(message.parts, lambda at, part: self._part(part, message, f"{path}.content[{at}]"))

    def _part(self, part: Part, message: Message, path: str) -> Json | None:
        """Return *part* as it is said here; None for what need not be said."""
        match part:
            case Text(text=text):
                if text and message.role in _SYSTEM:
                    return {"text": reminder(text)}
                return {"text": text} if text else None
            case Refusal(text=text):
                return {"text": text} if text else None
            case Image() | Document() | Audio():
                return written_file(part, path, model=self._model, ours=self._ours)
            case ToolCall():
                return self._call(part, path)
            case ToolResult():
                return self._result(part, path)
            case Reasoning():
                return _thought(part, ours=self._ours)
            case Opaque(dialect="gemini", raw=raw):
                return dict(raw["part"]) if "part" in raw else None
        if message.role == "assistant":
            return None  # what another provider added to its own answer
        raise CANNOT.error(path, f"only {part.dialect} understands a {part.raw.get('type', 'block')}")

    def _call(self, call: ToolCall, path: str) -> Json:
        if call.kind == "custom":
            raise CANNOT.error(path, "a call of a free-text tool")
        self._names[call.id] = call.name
        identity = {"id": call.id} if call.id else {}
        written: Json = {"functionCall": {**identity, "name": call.name, "args": calls.object_of(call.arguments)}}
        return written | ({"thoughtSignature": call.signature} if call.signature else {})

    def _result(self, result: ToolResult, path: str) -> Json:
        name = result.name or self._names.get(result.call_id, "")
        if not name:
            raise CANNOT.error(path, f"no call before it has the id {result.call_id!r}, and a result needs its name")
        texts = [part.text for part in result.parts if isinstance(part, Text)]
        media = [part for part in result.parts if isinstance(part, (Image, Document))]
        if len(texts) + len(media) < len(result.parts):
            raise CANNOT.error(path, "a result is text, pictures and documents")
        if media and version(self._model) < (3, 0):
            raise CANNOT.error(path, "a result is text before Gemini 3; send the picture or file in a user message")
        identity = {"id": result.call_id} if result.call_id else {}
        response = _response("\n\n".join(texts), failed=result.is_error)
        written: Json = {**identity, "name": name, "response": response}
        if media:
            written["parts"] = [written_file(part, path, model=self._model, ours=self._ours) for part in media]
        return {"functionResponse": written}


def _response(text: str, *, failed: bool) -> Json:
    """Return the words of a result: JSON objects as they are, anything else under the name Google gives it."""
    if failed:
        return {"error": text}
    response = calls.object_of(text) if text.lstrip()[:1] == "{" else {}
    return response if response and calls.malformed(response) is None else {"output": text}


def _thought(part: Reasoning, *, ours: bool) -> Json | None:
    """Return a thought. What others thought is not told: no Gemini has signed it."""
    if not part.text or not (part.dialect == NAME or (ours and not part.dialect)):
        return None
    return {"text": part.text, "thought": True} | ({"thoughtSignature": part.signature} if part.signature else {})
