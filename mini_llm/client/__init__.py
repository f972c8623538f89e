"""The SDK's entrance: AsyncClient, and Client, its thin synchronous face."""

from mini_llm.client.answers import Answer, AsyncStream
from mini_llm.client.asking import Options, Prompt
from mini_llm.client.asynchronous import AsyncClient
from mini_llm.client.synchronous import Client, Stream

__all__ = ["Answer", "AsyncClient", "AsyncStream", "Client", "Options", "Prompt", "Stream"]
