"""Small measurements, shared by the tests of the benchmarks of speed."""

from benchmarks.speed.measurements import Measurement, Step, Trial


def trial(ended: float, seconds: float = 1.0, accuracy: float | None = 0.5, **facts: object) -> Trial:
    values = {"kind": "frozen", "part": "a", "memory": 100.0, "is_closing": False, **facts}
    return Trial(ended=ended, seconds=seconds, accuracy=accuracy, **values)  # type: ignore[arg-type]


def measurement(tool: str = "kevo", seed: int = 0, **facts: object) -> Measurement:
    values = {
        "setting": "5 minutes",
        "limit": 300.0,
        "trials": (trial(10.0), trial(20.0)),
        "steps": (Step(10.0, 0.8, 0.7), Step(200.0, 0.9, 0.95)),
        "seconds": 310.0,
        "test": 0.95,
        "ensemble": None,
        "peak": 1000.0,
        "machine": "2 cores",
        **facts,
    }
    return Measurement(tool, seed, **values)  # type: ignore[arg-type]
