"""A language model outside, asked for one small JSON object: Anthropic's Messages or any OpenAI-compatible chat address."""

from services.integrations.llm.client import LlmClient, Provider

__all__ = ["LlmClient", "Provider"]
