"""Help pages that read well in plain text, and examples to copy."""

from __future__ import annotations

from typing import Any


def examples(*lines: str) -> str:
    """Return the end of a help page: calls to copy, each with `mini-llm` before it unless it says so itself."""
    calls = (line if "mini-llm" in line else f"mini-llm {line}" for line in lines)
    return "\n".join(["Examples:", *(f"  {call}" for call in calls)])


class Page:
    """Mixed into commands: how their help is laid out."""

    epilog: str | None

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the call in one line, without the framework's braces."""
        pieces = super().collect_usage_pieces(ctx)  # type: ignore[misc]
        return [piece.replace("{", "").replace("}", "") for piece in pieces]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options, then what is below."""
        records: dict[str, list[tuple[str, str]]] = {"argument": [], "option": []}
        for param in self.get_params(ctx):  # type: ignore[attr-defined]
            record = param.get_help_record(ctx)
            if record is not None:
                records[param.param_type_name].append((record[0], _said(*record)))
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            if records[kind]:
                with formatter.section(title):
                    formatter.write_dl(records[kind])
        if hasattr(self, "format_commands"):
            self.format_commands(ctx, formatter)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples as they are."""
        if self.epilog:
            formatter.write(f"\n{self.epilog}\n")


def _said(name: str, text: str) -> str:
    return "Show this help" if "--help" in name else text.removesuffix("[required]").rstrip()
