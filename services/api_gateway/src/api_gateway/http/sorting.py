"""The parameter `sort` of lists: `code,-updated_at`, out of a fixed list of columns, ties broken by the key.

    ORDER = sort_by(queries.SORT_COLUMNS, default="name", tie="id")      # once per list, beside its route
    order: Annotated[str, Depends(ORDER)]                                # "name, id", for the list's query

A client chooses among the listed names; what stands in the SQL is ours alone.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

from fastapi import Query
from pydantic import StringConstraints


def sort_by(columns: Sequence[str], *, default: str, tie: str) -> Callable[..., Awaitable[str]]:
    """A dependency that answers the ORDER BY of a list. Like all of ours it is async: FastAPI gives others a thread.

    Args:
        columns: What a client may sort by: columns of the list's query.
        default: The order without `sort`, written like it.
        tie: The column that makes the order total, so that no page shows an entry twice or not at all.
    """
    name = f"-?({'|'.join(columns)})"
    pattern = f"^{name}(,{name}){{0,{len(columns)}}}$"

    async def order(
        sort: Annotated[
            str,
            StringConstraints(pattern=pattern),
            Query(
                description=f"by which of {', '.join(f'`{one}`' for one in columns)}, several separated by commas, "
                "a minus before one for descending; empty values come last",
                examples=[default],
            ),
        ] = default,
    ) -> str:
        return order_by(columns, sort, tie)

    return order


def order_by(columns: Sequence[str], sort: str, tie: str) -> str:
    """`code,-updated_at` as SQL; a name given twice counts once."""
    directions: dict[str, str] = {}
    for one in sort.split(","):
        column = columns[columns.index(one.removeprefix("-"))]
        directions.setdefault(column, " DESC NULLS LAST" if one.startswith("-") else "")
    directions.setdefault(tie, "")
    return ", ".join(column + direction for column, direction in directions.items())
