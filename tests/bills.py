"""Bills worked out by hand: what providers told of recorded answers, and what they publish as their prices.

A line of a bill is (tokens, US dollars a million tokens). The prices are those of 2026-11-10, at noon UTC; `nanos` is
the sum as a person wrote it down, in billionths of a dollar, a fraction rounded up.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Bill(NamedTuple):
    """One answer. `theirs` is what the price data set calls the provider, `recording` where the answer is from."""

    provider: str
    theirs: str
    model: str
    dialect: str
    recording: str
    told: dict[str, Any]
    lines: tuple[tuple[int, str], ...]
    nanos: int


BILLS = [
    Bill(  # 18 text $0.000054, 1,031 written for 5 minutes $0.00386625, 100 out $0.0015
        "anthropic",
        "anthropic",
        "claude-sonnet-4-20250514",
        "anthropic_messages",
        "anthropic/ddt-anthropic-completion-stream-cache-write-0-f024f3",
        {
            "usage": {
                "input_tokens": 18,
                "cache_creation_input_tokens": 1031,
                "cache_read_input_tokens": 0,
                "output_tokens": 100,
                "service_tier": "standard",
            }
        },
        ((18, "3"), (1031, "3.75"), (100, "15")),
        5_420_250,
    ),
    Bill(  # read and written at once
        "anthropic",
        "anthropic",
        "claude-sonnet-4-5",
        "anthropic_messages",
        "anthropic/pai-test-tool-search-test-anthropic-to-google-deferred-capability-hi-2-8ae492",
        {
            "usage": {
                "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 85},
                "cache_creation_input_tokens": 85,
                "cache_read_input_tokens": 1069,
                "inference_geo": "not_available",
                "input_tokens": 6,
                "output_tokens": 110,
                "service_tier": "standard",
            }
        },
        ((6, "3"), (1069, "0.30"), (85, "3.75"), (110, "15")),
        2_307_450,
    ),
    Bill(  # a tenth more than Anthropic itself, for staying in one region
        "bedrock",
        "aws",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "bedrock_converse",
        "bedrock/pai-test-bedrock-test-bedrock-cache-messages-with-image-as-last-cont-1-e4ee0d",
        {
            "usage": {
                "cacheDetails": [{"inputTokens": 297, "ttl": "5m"}],
                "cacheReadInputTokens": 2074,
                "cacheWriteInputTokens": 297,
                "inputTokens": 3,
                "outputTokens": 61,
                "totalTokens": 2435,
            }
        },
        ((3, "3.30"), (2074, "0.33"), (297, "4.125"), (61, "16.50")),
        2_925_945,
    ),
    Bill(  # 128 of the output are reasoning, which costs as output does
        "azure",
        "azure",
        "gpt-5-nano",
        "openai_responses",
        "azure/cht-test-provider-azure-test-azure-simple-request-0-8d6102",
        {
            "usage": {
                "input_tokens": 26,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": 135,
                "output_tokens_details": {"reasoning_tokens": 128},
                "total_tokens": 161,
            }
        },
        ((26, "0.05"), (135, "0.40")),
        55_300,
    ),
    Bill(
        "azure",
        "azure",
        "grok-4-1-fast-non-reasoning",
        "openai_chat",
        "azure/rbl-chat-function-calling-azure-grok-4-1-fast-non-reasoning-can-use-0-90dc75",
        {
            "usage": {
                "prompt_tokens": 205,
                "completion_tokens": 18,
                "total_tokens": 223,
                "prompt_tokens_details": {"text_tokens": 205, "cached_tokens": 159},
                "completion_tokens_details": {"reasoning_tokens": 0},
                "cost_in_usd_ticks": 0,
            }
        },
        ((46, "0.20"), (159, "0.05"), (18, "0.50")),
        26_150,
    ),
    Bill(
        "cerebras",
        "cerebras",
        "gpt-oss-120b",
        "openai_chat",
        "cerebras/pai-test-cerebras-test-cerebras-thinking-part-survives-multiturn-0-d8a103",
        {
            "usage": {
                "completion_tokens": 37,
                "completion_tokens_details": {"reasoning_tokens": 25},
                "prompt_tokens": 79,
                "total_tokens": 116,
            }
        },
        ((79, "0.35"), (37, "0.75")),
        55_400,
    ),
    Bill(
        "cloudflare",
        "cloudflare",
        "@cf/meta/llama-3.3-70b-instruct-fp8-fast",
        "openai_chat",
        "cloudflare/cht-test-provider-cloudflare-test-cloudflare-data-extraction-3-ad3ca4",
        {"usage": {"prompt_tokens": 199, "completion_tokens": 26, "total_tokens": 225}},
        ((199, "0.293"), (26, "2.253")),
        116_885,
    ),
    Bill(  # Cohere bills its own count; 6,337.5 billionths
        "cohere",
        "cohere",
        "command-r7b-12-2024",
        "cohere",
        "cohere/pai-test-tool-choice-matrix-test-tool-choice-matrix-tools-plus-outpu-0-3513d4",
        {
            "usage": {
                "billed_units": {"input_tokens": 81, "output_tokens": 22},
                "cached_tokens": 1024,
                "tokens": {"input_tokens": 1530, "output_tokens": 33},
            }
        },
        ((81, "0.0375"), (22, "0.15")),
        6_338,
    ),
    Bill(  # at noon UTC, between the hours that cost more
        "deepseek",
        "deepseek",
        "deepseek-v4-flash",
        "openai_responses",
        "deepseek/pai-test-deepseek-responses-test-deepseek-responses-function-tool-st-0-0774a1",
        {
            "usage": {
                "input_tokens": 366,
                "input_tokens_details": {"cached_tokens": 256},
                "output_tokens": 59,
                "output_tokens_details": {"reasoning_tokens": 14},
            }
        },
        ((110, "0.15"), (256, "0.003"), (59, "0.60")),
        52_668,
    ),
    Bill(  # sound costs more than text; thoughts stand beside the answer and cost as it does
        "gemini",
        "google",
        "gemini-2.5-flash",
        "gemini",
        "google/mir-test-call-with-audio-google-gemini-2-5-flash-0-509d9e",
        {
            "usageMetadata": {
                "promptTokenCount": 91,
                "candidatesTokenCount": 8,
                "totalTokenCount": 453,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 7},
                    {"modality": "AUDIO", "tokenCount": 84},
                ],
                "thoughtsTokenCount": 354,
            }
        },
        ((7, "0.30"), (84, "1"), (362, "2.50")),
        991_100,
    ),
    Bill(
        "vertex",
        "google",
        "gemini-2.5-pro",
        "gemini",
        "google-vertex/fan-vertex-gemini-2-5-pro-multi-tool-streaming-0-851277",
        {
            "usageMetadata": {
                "promptTokenCount": 57,
                "candidatesTokenCount": 10,
                "totalTokenCount": 136,
                "trafficType": "ON_DEMAND",
                "thoughtsTokenCount": 69,
            }
        },
        ((57, "1.25"), (79, "10")),
        861_250,
    ),
    Bill(
        "vertex-anthropic",
        "google",
        "claude-3-7-sonnet@20250219",
        "anthropic_messages",
        "google-vertex/fan-vertex-claude-3-7-sonnet-tool-0-a480be",
        {"usage": {"input_tokens": 394, "output_tokens": 68}},
        ((394, "3"), (68, "15")),
        2_202_000,
    ),
    Bill(
        "groq",
        "groq",
        "openai/gpt-oss-120b",
        "openai_chat",
        "groq/pai-test-groq-test-tool-use-failed-error-streaming-1-f23689",
        {
            "usage": {
                "prompt_tokens": 304,
                "completion_tokens": 49,
                "total_tokens": 353,
                "completion_tokens_details": {"reasoning_tokens": 23},
            }
        },
        ((304, "0.15"), (49, "0.60")),
        75_000,
    ),
    Bill(
        "mistral",
        "mistral",
        "mistral-small-latest",
        "openai_chat",
        "mistral/rbl-chat-mistral-hybrid-reasoning-replays-thinking-chunks-across-tur-0-dea4a8",
        {"usage": {"prompt_tokens": 31, "total_tokens": 97, "completion_tokens": 66, "service_tier": "standard"}},
        ((31, "0.15"), (66, "0.60")),
        44_250,
    ),
    Bill(
        "novita",
        "novita",
        "meta-llama/llama-3.1-8b-instruct",
        "openai_chat",
        "novita/hfh-testinferenceclient-test-chat-completion-with-stream-novita-conv-1-ba44c9",
        {"usage": {"prompt_tokens": 46, "completion_tokens": 20, "total_tokens": 66, "prompt_tokens_details": None}},
        ((46, "0.02"), (20, "0.05")),
        1_920,
    ),
    Bill(
        "openai",
        "openai",
        "gpt-5",
        "openai_responses",
        "openai/pai-test-temporal-test-web-search-agent-run-in-workflow-0-a40788",
        {
            "usage": {
                "input_tokens": 12594,
                "input_tokens_details": {"cached_tokens": 3200},
                "output_tokens": 1150,
                "output_tokens_details": {"reasoning_tokens": 1088},
                "total_tokens": 13744,
            }
        },
        ((9394, "1.25"), (3200, "0.125"), (1150, "10")),
        23_642_500,
    ),
    Bill(
        "together",
        "together",
        "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        "openai_chat",
        "together/opi-test-instrumentor-test-chat-with-tool-call-0-50e06d",
        {"usage": {"prompt_tokens": 198, "completion_tokens": 24, "total_tokens": 222, "cached_tokens": 0}},
        ((198, "0.88"), (24, "0.88")),
        195_360,
    ),
    Bill(  # xAI leaves the reasoning out of the output, and tells its own charge
        "xai",
        "x-ai",
        "grok-code-fast-1",
        "openai_chat",
        "xai/fan-xai-grok-code-fast-multi-tool-0-ec65ac",
        {
            "usage": {
                "prompt_tokens": 470,
                "completion_tokens": 68,
                "total_tokens": 723,
                "prompt_tokens_details": {"text_tokens": 470, "cached_tokens": 192},
                "completion_tokens_details": {"reasoning_tokens": 185},
                "cost_in_usd_ticks": 4389400,
            }
        },
        ((278, "0.20"), (192, "0.02"), (253, "1.50")),
        438_940,
    ),
    Bill(
        "zai",
        "zai",
        "glm-4.6v",
        "openai_chat",
        "zai/pai-test-zai-test-zai-vision-thinking-0-f6b8df",
        {
            "usage": {
                "completion_tokens": 73,
                "completion_tokens_details": {"reasoning_tokens": 56},
                "prompt_tokens": 435,
                "prompt_tokens_details": {"cached_tokens": 4},
                "total_tokens": 508,
            }
        },
        ((431, "0.30"), (4, "0.05"), (73, "0.90")),
        195_200,
    ),
]
