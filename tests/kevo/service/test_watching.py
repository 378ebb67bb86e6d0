"""What is new in a run folder is told once."""

from pathlib import Path
from typing import Any

from kevo.service.events import Event, Hub
from kevo.service.watching import Watched
from tests.support.searches import record
from tests.support.serving import put_run, put_search, serving


class Heard(Hub):
    """Keeps what is told."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []

    def publish(self, event: Event) -> None:
        self.events.append(event)

    def curves(self) -> list[list[float]]:
        """The epochs of the points that were told of the only training under way, in each event since last time."""
        told = [event.data["trainings"] for event in self.events if event.kind == "training"]
        self.events.clear()
        return [[point["epochs"] for point in training["curve"]] for (training,) in told]


def test_points_of_a_training_are_told_as_they_come(tmp_path: Path) -> None:
    with serving(tmp_path / "root") as (server, _):
        job = put_search(server)
        run = put_run(server, job, (record("0", 0.5),))
        watched, hub = Watched(job, server.searches.place(job)), Heard()

        def curves(*epochs: float) -> list[list[float]]:
            """What is told when a training has these points."""
            points = [{"stage": "train", "epochs": one, "metrics": {"loss": 1 / one}} for one in epochs]
            training: dict[str, Any] = {"number": 1, "words": "conv stack", "worker": "here", "stage": "train"}
            training |= {"epoch": 1, "num_epochs": 20, "started_at": 1.0, "metrics": {}, "curve": points}
            run.write_json("status.json", {"seconds": 9.0, "written_at": 0, "trainings": [training]})
            watched.tell(hub)
            return hub.curves()

        with run.locked():
            assert curves() == [[]]
            assert curves(0.5, 1.0) == [[0.5, 1.0]]
            # The last one may have become more meanwhile, and is told again.
            assert curves(0.5, 1.0, 1.5) == [[1.0, 1.5]]
            assert curves(0.5, 1.0, 1.5) == []
            # Each two became one.
            assert curves(1.0, 2.0) == [[2.0]]
            # It was begun again.
            assert curves(0.5) == [[0.5]]
