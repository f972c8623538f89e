"""A user's folder with tools' settings in it, and what a gateway would have for those tools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mini_llm.gateway.tokens import Tokens
from mini_llm.setup import find, prepared
from mini_llm.setup.prepared import Prepared
from mini_llm.setup.tool import Offer, Place
from mini_llm.setup.writing import Edit
from mini_llm.types import Model

CORPUS = Path(__file__).parent / "corpus"
# Where each tool has its settings, on Linux and with nothing moved.
FILES = {
    "claude": ".claude/settings.json",
    "gemini": ".gemini/settings.json",
    "opencode": ".config/opencode/opencode.jsonc",
    "zed": ".config/zed/settings.json",
    "vscode": ".config/Code/User/chatLanguageModels.json",
    "codex": ".codex/mini-llm.config.toml",
    "aider": ".aider.conf.yml",
    "continue": ".continue/config.yaml",
    "llm": ".config/io.datasette.llm/extra-openai-models.yaml",
}
URL = "http://127.0.0.1:6464"
MODELS = (
    Model("openai", "smart", "smart", 400_000, 128_000, frozenset({"images"})),
    Model("lab", "lab/llama-70b"),
)


class Desk:
    """One user's folder."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "user"
        self.ours = folder / "mini"
        self.home.mkdir(parents=True)
        self.ours.mkdir(mode=0o700)
        self.place = Place({"HOME": str(self.home), "PATH": ""}, "linux")

    def file(self, tool: str) -> Path:
        """Return where a tool's settings are; the folder is made."""
        path = self.home / FILES[tool]
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def offer(self, tool: str, *, url: str = URL, models: Sequence[Model] = MODELS, model: str = "") -> Offer:
        """Return what a gateway would have for *tool*."""
        tokens = Tokens(self.ours)
        return Offer(
            url=url,
            model=model or models[0].id,
            small="",
            named=bool(model),
            models=lambda: models,
            native=lambda beginning: False,
            token_file=tokens.file(tool),
            helper=("/opt/mini-llm", "auth", "token", "--for", tool),
            folder=self.ours / "setup",
            token=lambda: tokens.create(tool),
        )

    def plan(self, tool: str, offer: Offer | None = None) -> Prepared:
        """Return what setting *tool* up would write."""
        return prepared.prepare(find(tool), offer or self.offer(tool), self.place, self.ours)

    def set_up(self, tool: str, offer: Offer | None = None) -> Prepared:
        """Set *tool* up."""
        plan = self.plan(tool, offer)
        prepared.commit(self.ours, plan)
        return plan

    def undo(self, tool: str) -> tuple[Edit, ...]:
        """Take that back."""
        found = prepared.undoing(self.ours, tool)
        assert found is not None
        prepared.undo(self.ours, *found)
        return found[1]
