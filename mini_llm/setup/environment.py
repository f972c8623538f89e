"""The environment in which SDKs and most programs find the gateway, and how each shell is told of it."""

from __future__ import annotations

from collections.abc import Mapping

from mini_llm.setup.tool import Offer, Place, Start

SHELLS = ("bash", "zsh", "fish", "pwsh")
Environment = Mapping[str, str | None]


def openai(offer: Offer) -> dict[str, str | None]:
    """Return what OpenAI's SDKs read; OPENAI_API_BASE is LangChain's and aider's."""
    base = f"{offer.url}/v1"
    return {"OPENAI_BASE_URL": base, "OPENAI_API_BASE": base, "OPENAI_API_KEY": offer.token()}


def anthropic(offer: Offer) -> dict[str, str | None]:
    """Return what Anthropic's SDKs read. A second credential would be sent beside the first: there is none."""
    return {
        "ANTHROPIC_BASE_URL": offer.url,
        "ANTHROPIC_API_URL": offer.url,
        "ANTHROPIC_API_KEY": offer.token(),
        "ANTHROPIC_AUTH_TOKEN": None,
    }


def google(offer: Offer) -> dict[str, str | None]:
    """Return what Google's SDKs read; GOOGLE_API_KEY would win over the other name."""
    return {
        "GOOGLE_GEMINI_BASE_URL": offer.url,
        "GEMINI_API_KEY": offer.token(),
        "GOOGLE_API_KEY": None,
        "GOOGLE_GENAI_USE_VERTEXAI": None,
    }


def whole(offer: Offer) -> dict[str, str | None]:
    """Return it for every SDK."""
    return {**openai(offer), **anthropic(offer), **google(offer)}


def anything(offer: Offer, place: Place) -> Start:
    """Return how a program is started that we know nothing of."""
    return Start(whole(offer))


def over(environ: Mapping[str, str], ours: Environment) -> dict[str, str]:
    """Return *environ* with ours set, and taken out where it is None."""
    kept = {name: value for name, value in environ.items() if name not in ours}
    return {**kept, **{name: value for name, value in ours.items() if value is not None}}


def lines(ours: Environment, shell: str) -> str:
    """Return the lines that set it in a shell."""
    return "".join(f"{_line(name, value, shell)}\n" for name, value in ours.items())


def _line(name: str, value: str | None, shell: str) -> str:
    if shell == "fish":
        told = (value or "").replace("\\", "\\\\").replace("'", "\\'")
        return f"set -e {name}" if value is None else f"set -gx {name} '{told}'"
    if shell == "pwsh":
        told = (value or "").replace("'", "''")
        absent = f"Remove-Item Env:{name} -ErrorAction SilentlyContinue"
        return absent if value is None else f"$env:{name} = '{told}'"
    told = (value or "").replace("'", "'\\''")
    return f"unset {name}" if value is None else f"export {name}='{told}'"
