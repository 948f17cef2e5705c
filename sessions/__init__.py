"""Visits, reminders and the dosing room. The label is ``clinic_sessions``: ``sessions`` is Django's."""
