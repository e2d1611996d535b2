"""Django's manage.py. DJANGO_FOLDER is where the migrations are, SHOP_RELEASE which release of the models is meant."""
import os
import sys

from django.core.management import execute_from_command_line

sys.path.insert(0, os.environ["DJANGO_FOLDER"])
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
execute_from_command_line(sys.argv)
