"""What a name stands for: an alias's targets, one target, or every provider that has the model."""

from __future__ import annotations

from collections.abc import Iterator

from mini_llm.catalogue import Catalogue
from mini_llm.config import Config, Route
from mini_llm.errors import MiniLLMError, NoProviderError, UnknownModelError
from mini_llm.providers import WALLET, Registry
from mini_llm.routing.words import Target

DEEPEST_ALIAS = 8
LONGEST_NAME = 512
# Why the wallet is left out where the user's own keys are to answer, until the user has agreed to pay it for that.
UNASKED = "it may pay for your own providers once you allow it: mini-llm config set wallet.features.fallback true"


class Names:
    """Look names up in what the user set and what is known of models."""

    def __init__(self, config: Config, registry: Registry, catalogue: Catalogue) -> None:
        self._config = config
        self._registry = registry
        self._catalogue = catalogue

    def targets(self, name: str) -> list[Target]:
        """Return what *name* stands for, each once. Raises UnknownModelError, NoProviderError."""
        if len(name) > LONGEST_NAME or not name.isprintable():  # it goes into paths, headers, rows and terminals
            raise UnknownModelError("what was asked for cannot be the name of a model")
        return list(dict.fromkeys(self._resolve(name, 0, set())))

    def behind(self, targets: list[Target], route: Route | None) -> tuple[Target | None, str]:
        """Return the wallet's target behind *targets*, None if it has no place there, and what speaks against it."""
        wallet = self._config.wallet
        if (wallet is not None and wallet.fallback is False) or (route is not None and route.wallet == "never"):
            return None, ""
        if any(target.provider == WALLET for target in targets) or self._registry.wallet() is None:
            return None, ""
        agreed = wallet is not None and wallet.fallback
        return Target(WALLET, targets[0].model), "" if agreed else UNASKED

    def chosen(self, name: str, provider: str) -> bool:
        """Tell whether *name* itself stands for a target of *provider*, which was not put behind the others."""
        return any(target.provider == provider for target in self._resolve(name, 0, set()))

    def _resolve(self, name: str, depth: int, seen: set[str]) -> Iterator[Target]:
        """Yield what *name* stands for: an alias's targets, one target, or every provider that has the model.

        What was *seen* is not followed again: thirty aliases of thirty aliases, eight deep, would never end.
        """
        if name in seen:
            return
        seen.add(name)
        if not name:
            yield from self._defaults()
            return
        route = self._config.aliases.get(name)
        if route is not None and depth < DEEPEST_ALIAS:
            for step in route.targets:
                # A route may name a model as its provider does: `fast` → `groq/fast` is no circle.
                yield from self._resolve(step, depth + 1, seen) if step != name else self._plain(step)
            return
        yield from self._plain(name)

    def _plain(self, name: str) -> Iterator[Target]:
        provider, slash, model = name.partition("/")
        if slash and model and provider in self._registry.names():
            yield Target(provider, model)
            return
        found = list(self._holders(name))
        if not found and not self._wallet_has(name):
            raise self._unknown(name)
        yield from found or [Target(WALLET, name)]

    def _holders(self, model: str) -> Iterator[Target]:
        """Yield a target for every configured provider that has the bare *model*."""
        listed = set(self._catalogue.providers_of(model))
        for provider in self._registry.configured():
            if provider.name in listed or model in provider.models:
                yield Target(provider.name, model)

    def _wallet_has(self, model: str) -> bool:
        """Tell whether the wallet may be asked for *model*: it sells what the catalogue knows of anybody."""
        return self._registry.wallet() is not None and bool(self._catalogue.providers_of(model))

    def _defaults(self) -> Iterator[Target]:
        """Yield each configured provider's usual model: what answers when nobody chose."""
        found = False
        for provider in self._registry.configured():
            usual = provider.default or next(iter(provider.models), "")
            if usual:
                found = True
                yield Target(provider.name, usual)
        wallet = None if found else self._registry.wallet()
        if wallet is not None and wallet.default:
            found = True
            yield Target(WALLET, wallet.default)
        if not found and not self._registry.configured():
            raise NoProviderError
        if not found:
            raise UnknownModelError(
                "no model was named, and no default is set",
                hint="name one with `-m PROVIDER/MODEL`, or run `mini-llm config set default PROVIDER/MODEL`",
            )

    def _unknown(self, name: str) -> MiniLLMError:
        configured = self._registry.configured()
        elsewhere = self._catalogue.providers_of(name)
        if not configured and not elsewhere:
            return NoProviderError()
        if elsewhere:
            provider = self._registry.get(elsewhere[0])
            key = provider.key_env[0] if provider.key_env else ""
            way = f"set `{key}`, or run " if key else "run "
            return UnknownModelError(
                f"no configured provider has {name}",
                hint=f"{provider.name} has it: {way}`mini-llm providers add {provider.name} --key`",
                nearest=[f"{holder}/{name}" for holder in elsewhere],
            )
        vendor, slash, _ = name.partition("/")
        if slash and not self._catalogue.providers_of(name.rpartition("/")[2]):
            self._registry.get(vendor)  # tells that there is no such provider, and which names come near
        nearest = self._catalogue.nearest(name, self._known_names())
        near = f"nearest: {', '.join(nearest)}; " if nearest else ""
        return UnknownModelError(
            f"unknown model {name}",
            hint=f"{near}see `mini-llm models`, or add a provider with `mini-llm providers add NAME`",
            nearest=nearest,
        )

    def _known_names(self) -> list[str]:
        names = list(self._config.aliases)
        for provider in self._registry.configured():
            ids = [*provider.models, *(model.id for model in self._catalogue.models(provider.name))]
            names += [*ids, *(f"{provider.name}/{model}" for model in ids)]
        return names or [f"{provider}/" for provider in self._registry.names()]
