import os

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["PGDATABASE"],
        "HOST": os.environ["PGHOST"],
        "PORT": os.environ["PGPORT"],
        "USER": os.environ["PGUSER"],
    }
}
INSTALLED_APPS = ["django.contrib.postgres", "shop"]
MIGRATION_MODULES = {"shop": "shop_migrations"}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
SECRET_KEY = "of a test"
USE_TZ = True
TIME_ZONE = "UTC"
