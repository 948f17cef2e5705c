"""Everything that production runs, on this machine, with a clock that a story can move and a letter box it can read."""

import contextlib
import email
import email.policy
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

from clinic import devservices
from clinic.devservices import ROOT, Child
from clinic.management.commands.dev import Demo, Places, choose_port, is_ready

# A letter takes two rounds of beat, on a machine that does other things too.
LETTER_SECONDS = 40.0


class Stack(Demo):
    """The demo's own processes: granian, a Celery worker, beat and the letter box, on throw-away servers."""

    def launch(self, name: str, *arguments: str, **more: object) -> Child:
        if name == "beat":
            arguments = tuple("tests.journeys.quick_beat" if part == "clinic" else part for part in arguments)
        return super().launch(name, *arguments, **more)  # type: ignore[arg-type]  # pass_fds, as it came

    def open(self, *, at: datetime) -> None:
        """Bring everything up on a small clinic, with ``at`` on its clock."""
        self.places.state.joinpath("seeded").write_text(self.places.same_data())
        self.prepare()
        self._set_clock(at)
        self.run_python("-m", "tests.journeys.small_clinic", settings={})
        self.serve()

    def _set_clock(self, at: datetime) -> None:
        self.environment["CLOCK_OFFSET_SECONDS"] = str(int((at - datetime.now(UTC)).total_seconds()))

    def move_clock(self, to: datetime) -> None:
        """Stop web, worker and beat, and start them again at another moment, as if time had gone by."""
        assert self.services is not None
        moved = [child for child in self.services.children if child.name in {"web", "worker", "beat"}]
        for child in moved:
            child.ask()
        for child in moved:
            child.stop()
            self.services.children.remove(child)
        self._set_clock(to)
        self.serve()

    def serve(self) -> None:
        super().serve()
        self.wait_for("/healthz", enough=lambda status, body: is_ready(status, body) and status == 200)

    def now(self) -> datetime:
        """Return the moment on the stack's clock."""
        return datetime.now(UTC) + timedelta(seconds=int(self.environment["CLOCK_OFFSET_SECONDS"]))

    @property
    def site(self) -> str:
        return f"http://localhost:{self.port}"

    def letters_to(self, address: str) -> list[EmailMessage]:
        """Return what the letter box took for an address, the oldest first."""
        policy = email.policy.default
        read = [
            email.message_from_bytes(path.read_bytes(), policy=policy)
            for path in sorted(self.places.mail.glob("*.eml"))
        ]
        return [letter for letter in read if address in str(letter["To"])]

    def letter_to(self, address: str, saying: str) -> str:
        """Wait for the one letter to an address that says something, and return its text."""
        deadline = time.monotonic() + LETTER_SECONDS
        while time.monotonic() < deadline:
            found = [text for letter in self.letters_to(address) if saying in (text := text_of(letter))]
            if found:
                assert len(found) == 1, found
                return found[0]
            time.sleep(0.2)
        said = [text_of(letter) for letter in self.letters_to(address)]
        raise AssertionError(f"No letter to {address} says {saying!r}; these came: {said}")


def text_of(letter: EmailMessage) -> str:
    """Return the plain half of a letter."""
    body = letter.get_body(preferencelist=("plain",))
    assert body is not None
    return str(body.get_content())


@contextlib.contextmanager
def stack(*, at: datetime) -> Iterator[Stack]:
    """Run the whole stack for the block, on servers and in folders of its own."""
    with contextlib.ExitStack() as exits:
        folder = devservices.throw_away_folder(ROOT)
        exits.callback(shutil.rmtree, folder, ignore_errors=True)
        run = Stack(Places(folder, folder, None), exits)
        run.port = choose_port(8800, exits)
        run.open(at=at)
        yield run
