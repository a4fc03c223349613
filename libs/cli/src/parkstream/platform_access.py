"""How the commands that drive a running platform reach it, and what they say when they cannot.

In: `Connections`. Out: a tenant, a command client, and `OperatorError`s with a remedy for everything that is away.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from uuid import UUID

import asyncpg
from nats.errors import Error as NatsError

from parking_chassis.settings import MqttSettings
from parking_simulator.commands import CommandClient, CommandRefusedError, NobodyAnswersError
from parking_simulator.publisher import Broker, BrokerRefusedError
from parkstream import queries
from parkstream.errors import OperatorError
from parkstream.migrate import connect as connect_database
from parkstream.settings import Connections
from parkstream.streams import connect as connect_nats

IS_IT_RUNNING = "Is `parkstream up` running? `parkstream doctor` says what is wrong."


@contextmanager
def plain_words() -> Iterator[None]:
    """Turn what the platform's absence or refusal raises into an OperatorError."""
    try:
        yield
    except BrokerRefusedError as error:
        raise OperatorError(f"The MQTT broker cannot be reached: {error}.", IS_IT_RUNNING) from error
    except NobodyAnswersError as error:
        raise OperatorError(f"The platform does not answer: {error}.", IS_IT_RUNNING) from error
    except CommandRefusedError as error:
        raise OperatorError(f"The platform refused {error}.") from error
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError) as error:
        raise OperatorError(f"The database is not migrated: {error}.", "Run `parkstream migrate`.") from error
    except (asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, ConnectionError) as error:
        raise OperatorError(f"The connection to the database was lost: {error}.", IS_IT_RUNNING) from error
    except NatsError as error:
        raise OperatorError(f"NATS failed: {error}.", IS_IT_RUNNING) from error


def broker_of(found: Connections) -> Broker:
    """The MQTT broker to publish to; password and TLS files come from the environment, as the services have them."""
    try:
        settings = MqttSettings(mqtt_url=found.mqtt_url)
        tls = settings.mqtt_tls()
    except ValueError as error:
        raise OperatorError(f"PARKSTREAM_MQTT_URL is not usable: {error}.") from error
    user, password = settings.mqtt_login
    return Broker(host=settings.mqtt_host, port=settings.mqtt_port, username=user, password=password, tls=tls)


async def find_tenant(found: Connections, wanted: str | None) -> UUID:
    """The tenant with this id or name or, when none is named, the only one."""
    connection = await connect_database(found.database_url)
    try:
        with plain_words():
            known = await queries.tenants(connection)
    finally:
        await connection.close()
    if wanted is not None:
        matching = [tenant for tenant, name in known.items() if wanted in {str(tenant), name}]
    else:
        matching = list(known)
    if len(matching) == 1:
        return matching[0]
    if not known:
        raise OperatorError("There is no tenant yet.", "The gateway makes the first one when it starts: parkstream up")
    listed = ", ".join(f"{name} ({tenant})" for tenant, name in known.items())
    problem = f"No tenant is called {wanted}." if wanted and not matching else "There are several tenants."
    raise OperatorError(problem, f"Name one with --tenant: {listed}")


@asynccontextmanager
async def command_client(
    found: Connections, tenant_id: UUID, caller: str, *, timeout_seconds: float = 10.0
) -> AsyncIterator[CommandClient]:
    """A client for commands of one tenant; `caller` is this command's name."""
    nats = await connect_nats(found.nats_url)
    try:
        with plain_words():
            yield CommandClient(nats, tenant_id, caller=f"cli:{caller}", timeout_seconds=timeout_seconds)
    finally:
        await nats.close()
