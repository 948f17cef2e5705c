"""How many queries a page asks, once a process has filled what it keeps."""

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext


def queries(client: Client, address: str) -> int:
    """Return the number of queries of the third showing of a page."""
    for _ in range(2):
        assert client.get(address).status_code == 200
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200
    return len(asked)
