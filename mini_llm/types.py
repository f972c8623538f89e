"""The words every room shares: requests, answers, streams, usage, prices. Frozen, and without logic.

Each dialect decodes its wire format into these words and encodes them back; nothing here belongs to one provider.
They are named tuples: a frozen dataclass takes five times as long to make, and ten times as long to define at start-up.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

Json: TypeAlias = dict[str, Any]
Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "pause"]
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]

NOTHING: Mapping[str, Any] = MappingProxyType({})


class CacheMark(NamedTuple):
    """Everything up to here may be kept in the provider's prompt cache. `ttl` is "5m" or "1h"; "" is the default."""

    ttl: str = ""


class Text(NamedTuple):
    """Words. `citations` are kept in the shape of `dialect`, the wire they came from."""

    text: str
    cache: CacheMark | None = None
    citations: tuple[Json, ...] = ()


class Image(NamedTuple):
    """A picture: either `url`, or base64 `data` with its `media_type`. `detail` is "low", "high", "auto" or "".

    `name` is the caller's own; no wire has it.
    """

    url: str = ""
    data: str = ""
    media_type: str = ""
    detail: str = ""
    cache: CacheMark | None = None
    name: str = ""


class Document(NamedTuple):
    """A file to read (PDF or text): `url`, base64 `data`, or the provider's own `file_id`."""

    url: str = ""
    data: str = ""
    file_id: str = ""
    media_type: str = ""
    name: str = ""
    cache: CacheMark | None = None


class Audio(NamedTuple):
    """Sound: base64 `data`; `format` is "wav", "mp3" …; `id` names an earlier answer's. `name`: as a picture's."""

    data: str = ""
    format: str = ""
    id: str = ""
    transcript: str = ""
    name: str = ""


class ToolCall(NamedTuple):
    """The model asks for a tool. `arguments` is JSON text as the model wrote it, for `custom` tools free text."""

    id: str
    name: str
    arguments: str
    kind: Literal["function", "custom"] = "function"
    namespace: str = ""
    signature: str = ""
    cache: CacheMark | None = None


class ToolResult(NamedTuple):
    """What a tool gave back to the call `call_id`. Stands only in messages of role "tool"."""

    call_id: str
    parts: tuple[Part, ...]
    is_error: bool = False
    name: str = ""
    cache: CacheMark | None = None


class Reasoning(NamedTuple):
    """What the model thought. `signature`, `encrypted`, `redacted` are opaque: only `dialect` can read them.

    `via` is the dialect it was told in, where that is another: a Claude behind chat completions signs all the same.
    """

    text: str = ""
    summary: bool = False
    id: str = ""
    signature: str = ""
    encrypted: str = ""
    redacted: str = ""
    dialect: str = ""
    via: str = ""


class Refusal(NamedTuple):
    """The model's own words for declining."""

    text: str


class Opaque(NamedTuple):
    """A block only `dialect` understands (server tools, citations' sources …): kept where the wire is the same."""

    dialect: str
    raw: Json


Part: TypeAlias = Text | Image | Document | Audio | ToolCall | ToolResult | Reasoning | Refusal | Opaque


class Message(NamedTuple):
    """One turn. Tool results stand in messages of role "tool", nothing else does."""

    role: Role
    parts: tuple[Part, ...]
    name: str = ""


class Tool(NamedTuple):
    """A function the model may call. `parameters` is a JSON schema. `raw` holds a tool only `dialect` understands."""

    name: str
    description: str = ""
    parameters: Json | None = None
    strict: bool | None = None
    cache: CacheMark | None = None
    dialect: str = ""
    raw: Json | None = None


class ToolChoice(NamedTuple):
    """`mode` "tool" forces the tool called `name`; "required" forces any."""

    mode: Literal["auto", "none", "required", "tool"]
    name: str = ""


class ResponseFormat(NamedTuple):
    """The form of the answer: any JSON object, or JSON that fits `schema`."""

    kind: Literal["json_object", "json_schema"]
    schema: Json | None = None
    name: str = ""
    description: str = ""
    strict: bool | None = None


class Thinking(NamedTuple):
    """How much the model may think: an `effort`, or a `budget` in tokens; `enabled` False turns it off."""

    enabled: bool | None = None
    effort: Effort | None = None
    budget: int | None = None
    summary: str = ""


class ChatRequest(NamedTuple):
    """What a caller asks for, in no dialect.

    `extra` holds fields of the dialect it was decoded from that have no word here; an encoder of the same
    `dialect` writes them back, another raises TranslationError. `continues`: the last message is the beginning of
    the answer, which goes on from there.
    """

    model: str
    messages: tuple[Message, ...]
    stream: bool = False
    include_usage: bool = False
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    thinking: Thinking | None = None
    user: str = ""
    metadata: Mapping[str, Any] = NOTHING
    service_tier: str = ""
    dialect: str = ""
    extra: Mapping[str, Any] = NOTHING
    continues: bool = False


class Usage(NamedTuple):
    """Tokens, as one partition. `input_tokens` is the total: plain text plus every other input count below.

    `output_tokens` includes `reasoning_tokens` and `output_audio_tokens`. `raw` is what the provider sent.
    `cost_nanos` is set only where the provider itself says what it charged (billionths of a US dollar).
    `service_tier` is "" for the usual class of service, else the provider's word for it: "flex", "priority", "batch".
    `cache_read_audio_tokens` are part of `cache_read_tokens`. `web_searches` are calls of the provider's own search.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    reasoning_tokens: int = 0
    output_audio_tokens: int = 0
    cost_nanos: int | None = None
    estimated: bool = False
    raw: Mapping[str, Any] = NOTHING
    service_tier: str = ""
    cache_read_audio_tokens: int = 0
    web_searches: int = 0


class Choice(NamedTuple):
    """One of the answers. Most requests ask for one."""

    message: Message
    finish_reason: FinishReason | None = None
    stop_sequence: str = ""
    logprobs: tuple[Json, ...] = ()


class ChatResponse(NamedTuple):
    """A whole answer. `usage` is None where the provider sent none. `created` is a Unix time in seconds, 0 unknown."""

    id: str
    model: str
    choices: tuple[Choice, ...]
    usage: Usage | None = None
    created: int = 0
    service_tier: str = ""
    dialect: str = ""
    extra: Mapping[str, Any] = NOTHING


class ToolCallDelta(NamedTuple):
    """A piece of a tool call. `id` and `name` come with the first piece of each `index`; `arguments` is a fragment."""

    index: int  # type: ignore[assignment]  # the field's usual name; nobody asks a delta for tuple's `index()`
    id: str = ""
    name: str = ""
    arguments: str = ""
    kind: Literal["function", "custom"] = "function"
    namespace: str = ""
    signature: str = ""


class Delta(NamedTuple):
    """One step of a streamed answer. Most fields of most steps are empty.

    `part` is a whole block that came at once (an image, redacted or signed reasoning, a server tool's result).
    `signature` (only Anthropic's comes so) closes the reasoning that streamed before it. `block` is the index of
    the block on the wire, where the wire has one: another number is another block. `id`, `model` and `created`
    come with the first step.
    """

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_call: ToolCallDelta | None = None
    part: Part | None = None
    signature: str = ""
    finish_reason: FinishReason | None = None
    stop_sequence: str = ""
    usage: Usage | None = None
    id: str = ""
    model: str = ""
    created: int = 0
    choice: int = 0
    block: int | None = None
    summary: bool = False
    citations: tuple[Json, ...] = ()
    logprobs: tuple[Json, ...] = ()


class EmbedRequest(NamedTuple):
    """Texts to turn into vectors."""

    model: str
    inputs: tuple[str, ...]
    dimensions: int | None = None


class EmbedResponse(NamedTuple):
    """`vectors[i]` belongs to `inputs[i]`; all have the same length."""

    model: str
    vectors: tuple[tuple[float, ...], ...]
    usage: Usage | None = None


class Price(NamedTuple):
    """What a model costs: nano-dollars (billionths of a US dollar) per million tokens. None is unknown, never free.

    `tiers` are (input tokens from which it holds, the whole price then), smallest first. `services` are (class of
    service, the whole price there). `request` is nano-dollars a call, `web_search` a search. Without `input_image`
    pictures cost as text, without `cache_read_audio` cached sound as cached text.
    """

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    input_audio: int | None = None
    output_audio: int | None = None
    cache_read_audio: int | None = None
    request: int | None = None
    input_image: int | None = None
    web_search: int | None = None
    tiers: tuple[tuple[int, Price], ...] = ()
    services: tuple[tuple[str, Price], ...] = ()


class Model(NamedTuple):
    """What is known of one model at one provider. 0 is an unknown size. `snapshot` tells what the price is from."""

    provider: str
    id: str
    name: str = ""
    context_window: int = 0
    max_output: int = 0
    capabilities: frozenset[str] = frozenset()
    price: Price | None = None
    snapshot: str = ""
