"""Usage: reflect.py URL TABLE. What SQLAlchemy's inspector, and so Alembic, takes a table's columns for."""
import sys
import warnings

from sqlalchemy import create_engine, inspect

warnings.simplefilter("ignore")
for column in inspect(create_engine(sys.argv[1])).get_columns(sys.argv[2]):
    print(column["name"], repr(column["type"]))
