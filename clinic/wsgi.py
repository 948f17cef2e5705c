"""The WSGI application. The heap is frozen after loading: it keeps garbage collection out of the slow tail."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.settings")
application = get_wsgi_application()
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 20)
