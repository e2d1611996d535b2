"""Usage: sqlalchemy_orm.py URL create|run. Models, sessions and queries of SQLAlchemy 1.4 and 2."""
import datetime
import decimal
import sys
import uuid

from sqlalchemy import Boolean, Date, DateTime, Integer, Numeric, String, Text
from sqlalchemy import any_, create_engine, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, declarative_base
from sqlalchemy.schema import CheckConstraint, Column
from sqlalchemy.sql import cast

from steps import show

Base = declarative_base()
FIELDS = "id name note amount price day moment active ref doc".split()


class Item(Base):
    __tablename__ = "alchemist"
    id = Column(Integer, primary_key=True)
    name = Column(String(20), unique=True, nullable=False)
    note = Column(Text)
    amount = Column(Integer, CheckConstraint("amount >= 0"), index=True)
    price = Column(Numeric(10, 2), index=True)
    day = Column(Date)
    moment = Column(DateTime(timezone=True))
    active = Column(Boolean, server_default="true")
    ref = Column(UUID(as_uuid=True), unique=True)
    doc = Column(JSONB)


class Once(Base):
    """Each column has values once."""
    __tablename__ = "alchemist_once"
    id = Column(Integer, primary_key=True)
    name = Column(Text, unique=True)
    amount = Column(Integer, unique=True)
    price = Column(Numeric(10, 2), unique=True)
    day = Column(Date, unique=True)
    moment = Column(DateTime(timezone=True), unique=True)
    active = Column(Boolean, unique=True)
    ref = Column(UUID(as_uuid=True), unique=True)
    doc = Column(JSONB, unique=True)


# By columns: an equal value of each, and two to look for.
SOUGHT = {
    "name": ["Ada", "Bob"],
    "note": ["née Byron", "100%"],
    "amount": [7, 0],
    "price": [decimal.Decimal("12.5"), decimal.Decimal("0.25")],
    "day": [datetime.date(2024, 2, 29), datetime.date(1970, 1, 1)],
    "moment": [datetime.datetime(2024, 2, 29, 12, 30, 0, 123456, datetime.timezone.utc),
               datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)],
    "active": [True, False],
    "ref": [uuid.UUID("a0000000-0000-4000-8000-000000000001"), uuid.UUID("a0000000-0000-4000-8000-000000000002")],
    "doc": [{"a": [1, "x"]}, {}],
}
ONCE = [field for field in SOUGHT if field != "note"]


def print_items(items):
    for item in items:
        print("  row", " | ".join(show(getattr(item, field)) for field in FIELDS))


def attempt(name, engine, work):
    """One step: what it prints, or its error."""
    print(name)
    with Session(engine, future=True) as session:
        try:
            work(session)
            session.commit()
        except DBAPIError as error:
            d = error.orig.diag
            print("  error", type(error).__name__, error.orig.pgcode, d.message_primary, d.message_detail,
                  d.constraint_name)


def create(session):
    first = {field: values[0] for field, values in SOUGHT.items()}
    second = {field: values[1] for field, values in SOUGHT.items()}
    items = [Item(id=1, **first), Item(id=2, **second), Item(id=3, name="Cy", active=None), Item(id=4, name="Zoë")]
    session.add_all(items)
    session.flush()
    print_items(items)
    session.expire_all()
    print_items(items)


def filters(session):
    for field, values in SOUGHT.items():
        column = getattr(Item, field)
        for condition in [column == values[0], column.in_(values), column.not_in(values),
                          column == any_(cast(values, ARRAY(column.type)))]:
            print("  found", field, session.scalars(select(Item.id).where(condition).order_by(Item.id)).all())
    ids = select(Item.id).order_by(Item.id)
    print("  found", session.scalars(ids.where(or_(Item.name.like("A%"), Item.note.is_(None)))).all())
    print("  found", session.scalars(ids.where(Item.doc["a"][1].astext == "x", Item.active)).all())
    print("  found", session.scalars(ids.where(func.lower(Item.name) == "ada", Item.amount.between(1, 10))).all())


def upsert(session):
    for name in ["Ada", "Gus"]:
        row = insert(Item).values(id=30, name=name, amount=3, note="upserted")
        changes = {"amount": Item.amount + row.excluded.amount, "note": row.excluded.note}
        row = row.on_conflict_do_update(index_elements=[Item.name], set_=changes)
        print("  row", *map(show, session.execute(row.returning(Item.id, Item.name, Item.amount, Item.note)).one()))


def unique_each(session):
    for field in ONCE:
        session.add(Once(**{field: SOUGHT[field][0]}))
        session.flush()
        try:
            with session.begin_nested():
                session.add(Once(**{field: SOUGHT[field][0]}))
        except DBAPIError as error:
            d = error.orig.diag
            print("  error", field, type(error).__name__, error.orig.pgcode, d.message_detail, d.constraint_name)


def upsert_each(session):
    for field in ONCE:
        for value in SOUGHT[field]:
            row = insert(Once).values({field: value})
            row = row.on_conflict_do_update(index_elements=[field], set_={field: row.excluded[field]})
            print("  row", field, show(session.execute(row.returning(getattr(Once, field))).scalar_one()))


def sort(session):
    for field in SOUGHT:
        column = getattr(Item, field)
        print("  sorted", field, session.scalars(select(Item.id).order_by(column.desc().nulls_last(), Item.id)).all())


def paginate(session):
    print("  page", session.scalars(select(Item.name).order_by(Item.name).limit(2).offset(2)).all())
    for field in SOUGHT:
        page = select(Item.id).order_by(getattr(Item, field), Item.id).limit(2).offset(1)
        print("  page", field, session.scalars(page).all())
    page = select(Item.name).where(tuple_(Item.name, Item.id) > tuple_("Bob", 2)).order_by(Item.name, Item.id).limit(2)
    print("  page", session.scalars(page).all())
    total = select(func.count(), func.sum(Item.amount), func.max(Item.price), func.min(Item.day), Item.active)
    for row in session.execute(total.group_by(Item.active).order_by(Item.active)):
        print("  row", *map(show, row))


def update(session):
    item = session.scalars(select(Item).where(Item.name == "Ada").with_for_update()).one()
    item.amount, item.doc, item.moment, item.ref = 99, {"b": None}, None, uuid.UUID(int=7)
    item.price = Item.price * 2
    session.flush()
    print_items([item])
    print("  count", session.query(Item).filter(Item.amount == 0).update({"note": None, "amount": Item.amount + 5}))
    print_items(session.scalars(select(Item).order_by(Item.id)))
    for field in ONCE:
        value, same = SOUGHT[field][0], getattr(Once, field) == SOUGHT[field][0]
        print("  count", field, session.query(Once).filter(same).update({field: value}))


def delete(session):
    for field in ONCE:
        print("  count", field, session.query(Once).filter(getattr(Once, field) == SOUGHT[field][1]).delete())
    session.delete(session.scalars(select(Item).where(Item.ref == uuid.UUID(int=7))).one())
    session.flush()
    print("  count", session.query(Item).filter(Item.name.in_(["Bob", "none"])).delete())
    print("  left", session.scalars(select(Item.name).order_by(Item.name)).all())


def main(url, what):
    engine = create_engine(url, future=True)
    if what == "create":
        Base.metadata.create_all(engine)
        return
    attempt("empty", engine, lambda s: (s.query(Item).delete(), s.query(Once).delete()))
    attempt("create", engine, create)
    attempt("read", engine, lambda s: print_items([s.get(Item, 1), s.get(Item, 4)]))
    attempt("filter", engine, filters)
    attempt("unique", engine, lambda s: (s.add(Item(id=20, name="Ada")), s.flush()))
    attempt("unique: bulk", engine, lambda s: s.execute(insert(Item), [dict(id=20, name="Eve", ref=SOUGHT["ref"][0])]))
    attempt("check", engine, lambda s: (s.add(Item(id=20, name="Eve", amount=-1)), s.flush()))
    attempt("not null", engine, lambda s: (s.add(Item(id=20)), s.flush()))
    attempt("unique: each type", engine, unique_each)
    attempt("upsert", engine, upsert)
    attempt("upsert: each type", engine, upsert_each)
    attempt("sort", engine, sort)
    attempt("paginate", engine, paginate)
    attempt("update", engine, update)
    attempt("delete", engine, delete)


main(*sys.argv[1:])
