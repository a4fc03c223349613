"""`parkstream permissions`: who may do what, as NATS or Mosquitto read it, or as a table for people."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from parkstream.access_rules import mosquitto_acl, nats_users_file, permission_table

app = typer.Typer(add_completion=False)


class Kind(StrEnum):
    """For whom it is written."""

    NATS = "nats"
    MOSQUITTO = "mosquitto"
    TABLE = "table"


WRITE = {Kind.NATS: nats_users_file, Kind.MOSQUITTO: mosquitto_acl, Kind.TABLE: permission_table}


@app.command()
def permissions(
    kind: Annotated[Kind, typer.Argument(help="nats: users.conf; mosquitto: acl; table: Markdown.")] = Kind.TABLE,
) -> None:
    """Print who may do what: one user per service, with what it needs and nothing else."""
    sys.stdout.write(WRITE[kind]())
