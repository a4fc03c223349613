"""What stops a backup or a restore from outside, in an operator's words."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from nats.errors import Error as NatsError

from parkstream.errors import OperatorError


@contextmanager
def in_plain_words(remedy: str) -> Iterator[None]:
    """Turn what PostgreSQL and NATS raise inside the block into an OperatorError with this remedy."""
    try:
        yield
    except (ConnectionError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError) as error:
        raise OperatorError(f"The connection to the database was lost: {error}.", remedy) from error
    except asyncpg.PostgresError as error:
        raise OperatorError(f"The database refused: {error}.", remedy) from error
    except (NatsError, TimeoutError) as error:
        raise OperatorError(f"NATS failed: {error or type(error).__name__}.", remedy) from error
