"""A place for a ledger in PostgreSQL, of its own and gone afterwards."""

import getpass
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import psycopg
from psycopg import sql

_ANSWERS_WITHIN_S = 3


@contextmanager
def fresh_schema() -> Iterator[str]:
    """The URL of an empty schema. The server is that of the tests."""
    server = os.environ.get("SIMTANDEM_TEST_POSTGRES_URL") or _of_this_machine()
    name = f"bench_{secrets.token_hex(6)}"
    _do(server, "CREATE SCHEMA {}", name)
    try:
        yield f"{server}?options={quote(f'-csearch_path={name}')}"
    finally:
        _do(server, "DROP SCHEMA {} CASCADE", name)


def _of_this_machine() -> str:
    return f"postgresql+psycopg://{getpass.getuser()}@127.0.0.1:5432/postgres"


def _do(server: str, statement: str, schema: str) -> None:
    url = server.replace("+psycopg", "", 1)
    with psycopg.connect(url, autocommit=True, connect_timeout=_ANSWERS_WITHIN_S) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(schema)))
