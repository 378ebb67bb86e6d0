"""An oracle served to workers."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import grpc  # type: ignore[import-untyped]
import keras_tuner
from keras_tuner.engine.trial import Trial
from keras_tuner.src import protos

from tuners.oracle import locked
from tuners.remote import wire
from tuners.remote.leases import Leases
from tuners.remote.service import Calls, Gate, Servicer

_NUM_THREADS = 16
# Requests under way at the end get their answers.
_GRACE_SECONDS = 5.0
_OPTIONS = [
    *wire.SIZES,
    # Otherwise two servers share a port without a word.
    ("grpc.so_reuseport", 0),
    # Otherwise it takes the client's pings, with which it notices a cut line, for an attack.
    ("grpc.http2.min_ping_interval_without_data_ms", 5000),
]


class Server:
    """Serves an oracle to workers over gRPC; usable as a context manager.

    Workers that use Keras Tuner's own client are served too, but they have no lease: nobody notices when they die.

    Args:
        oracle: The search. While it is served, only its marked methods may be called, or others within
            `tuners.oracle.locked`.
        address: Host and port; port 0 takes a free one. Anything but loopback needs a secret.
        secret: What every request must carry; None for no such thing.
        lease_seconds: A worker that says nothing for so long has lost its trial. A `Client` says something three times
            as often, also while it trains.
        calls: What workers may call beside Keras Tuner's methods, by name. Several threads may call at once, and a
            request that got lost on its way back comes again.
        clock: Seconds since whenever.

    Raises:
        ValueError: The address is none, or would be open to others without a secret.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        *,
        address: str = "127.0.0.1:0",
        secret: str | None = None,
        lease_seconds: float = 30.0,
        calls: Mapping[str, wire.Call] = {},
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        host, _ = wire.split_address(address)
        if not secret and not wire.is_loopback(host):
            raise ValueError(
                f"Got the address {address!r}, which other machines can reach, and no secret, expected one with it: "
                f"give the chief and its workers the same `secret`, or {wire.SECRET_VARIABLE} in their environment, or "
                "listen at 127.0.0.1."
            )
        self.address = address
        self.lease_seconds = lease_seconds
        self._oracle = oracle
        self._secret = secret
        self._leases = Leases(oracle, seconds=lease_seconds, clock=clock)
        self._calls = {**calls, wire.RENEW: self._renewed, wire.END: self._ended}
        self._server: Any = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def workers(self) -> list[str]:
        """The workers that hold a lease, by their tuner ids."""
        return self._leases.workers

    def start(self) -> None:
        """Begins to answer; `address` tells from then on which port it is.

        Raises:
            OSError: The address cannot be had.
        """
        server = grpc.server(
            ThreadPoolExecutor(_NUM_THREADS),
            handlers=[Calls(self._call)],
            interceptors=[Gate(self._secret, self._leases.serve)],
            options=_OPTIONS,
        )
        protos.get_service_grpc().add_OracleServicer_to_server(Servicer(self._leases), server)
        try:
            port = server.add_insecure_port(self.address)
        except RuntimeError:
            port = 0
        if not port:
            raise OSError(
                f"Cannot listen at {self.address}, expected a free port of this machine: choose another one, or port 0 "
                "for any, or end the process that has it."
            )
        self.address = f"{self.address.rpartition(':')[0]}:{port}"
        server.start()
        self._server = server

    def stop(self) -> None:
        """Ends the service. Requests under way are answered before; the oracle stays as it is."""
        server, self._server = self._server, None
        if server is not None:
            server.stop(_GRACE_SECONDS).wait()

    def wait(self, poll_seconds: float = 0.2) -> None:
        """Returns when the search is over and every worker knows it, or has lost its lease.

        Args:
            poll_seconds: Between two looks.

        Raises:
            Exception: What has ended the search in the oracle, once the workers know that it has ended: too many failed
                trials in a row, a full disk and so on.
        """
        while True:
            self.expire()
            if self._leases.is_over and not self.workers:
                break
            time.sleep(poll_seconds)
        if self._leases.error is not None:
            raise self._leases.error

    def announce_end(self) -> None:
        """Tells every worker, with its next sign of life, that the search is over.

        Its `Client` asks for nothing more from then on. A worker that is told holds no lease any more.
        """
        self._leases.announce_end()

    def expire(self) -> list[str]:
        """Takes back the trials of workers with an expired lease, and returns the tuner ids of these workers."""
        return self._leases.expire()

    def lose(self, tuner_id: str, reason: str) -> None:
        """Takes its trial back from a worker that is gone for good, and forgets the worker.

        Args:
            tuner_id: The worker's.
            reason: Becomes the message of its trial.
        """
        self._leases.lose(tuner_id, reason)

    def _call(self, tuner_id: str, request: bytes) -> bytes:
        try:
            asked, payload = wire.unpack(request)
            call = self._calls.get(asked["name"])
            if call is None:
                raise LookupError(f"Got the call {asked['name']!r}, expected one of {sorted(self._calls)}.")
            values, payload = call(tuner_id, asked["values"], payload)
            return wire.pack({"values": values}, payload)
        except Exception as error:
            return wire.pack({"error": wire.describe_error(error)})

    def _renewed(self, tuner_id: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        return self._leases.renewed(tuner_id), b""

    def _ended(self, tuner_id: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        hyperparameters = keras_tuner.HyperParameters.from_config(values["hyperparameters"])
        trial = Trial(hyperparameters, values["trial_id"], values["status"], values["message"])
        with locked(self._oracle):
            self._leases.end(tuner_id, trial, values["reports"])
        return {}, b""
