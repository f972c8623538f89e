"""Which variable of the environment is a provider's key: the gateway's own token, which `env` puts there, is none."""

from __future__ import annotations

import pytest

from mini_llm.config import ProviderSettings
from mini_llm.errors import CredentialError
from tests.test_providers import registry


def test_the_gateways_own_token_in_a_usual_variable_is_no_key_of_a_provider() -> None:
    shell = {"OPENAI_API_KEY": "ml-of-the-gateway", "GEMINI_API_KEY": "ml-of-the-gateway", "GOOGLE_API_KEY": "AIza"}
    known = registry(environ=shell)
    assert [one.name for one in known.configured()] == ["gemini"]
    assert known.key_reference(known.get("gemini")) == "${GOOGLE_API_KEY}"
    with pytest.raises(CredentialError, match="no key for openai: OPENAI_API_KEY holds a token of the gateway"):
        known.key_reference(known.get("openai"))


def test_a_token_of_another_gateway_is_sent_there_when_its_variable_was_named() -> None:
    known = registry({"far": ProviderSettings(base_url="https://far.example/v1", key_env="FAR")}, {"FAR": "ml-far"})
    assert known.key_reference(known.get("far")) == "${FAR}"
