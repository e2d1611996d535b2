"""Reads steps.txt for the programs of this folder, and prints what they see."""
import datetime
import decimal
import json
import os
import re
import uuid

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "steps.txt")


class Document:
    """A value for a jsonb column, told from a list that means an array."""

    def __init__(self, value):
        self.value = value


READERS = {
    "integer": int,
    "bigint": int,
    "text": str,
    "numeric": decimal.Decimal,
    "date": datetime.date.fromisoformat,
    "timestamptz": lambda text: datetime.datetime.fromisoformat(text.replace("Z", "+00:00")),
    "boolean": lambda text: text == "true",
    "uuid": uuid.UUID,
    "jsonb": lambda text: Document(json.loads(text)),
}


def native(kind, text):
    if text == "\\N":
        return None
    if kind.endswith("[]"):
        return [native(kind[:-2], element) for element in text.split(",")]
    return READERS[kind](text)


def steps():
    """Yields the name of each step, its SQL, and the lists of values that it runs with."""
    with open(FILE, encoding="utf-8") as file:
        blocks = file.read().split("\n\n")
    for block in blocks[1:]:
        lines = block.strip("\n").split("\n")
        sql = " ".join(line[1:] for line in lines if line.startswith("\t"))
        kinds = [line[2:].split(" ") for line in lines if line.startswith(": ")]
        rows = [line[2:].split(" | ") for line in lines if line.startswith("| ")]
        yield lines[0], sql, [[native(*pair) for pair in zip(kinds[0], row)] for row in rows] or [[]]


def placeholders(sql, mark):
    """The SQL with the driver's own mark for a parameter instead of $1 and so on."""
    return re.sub(r"\$\d+", mark, sql.replace("%", "%%"))


def show(value):
    return f"{type(value).__name__} {value!r}"
