"""Usage: psycopg2_driver.py CONNECTION. The steps of the drivers with psycopg 2."""
import sys

import psycopg2
import psycopg2.extras

from steps import Document, placeholders, show, steps


class ElementOfArray(psycopg2.extras.Json):
    """The driver writes a constructor of an array into the statement, whose elements must tell its type."""

    def getquoted(self):
        return super().getquoted() + b"::jsonb"


def adapt(value):
    if isinstance(value, list):
        return [ElementOfArray(v.value) if isinstance(v, Document) else v for v in value]
    return psycopg2.extras.Json(value.value) if isinstance(value, Document) else value


def run(cursor, sql, values):
    try:
        cursor.execute(sql, [adapt(value) for value in values])
    except psycopg2.Error as error:
        d = error.diag
        print("  error", type(error).__name__, error.pgcode, d.message_primary, d.message_detail, d.table_name,
              d.column_name, d.datatype_name, d.constraint_name, sep=" | ")
        return
    print("  done", cursor.statusmessage)
    if cursor.description:
        for c in cursor.description:
            print("  column", c.name, c.type_code, c.internal_size, c.precision, c.scale,
                  c.table_oid is not None, c.table_column)
        for row in cursor.fetchall():
            print("  row", " | ".join(show(value) for value in row))


def main(conninfo):
    psycopg2.extras.register_uuid()
    connection = psycopg2.connect(conninfo)
    connection.autocommit = True
    cursor = connection.cursor()
    for name, sql, rows in steps():
        print(name)
        for values in rows:
            # the driver writes the values into the statement, so an array of texts says that it is one
            run(cursor, placeholders(sql, "%s"), values)


main(*sys.argv[1:])
