"""The project, and the ground floor: the place, its people, the rules of access, and the plumbing everybody needs.

``clinic.urls``, ``clinic.celery``, ``clinic.demo`` and ``clinic.management`` stand on the roof: they may look at every
app and nothing imports them. Everything else here looks up at nobody.
"""
