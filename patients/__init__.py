"""The person: identity, contacts, care team, how they came and how they want to be reached."""
