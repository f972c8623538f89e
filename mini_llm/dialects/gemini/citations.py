"""Sources and log probabilities of an answer, between Google's form and the one that other dialects share.

Google counts places in bytes of UTF-8 within one part, the others in characters of the whole text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mini_llm.dialects import loose
from mini_llm.dialects.gemini.words import camel
from mini_llm.types import Json


def sources(candidate: Json, texts: Sequence[str]) -> tuple[Json, ...]:
    """Return the sources of *candidate*, whose text parts say *texts*."""
    grounding = camel(loose.object_of(candidate.get("groundingMetadata")))
    chunks = [_page(chunk) for chunk in loose.objects(grounding.get("groundingChunks"))]
    found: list[Json] = []
    for support in map(camel, loose.objects(grounding.get("groundingSupports"))):
        place = _place(camel(loose.object_of(support.get("segment"))), texts)
        indices = support.get("groundingChunkIndices")
        for index in indices if isinstance(indices, list) else ():
            if type(index) is int and 0 <= index < len(chunks) and chunks[index].get("uri"):
                found.append(_citation(chunks[index], place))
    cited = camel(loose.object_of(candidate.get("citationMetadata")))
    for source in map(camel, loose.objects(cited.get("citations") or cited.get("citationSources"))):
        if source.get("uri"):
            found.append(_citation(source, _place(source, texts)))
    return tuple(found)


def _page(chunk: Json) -> Json:
    """Return the page, file or place that a chunk comes from."""
    return next((camel(loose.object_of(inner)) for inner in chunk.values() if isinstance(inner, dict)), {})


def _citation(source: Json, place: tuple[int, int]) -> Json:
    said = {"url": loose.text(source.get("uri")), "title": loose.text(source.get("title"))}
    return {"type": "url_citation", "url_citation": {"start_index": place[0], "end_index": place[1], **said}}


def _place(segment: Json, texts: Sequence[str]) -> tuple[int, int]:
    """Return where a segment begins and ends, in characters of the whole text."""
    part = loose.count(segment.get("partIndex"))
    # Supports of a stream count through all of it, whatever parts it came in.
    text, before = (texts[part], sum(map(len, texts[:part]))) if 0 < part < len(texts) else ("".join(texts), 0)
    raw = text.encode("utf-8", "surrogatepass")
    edges = (loose.count(segment.get("startIndex")), loose.count(segment.get("endIndex")))
    start, end = (before + len(raw[:edge].decode("utf-8", "ignore")) for edge in edges)
    return start, max(start, end)


def grounding(citations: Iterable[Json], text: str) -> Json:
    """Return `groundingMetadata` for *citations* of *text*; empty if none of them has an address."""
    chunks: list[Json] = []
    supports: list[Json] = []
    for citation in citations:
        told = loose.object_of(citation.get("url_citation")) or citation
        if not (url := loose.text(told.get("url"))):
            continue
        chunk = {"web": {"uri": url, "title": loose.text(told.get("title"))}}
        if chunk not in chunks:
            chunks.append(chunk)
        start, end = loose.count(told.get("start_index")), loose.count(told.get("end_index")) or len(text)
        segment = {
            "startIndex": len(text[:start].encode("utf-8", "surrogatepass")),
            "endIndex": len(text[:end].encode("utf-8", "surrogatepass")),
            "text": text[start:end],
        }
        supports.append({"segment": segment, "groundingChunkIndices": [chunks.index(chunk)]})
    return {"groundingChunks": chunks, "groundingSupports": supports} if chunks else {}


def read_logprobs(raw: object) -> tuple[Json, ...]:
    """Return `logprobsResult` as a list of tokens, each with the others it might have been."""
    result = camel(loose.object_of(raw))
    tops = loose.objects(result.get("topCandidates"))
    chosen = loose.objects(result.get("chosenCandidates"))
    return tuple(
        {
            **_token(token),
            "top_logprobs": list(map(_token, loose.objects(tops[at].get("candidates")))) if at < len(tops) else [],
        }
        for at, token in enumerate(chosen)
    )


def _token(raw: Json) -> Json:
    told = camel(raw)
    token, value = loose.text(told.get("token")), told.get("logProbability")
    probability = float(value) if isinstance(value, (int, float)) else 0.0
    return {"token": token, "logprob": probability, "bytes": list(token.encode("utf-8", "surrogatepass"))}


def written_logprobs(tokens: Sequence[Json]) -> Json:
    """Return *tokens* as `logprobsResult`."""
    return {
        "chosenCandidates": list(map(_written_token, tokens)),
        "topCandidates": [
            {"candidates": list(map(_written_token, loose.objects(token.get("top_logprobs"))))} for token in tokens
        ],
    }


def _written_token(token: Json) -> Json:
    return {"token": loose.text(token.get("token")), "logProbability": token.get("logprob", 0.0)}
