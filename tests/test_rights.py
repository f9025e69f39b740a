"""The role that the product signs in as owns nothing, and has of each table what `app/rights.py` says."""

from typing import Any

import flask_migrate
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app import rights
from app.db import db
from app.services import verify
from tests.services.metered import NOON
from tests.services.tampering import owning, red
from tests.support.own import OwnDatabase

# Triggers keep the rows of these; each must be out of the runtime's reach as well.
GUARDED = text("""
    SELECT DISTINCT coalesce(parent.relname, c.relname) FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class parent ON parent.oid = i.inhparent
    WHERE p.proname = 'refuse_change'
""")
RIGHTS = text("""
    SELECT c.relname AS name, coalesce(parent.relname, c.relname) AS decides, privilege,
           has_table_privilege(c.oid, privilege) AS given
    FROM pg_class c
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class parent ON parent.oid = i.inhparent
    CROSS JOIN unnest(
        ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']
    ) privilege
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
""")
FORBIDDEN = (
    "UPDATE {} SET id = DEFAULT",
    "DELETE FROM {}",
    "TRUNCATE {} CASCADE",
    "ALTER TABLE {} ADD COLUMN more int",
    "ALTER TABLE {} DISABLE TRIGGER USER",
    "ALTER TABLE {} DISABLE TRIGGER ALL",
    "ALTER TABLE {} OWNER TO CURRENT_USER",
    "DROP TABLE {} CASCADE",
    "DROP TRIGGER refuse_change ON {}",
    "CREATE TRIGGER mine BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE RULE mine AS ON INSERT TO {} DO INSTEAD NOTHING",
    "CREATE INDEX mine ON {} (currency)",
)
ELSEWHERE = (
    "SET session_replication_role = replica",
    "CREATE TABLE mine (id int)",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "ALTER FUNCTION check_journal_balances() RENAME TO nothing",
    "CREATE ROLE mine",
    "CREATE DATABASE mine",
    "UPDATE alembic_version SET version_num = '0001'",
    "DELETE FROM event_keys",
)


@pytest.fixture(autouse=True)
def two_roles(session: Session) -> None:
    """Skip where DATABASE_URL names a server on which one role owns and runs."""
    if rights.could_rewrite(db.session.connection()):
        pytest.skip("The role of DATABASE_URL owns its tables, and OWNER_DATABASE_URL is not set.")


def test_each_table_has_its_line_and_no_line_is_left_over(session: Session) -> None:
    decided = {row.decides for row in session.execute(RIGHTS)}
    assert decided == set(rights.TABLES)


def test_the_role_has_of_each_table_and_partition_what_its_line_says(session: Session) -> None:
    wrong = [
        (row.name, row.privilege, row.given)
        for row in session.execute(RIGHTS)
        if row.given is not (row.privilege in rights.TABLES[row.decides].split(", "))
    ]
    assert wrong == []


def test_what_triggers_keep_the_role_cannot_delete_and_the_other_way_round(session: Session) -> None:
    guarded = set(session.scalars(GUARDED))
    added_to = {name for name, given in rights.TABLES.items() if given == rights.ADD}
    assert added_to <= guarded <= set(rights.kept())


@pytest.mark.parametrize("table", ["journals", "postings", "audit_records"])
@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_books_cannot_be_rewritten_by_the_role(session: Session, table: str, statement: str) -> None:
    with (
        pytest.raises(DBAPIError, match=r"permission denied|must be owner") as refused,
        session.begin_nested(),
    ):
        session.execute(text(statement.format(table)))
    assert isinstance(refused.value.orig, psycopg.errors.InsufficientPrivilege)


@pytest.mark.parametrize("statement", ELSEWHERE)
def test_the_role_cannot_change_what_guards_the_books(session: Session, statement: str) -> None:
    with pytest.raises(DBAPIError) as refused, session.begin_nested():
        session.execute(text(statement))
    assert isinstance(
        refused.value.orig, psycopg.errors.InsufficientPrivilege | psycopg.errors.ActiveSqlTransaction
    )


def test_a_key_of_an_event_may_be_locked_and_is_never_changed(session: Session) -> None:
    session.execute(text("SELECT FROM event_keys FOR UPDATE"))
    insert = "INSERT INTO event_keys VALUES (gen_random_uuid(), 'one', '', now())"
    session.execute(text(insert))
    with pytest.raises(DBAPIError, match="is append-only"), session.begin_nested():
        session.execute(text("UPDATE event_keys SET event_id = 'two'"))


def test_a_month_that_is_made_later_can_be_added_to_and_no_more(session: Session) -> None:
    made = session.scalar(text("SELECT ensure_usage_partition('2031-05-04Z')"))
    assert made == "usage_events_2031_05"
    given = {row.privilege for row in session.execute(RIGHTS) if row.name == made and row.given}
    assert given == {"SELECT", "INSERT"}


def test_a_table_of_a_later_migration_can_be_read_and_added_to_at_once(session: Session) -> None:
    with owning(session):
        session.execute(text("CREATE TABLE later (id bigint GENERATED ALWAYS AS IDENTITY, told text)"))
    given = {row.privilege for row in session.execute(RIGHTS) if row.name == "later" and row.given}
    assert given == {"SELECT", "INSERT"}
    assert session.scalar(text("INSERT INTO later (told) VALUES ('x') RETURNING id")) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("ensure_usage_partition(NULL)", "no month of usage"),
        ("ensure_usage_partition('infinity')", "no month of usage"),
        ("freeze_usage_partition('2026-13')", "no month"),
        ("freeze_usage_partition('2026-01; DROP TABLE wallets')", "no month"),
        ("detach_usage_partition('2026-01', 1)", "is not written"),
        ("detach_usage_partition(NULL, 1)", "no month"),
        ("drop_usage_partition('2026-01', 1)", "is not complete"),
        ("drop_usage_partition('2026-01', NULL)", "is not complete"),
    ],
)
def test_what_the_owner_does_for_the_role_is_checked(session: Session, call: str, message: str) -> None:
    with pytest.raises(DBAPIError, match=message), session.begin_nested():
        session.execute(text(f"SELECT {call}"))


def test_a_table_of_ones_own_does_not_deceive_what_runs_as_the_owner(session: Session) -> None:
    session.execute(text("CREATE TEMPORARY TABLE usage_events_2031_06 (id int)"))
    session.execute(text("SELECT ensure_usage_partition('2031-06-04Z')"))
    there = "SELECT to_regclass('public.usage_events_2031_06') IS NOT NULL"
    assert session.scalar(text(there)) is True


def test_a_role_that_owns_its_tables_is_told(session: Session) -> None:
    with owning(session):
        assert rights.could_rewrite(db.session.connection()) == dict.fromkeys(rights.kept(), True)
        report = verify.run(["roles"], at=NOON)
    assert red(report) == {}
    (roles,) = report.results
    assert roles.counted == {"tables": len(rights.kept()), "tables that the role owns": len(rights.kept())}


def test_a_right_that_the_role_should_not_have_is_found(session: Session) -> None:
    role = session.scalar(text("SELECT current_user"))
    assert red(verify.run(["roles"], at=NOON)) == {}
    with owning(session):
        session.execute(text(f"GRANT DELETE ON postings TO {role}"))
        session.execute(text(f"GRANT TRUNCATE ON journals TO {role}"))
    assert red(verify.run(["roles"], at=NOON)) == {"roles": ["journals", "postings"]}


def test_where_one_role_owns_and_works_nothing_is_given_or_taken(session: Session) -> None:
    granted = text("SELECT relname, relacl::text FROM pg_class WHERE relacl IS NOT NULL ORDER BY 1")
    before = session.execute(granted).all()
    with owning(session):
        rights.give(db.session.connection(), str(session.scalar(text("SELECT current_user"))))
    assert session.execute(granted).all() == before


def test_giving_the_rights_again_changes_nothing(own_database: OwnDatabase) -> None:
    def given(connection: Any) -> list[Any]:
        return sorted(
            connection.execute("SELECT relname, relacl::text FROM pg_class WHERE relacl IS NOT NULL")
        )

    with own_database.connect() as connection:
        before = given(connection)
    with own_database.app():
        flask_migrate.upgrade()
    with own_database.connect() as connection:
        assert given(connection) == before
