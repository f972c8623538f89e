"""Tests of `mini_llm/setup`; `corpus/` holds settings files as people have them, by tool."""
