"""`parking_contracts.permissions` as servers read it: users of NATS, an access list of Mosquitto, and a table.

In: the users, and where each one's password comes from. Out: text. `config/nats/users.conf`, `config/mosquitto/acl` and
the table in docs/security.md are made by this (`parkstream permissions`), and so are the embedded servers' users.
"""

import dataclasses
from collections.abc import Callable, Iterable

from parking_contracts.permissions import CHIRPSTACK, EVENT_TOPICS, OPERATOR, SERVICES, USERS, User

GENERATED = "# Made by `parkstream permissions {kind}` from parking_contracts/permissions.py; do not change it here.\n"
NATS_USERS = tuple(user for user in USERS if user.publish or user.subscribe)
BROKER_USERS = tuple(user for user in USERS if user.mqtt_write or user.mqtt_read)
# Who talks to an embedded server, which speaks both.
EMBEDDED_USERS = tuple(
    # ChirpStack's double hears by MQTT what simulated sensors say, which reaches the real one by radio.
    dataclasses.replace(user, mqtt_read=(*user.mqtt_read, EVENT_TOPICS)) if user.name == CHIRPSTACK else user
    for user in USERS
    if user in SERVICES or user.name in (OPERATOR, CHIRPSTACK)
)
# Where NATS hands QoS 1 messages to an MQTT client; no client can name it.
MQTT_DELIVERIES = "$MQTT.sub.>"
NOTHING = '{ deny: [">"] }'


def password_variable(user: str) -> str:
    """The environment variable that gives a NATS server the password of a user."""
    return f"PARKSTREAM_NATS_{user.upper()}_PASSWORD"


def nats_users_file() -> str:
    """`config/nats/users.conf`: the users of a NATS server without MQTT, passwords from its environment."""
    entries = [nats_user(user, user.name, f"${password_variable(user.name)}") for user in NATS_USERS]
    return (
        GENERATED.format(kind="nats")
        + "# Each password comes from the server's environment, in quotes of its own; start.sh sees to it.\n\n"
        + f"authorization {{\n  users: [\n{''.join(entries)}  ]\n}}\n"
    )


def nats_user(user: User, name: str, password: str, *, with_mqtt: bool = False) -> str:
    """One entry of a `users` list; `with_mqtt`: topics count as subjects, as NATS's own MQTT listener has it."""
    publish, subscribe = _rules_of(user, with_mqtt=with_mqtt)
    return (
        f"    {{\n      user: {name}\n      password: {password}\n      permissions: {{\n"
        f"        publish: {publish}\n        subscribe: {subscribe}\n      }}\n    }}\n"
    )


def embedded_access(password_of: Callable[[str], str], accounts: Iterable[str] = ()) -> str:
    """The users of an embedded server; with `accounts`, all of them in each of these, called `<account>.<user>`.

    The operator is called as the account alone.
    """
    if not accounts:
        users = "".join(
            nats_user(user, user.name, f'"{password_of(user.name)}"', with_mqtt=True) for user in EMBEDDED_USERS
        )
        return f"authorization {{\n  users: [\n{users}  ]\n}}\n"
    rules = {user.name: _rules_of(user, with_mqtt=True) for user in EMBEDDED_USERS}
    lines = [f"may_{name}: {{ publish: {write}, subscribe: {read} }}" for name, (write, read) in rules.items()]
    lines.append("accounts {")
    for account in accounts:
        users = ", ".join(
            f'{{ user: "{account_user(account, name)}", password: "{password_of(name)}", permissions: $may_{name} }}'
            for name in rules
        )
        lines.append(f"  {account} {{ jetstream: enabled, users: [ {users} ] }}")
    return "\n".join((*lines, "}\n"))


def account_user(account: str, user: str) -> str:
    """What a user of one of several accounts is called: user names belong to the whole server."""
    return account if user == OPERATOR else f"{account}.{user}"


def mosquitto_acl() -> str:
    """`config/mosquitto/acl`."""
    lines = [GENERATED.format(kind="mosquitto"), "# The users and their passwords are made by start.sh.\n"]
    for user in BROKER_USERS:
        if user.name == OPERATOR:
            continue  # it has no business at a broker that belongs to ChirpStack
        lines.append(f"\n# {user.what}\nuser {user.name}\n")
        both = [topic for topic in user.mqtt_write if topic in user.mqtt_read]
        lines += [f"topic readwrite {topic}\n" for topic in both]
        lines += [f"topic write {topic}\n" for topic in user.mqtt_write if topic not in both]
        lines += [f"topic read {topic}\n" for topic in user.mqtt_read if topic not in both]
    return "".join(lines)


def permission_table() -> str:
    """Who may do what, as the Markdown of docs/security.md."""
    lines = ["| User | Publishes, or asks for | Hears | MQTT |\n", "|---|---|---|---|\n"]
    for user in USERS:
        mqtt = [*(f"writes `{topic}`" for topic in user.mqtt_write), *(f"reads `{topic}`" for topic in user.mqtt_read)]
        cells = (_code(user.publish), _code(user.subscribe), "<br>".join(mqtt))
        lines.append(f"| `{user.name}`: {user.what} | {' | '.join(cells)} |\n")
    return "".join(lines)


def _rules_of(user: User, *, with_mqtt: bool) -> tuple[str, str]:
    publish, subscribe = user.publish, user.subscribe
    if with_mqtt and ">" not in publish:
        publish += tuple(as_subject(topic) for topic in user.mqtt_write)
        subscribe += tuple(as_subject(topic) for topic in user.mqtt_read)
        subscribe += (MQTT_DELIVERIES,) if user.mqtt_read else ()
    return _allowed(publish), _allowed(subscribe)


def as_subject(topic: str) -> str:
    """What NATS makes of an MQTT topic filter."""
    return topic.replace("/", ".").replace("+", "*").replace("#", ">")


def _allowed(of: Iterable[str]) -> str:
    subjects = "".join(f'\n          "{subject}"' for subject in dict.fromkeys(of))
    # An empty list would allow everything.
    return f"{{ allow: [{subjects}\n        ] }}" if subjects else NOTHING


def _code(of: Iterable[str]) -> str:
    return "<br>".join(f"`{one}`" for one in of)
