"""The doors of this floor. Whoever may not open a record is told that there is nothing here."""
