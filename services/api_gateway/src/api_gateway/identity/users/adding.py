"""What stands against a user's e-mail, password or role, as the problem that the request gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api_gateway.http.problems import ProblemError
from api_gateway.identity.credentials import weakness
from api_gateway.identity.roles import Role, scopes_of
from parking_contracts.errors import ErrorCode

if TYPE_CHECKING:
    from api_gateway.identity.authentication import Caller


def require_strength(password: str, email: str, field: str) -> None:
    """Refuse a password that is no good.

    Raises:
        ProblemError: VALIDATION_ERROR.
    """
    problem = weakness(password, email)
    if problem is not None:
        errors = [{"field": field, "message": problem}]
        raise ProblemError(ErrorCode.VALIDATION_ERROR, f"{field}: {problem}", details={"errors": errors})


def email_taken(field: str = "body.email") -> ProblemError:
    """The e-mail has an account already; whose, and in which tenant, is not said."""
    return ProblemError(
        ErrorCode.DUPLICATE_RESOURCE, "this e-mail address has an account already", details={"field": field}
    )


def require_reach(caller: Caller, role: Role, known_scopes: dict[str, str]) -> None:
    """Nobody gives or takes a role above his own; a key's own is the highest whose scopes it has. The platform's admin
    with every scope reaches all: without him a new tenant would get no owner.

    Raises:
        ProblemError: AUTHORIZATION_ERROR.
    """
    if caller.platform_admin and "*" in caller.scopes:
        return
    if role is Role.OWNER:
        reaches = caller.role is Role.OWNER
    else:
        wanted = scopes_of(role, known_scopes)
        reaches = all(caller.may(scope) for scope in wanted) if "*" not in wanted else "*" in caller.scopes
    if not reaches:
        raise ProblemError(
            ErrorCode.AUTHORIZATION_ERROR,
            f"the role {role} is above the caller's own",
            details={"role": role, "own_role": caller.role},
        )
