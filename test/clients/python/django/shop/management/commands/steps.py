import datetime
import decimal
import json
import uuid

from django.core.management.base import BaseCommand
from django.db import Error, transaction
from django.db.models import Count, F, Max, Min, Q, Sum
from shop.models import Item, Once

FIELDS = "id name note amount price day moment active ref doc".split()
UTC = datetime.timezone.utc

# By fields: an equal value of each, and two to look for.
SOUGHT = {
    "name": ["Ada", "Bob"],
    "note": ["née Byron", "100%"],
    "amount": [7, 0],
    "price": [decimal.Decimal("12.5"), decimal.Decimal("0.25")],
    "day": [datetime.date(2024, 2, 29), datetime.date(1970, 1, 1)],
    "moment": [datetime.datetime(2024, 2, 29, 12, 30, 0, 123456, UTC), datetime.datetime(1970, 1, 1, tzinfo=UTC)],
    "active": [True, False],
    "ref": [uuid.UUID(int=1), uuid.UUID(int=2)],
    "doc": [{"a": [1, "x"]}, {}],
}
ONCE = [field for field in SOUGHT if field != "note"]


def ids(items):
    return list(items.order_by("id").values_list("id", flat=True))


class Command(BaseCommand):
    help = "The steps of the clients, with Django's models and queries."

    def say(self, *words):
        self.stdout.write(" ".join(map(str, words)))

    def show(self, items):
        for item in items:
            self.say("  row", " | ".join(f"{type(v).__name__} {v!r}" for v in (getattr(item, f) for f in FIELDS)))

    def handle(self, **options):
        Item.objects.all().delete()
        Once.objects.all().delete()
        for step in [self.create, self.read, self.filter, self.unique, self.check, self.not_null,
                     self.unique_each, self.upsert, self.upsert_each,
                     self.sort, self.paginate, self.update, self.delete]:
            self.say(step.__name__)
            try:
                with transaction.atomic():
                    step()
            except Error as error:
                d = error.__cause__.diag
                self.say("  error", type(error).__name__, d.sqlstate, d.message_primary, d.message_detail,
                         d.constraint_name)

    def create(self):
        first, second = ({field: values[i] for field, values in SOUGHT.items()} for i in (0, 1))
        items = [Item.objects.create(id=1, **first), Item.objects.create(id=2, **second)]
        items += Item.objects.bulk_create([Item(id=3, name="Cy", ref=None, amount=3),
                                           Item(id=4, name="Zoë", ref=None, amount=3)])
        self.show(items)

    def read(self):
        self.show([Item.objects.get(pk=1), Item.objects.get(pk=4)])
        self.show(Item.objects.raw("SELECT * FROM shop_item WHERE name = %s", ["Bob"]))

    def filter(self):
        for field, values in SOUGHT.items():
            self.say("  found", field, ids(Item.objects.filter(**{field: values[0]})),
                     ids(Item.objects.filter(**{field + "__in": values})),
                     ids(Item.objects.exclude(**{field: values[1]})))
            array, cast = ([json.dumps(value) for value in values], "::jsonb[]") if field == "doc" else (values, "")
            self.say("  found", field, ids(Item.objects.extra(where=[f"{field} = ANY (%s{cast})"], params=[array])))
        for lookup, value in [("name__iexact", "ada"), ("name__startswith", "A"), ("note__icontains", "BYRON"),
                              ("note__isnull", True),
                              ("name__regex", "^[AB]"), ("amount__gt", 3), ("amount__range", (1, 7)), ("price__lte", 1),
                              ("day__year", 2024), ("day__week_day", 5), ("moment__date", SOUGHT["day"][0]),
                              ("moment__hour__gte", 1), ("doc__a__1", "x"), ("doc__has_key", "a"),
                              ("doc__contains", {"a": [1]}),
                              ("ref__in", SOUGHT["ref"])]:
            self.say("  found", lookup, ids(Item.objects.filter(**{lookup: value})))
        self.say("  found", ids(Item.objects.filter(Q(active=True) & ~Q(name="Ada") | Q(amount=F("id")))))

    def unique(self):
        Item.objects.create(id=20, name="Ada", ref=None)

    def check(self):
        Item.objects.filter(name="Ada").update(amount=-1)

    def not_null(self):
        Item.objects.create(id=20, name=None, ref=None)

    def upsert(self):
        for name in ["Ada", "Gus"]:
            defaults = {"id": 1 if name == "Ada" else 40, "note": "upserted", "ref": None, "amount": 8}
            item, made = Item.objects.update_or_create(name=name, defaults=defaults)
            self.say("  row", made, item.name, item.note)
        Item.objects.bulk_create([Item(id=50, name="Gus", ref=None, amount=1),
                                  Item(id=51, name="Hal", ref=None, amount=9)], ignore_conflicts=True)
        self.say("  found", list(Item.objects.order_by("name").values_list("name", "note", "amount")))

    def unique_each(self):
        for field in ONCE:
            Once.objects.create(**{field: SOUGHT[field][0]})
            try:
                with transaction.atomic():
                    Once.objects.create(**{field: SOUGHT[field][0]})
            except Error as error:
                d = error.__cause__.diag
                self.say("  error", field, type(error).__name__, d.sqlstate, d.message_detail, d.constraint_name)

    def upsert_each(self):
        for field in ONCE:
            first, second = SOUGHT[field]
            Once.objects.bulk_create([Once(**{field: first}), Once(**{field: second})], ignore_conflicts=True)
            again, made = Once.objects.get_or_create(**{field: second})
            self.say("  row", field, made, Once.objects.filter(**{field + "__isnull": False}).count())

    def sort(self):
        for field in SOUGHT:
            items = Item.objects.order_by(F(field).desc(nulls_last=True), "name")
            self.say("  sorted", field, list(items.values_list("name", flat=True)))

    def paginate(self):
        self.say("  page", list(Item.objects.order_by("name").values_list("name", flat=True)[2:4]))
        for field in SOUGHT:
            self.say("  page", field, list(Item.objects.order_by(field, "id").values_list("id", flat=True)[1:3]))
        self.say("  totals", Item.objects.aggregate(Count("name"), Sum("amount"), Max("price"), Min("day")))
        groups = Item.objects.values("active").annotate(n=Count("id"), sum=Sum("amount"))
        self.say("  totals", list(groups.order_by("active")))
        self.say("  distinct", list(Item.objects.order_by("active").values_list("active", flat=True).distinct()))

    def update(self):
        item = Item.objects.select_for_update().get(name="Ada")
        item.amount, item.doc, item.moment, item.ref = 99, {"b": None}, None, uuid.UUID(int=7)
        item.save()
        self.show([Item.objects.get(pk=item.pk)])
        changed = Item.objects.filter(amount=0).update(note=None, amount=F("amount") + 5, price=F("price") * 2)
        self.say("  count", changed)
        self.show(Item.objects.filter(name="Bob"))

    def delete(self):
        for field in ONCE:
            self.say("  count", field, Once.objects.filter(**{field: SOUGHT[field][1]}).delete())
        self.say("  count", Item.objects.filter(ref=uuid.UUID(int=7)).delete(),
                 Item.objects.filter(name__in=["Bob", "none"]).delete())
        self.say("  left", list(Item.objects.order_by("name").values_list("name", flat=True)))
