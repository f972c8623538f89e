"""Who acts in a team: a member with a role, or the operator of the server."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from mini_llm.team.rights import Allowance, Rights

Role = Literal["owner", "admin", "member"]

RANK: dict[str, int] = {"member": 0, "admin": 1, "owner": 2}


class Member(NamedTuple):
    """An account in a team. `models` None: all of the team's; `budget` None: only the team's."""

    id: str
    account: str
    team: str
    email: str
    name: str
    role: Role
    models: tuple[str, ...] | None
    budget: Allowance | None
    created_at: float
    team_name: str

    @property
    def is_admin(self) -> bool:
        """Tell whether this member manages the team."""
        return self.role != "member"

    @property
    def ceiling(self) -> Rights:
        """Return the most that a key of this member may do."""
        return Rights(models=self.models, budget=self.budget)


class Operator(NamedTuple):
    """Who works on the server's own machine: the command line. Stands for an owner of *team*."""

    team: str
    id: str = "operator"
    role: Role = "owner"
    is_admin: bool = True
    ceiling: Rights = Rights()


Actor: TypeAlias = Member | Operator
