"""The AI router that just works."""
