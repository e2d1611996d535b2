"""Usage: psycopg3.py CONNECTION text|binary|pooled. The steps of the drivers with psycopg 3."""
import sys

import psycopg
from psycopg.types.json import Jsonb

from steps import Document, placeholders, show, steps


def describe(connection, sql):
    """The types of the parameters when the client names none."""
    connection.pgconn.prepare(b"described", sql.encode())
    result = connection.pgconn.describe_prepared(b"described")
    print("  parameters", *[result.param_type(i) for i in range(result.nparams)])
    connection.execute("DEALLOCATE described")


def columns(result):
    return [
        f"{result.fname(i).decode()}:{result.ftype(i)}:{result.fmod(i)}:{result.fsize(i)}:"
        f"{result.ftable(i) != 0}:{result.ftablecol(i)}"
        for i in range(result.nfields)
    ]


def adapt(value):
    if isinstance(value, list):
        return [adapt(element) for element in value]
    return Jsonb(value.value) if isinstance(value, Document) else value


def run(cursor, sql, values):
    try:
        cursor.execute(sql, [adapt(value) for value in values])
    except psycopg.Error as error:
        d = error.diag
        print(
            "  error",
            type(error).__name__,
            error.sqlstate,
            d.message_primary,
            d.message_detail,
            d.table_name,
            d.column_name,
            d.datatype_name,
            d.constraint_name,
            sep=" | ",
        )
        return
    print("  done", cursor.statusmessage)
    if cursor.description:
        print("  columns", *columns(cursor.pgresult))
        for row in cursor:
            print("  row", " | ".join(show(value) for value in row))


def copy(cursor, form):
    """COPY out and in again."""
    cursor.execute("CREATE TEMPORARY TABLE copied (LIKE item) ON COMMIT DROP")
    with cursor.copy(f"COPY (SELECT * FROM item ORDER BY id) TO STDOUT (FORMAT {form})") as source:
        data = b"".join(source)
    print("  copied", data)
    with cursor.copy(f"COPY copied FROM STDIN (FORMAT {form})") as target:
        target.write(data)
    run(cursor, "SELECT * FROM copied EXCEPT SELECT * FROM item", [])
    run(cursor, "SELECT count(*) FROM copied", [])


def main(conninfo, mode):
    binary = mode == "binary"
    connection = psycopg.connect(conninfo, autocommit=True)
    if mode == "pooled":
        connection.prepare_threshold = None
    cursor = connection.cursor(binary=binary)
    for name, sql, rows in steps():
        print(name)
        if mode != "pooled" and rows[0]:
            describe(connection, sql)
        for values in rows:
            run(cursor, placeholders(sql, "%b" if binary else "%t"), values)
        if name == "update: computed":
            print("copy")
            with connection.transaction():
                copy(cursor, "binary" if binary else "text")


main(*sys.argv[1:])
