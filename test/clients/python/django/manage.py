"""Django's manage.py. DJANGO_FOLDER: where the migrations go; SHOP_RELEASE: the release of the models."""
import os
import sys

from django.core.management import execute_from_command_line

sys.path.insert(0, os.environ["DJANGO_FOLDER"])
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
execute_from_command_line(sys.argv)
