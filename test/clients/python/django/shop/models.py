import os
import uuid

from django.db import models

# The models of a later release: its migration comes when columns are encrypted already.
LATER = os.environ.get("SHOP_RELEASE") == "2"


class Item(models.Model):
    name = models.CharField(max_length=20, unique=True)
    note = models.TextField(null=True, help_text="shown to nobody" if LATER else "")
    amount = models.PositiveIntegerField(null=not LATER, default=0 if LATER else None)
    price = models.DecimalField(max_digits=10, decimal_places=2, null=True, db_index=True)
    day = models.DateField(null=True)
    moment = models.DateTimeField(null=True)
    active = models.BooleanField(null=True, default=True)
    ref = models.UUIDField(null=True, unique=True, default=None if LATER else uuid.uuid4)
    doc = models.JSONField(null=True, default=dict)
    if LATER:
        colour = models.CharField(max_length=10, default="grey")

    class Meta:
        indexes = [models.Index(fields=["amount"], name="shop_item_amount")]
        if LATER:
            indexes.append(models.Index(fields=["name", "amount"], name="shop_item_name_amount"))
            constraints = [models.UniqueConstraint(fields=["price", "name"], name="shop_item_price_name")]


class Once(models.Model):
    """Each column has values once."""
    name = models.CharField(max_length=20, unique=True, null=True)
    amount = models.IntegerField(unique=True, null=True)
    price = models.DecimalField(max_digits=10, decimal_places=2, unique=True, null=True)
    day = models.DateField(unique=True, null=True)
    moment = models.DateTimeField(unique=True, null=True)
    active = models.BooleanField(unique=True, null=True)
    ref = models.UUIDField(unique=True, null=True)
    doc = models.JSONField(unique=True, null=True)
