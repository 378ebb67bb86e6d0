"""The worker's side of the connection: a stand-in for the oracle."""

import threading
import time
from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

import grpc  # type: ignore[import-untyped]
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.errors import FatalError
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_client import OracleClient

from tuners.remote import wire

# One sign of life waits so long for a chief that is away, and the next one begins so much later.
_RENEWAL_SECONDS = 5.0
_RENEWAL_PAUSE_SECONDS = 1.0
# Between two attempts at a request.
_RETRY_SECONDS = 0.1
_OPTIONS = [
    *wire.SIZES,
    ("grpc.enable_http_proxy", 0),
    # By default a client that lost its server looks for it every two minutes only.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 2000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Each client has a connection of its own, which ends with it.
    ("grpc.use_local_subchannel_pool", 1),
]
_IS_AWAY = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}


class ChiefLostError(FatalError):  # type: ignore[misc]  # Keras Tuner is not typed.
    """The chief did not answer for longer than a worker waits."""


class ChiefRefusedError(FatalError):  # type: ignore[misc]  # Keras Tuner is not typed.
    """The chief does not want this worker: its secret is another one, or it is no chief of this kind."""


class SearchOverError(ChiefLostError):
    """The chief has said that the search is over; no further request is needed."""


class Client(OracleClient):  # type: ignore[misc]  # Keras Tuner is not typed.
    """The oracle as a worker reaches it.

    It renews its lease by itself until it is closed or its process ends, also while a trial runs. Every request waits
    for the chief, which may be restarting, for a while.

    Args:
        oracle: Says what the search is for: the objective and so on. It is asked for no trial.
        address: The chief's host and port.
        tuner_id: The worker's name, its own among all workers of this chief.
        secret: The chief's secret, if it has one.
        patience_seconds: How long a request waits for the chief.

    Raises:
        ChiefLostError: Any request: the chief did not answer in that time.
        ChiefRefusedError: Any request: the chief does not want this worker.
        RemoteError: Any request: the chief met an error.
        SearchOverError: Any request, after the chief has announced the end: see `Server.announce_end`.
    """

    def __init__(
        self,
        oracle: Any,
        *,
        address: str,
        tuner_id: str,
        secret: str | None = None,
        patience_seconds: float = 60.0,
    ) -> None:
        # Not Keras Tuner's own constructor, which reads the environment.
        self._oracle = oracle
        self.tuner_id = tuner_id
        self.address = address
        self.patience_seconds = patience_seconds
        self.multi_worker, self.should_report = False, True
        self._secret = secret
        self._trial_id: str | None = None
        self._reports: list[tuple[dict[str, float], int]] = []
        self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        methods = vars(protos.get_service_grpc().OracleStub(self._channel))
        self.stub = SimpleNamespace(**{name: partial(self._ask, method) for name, method in methods.items()})
        self._call = self._channel.unary_unary(wire.CALL)
        self._closed, self._is_over = threading.Event(), False
        threading.Thread(target=self._keep_lease, name=f"lease of {tuner_id}", daemon=True).start()

    def call(
        self, name: str, values: dict[str, Any] | None = None, payload: bytes = b""
    ) -> tuple[dict[str, Any], bytes]:
        """Calls a method that the chief's owner has added.

        Args:
            name: Of the call.
            values: What JSON can hold.
            payload: Up to 4 MiB.
        """
        return wire.opened(self._ask(self._call, wire.pack({"name": name, "values": values or {}}, payload)))

    def close(self) -> None:
        """Ends the connection, and with it the sign of life."""
        self._closed.set()
        self._channel.close()

    def create_trial(self, tuner_id: str) -> Trial:
        trial = super().create_trial(self.tuner_id)
        self._reports = []
        self._trial_id = trial.trial_id if trial.status == TrialStatus.RUNNING else None
        return trial

    def update_trial(self, trial_id: str, metrics: Mapping[str, float], step: int = 0) -> Trial:
        measured = {name: float(value) for name, value in metrics.items()}
        trial = super().update_trial(trial_id, measured, step)
        if trial_id == self._trial_id:
            self._reports.append((measured, int(step)))
        return trial

    def end_trial(self, trial: Trial) -> None:
        if not self.should_report:
            return
        values = {
            "trial_id": trial.trial_id,
            "hyperparameters": trial.hyperparameters.get_config(),
            "status": trial.status,
            "message": trial.message,
            "reports": self._reports if trial.trial_id == self._trial_id else [],
        }
        # From now on no sign of life claims it, should it have to be run again.
        self._trial_id = None
        self.call(wire.END, values)

    def _ask(self, method: Any, request: Any, wait_for_ready: bool = True, timeout: float = 0.0) -> Any:
        """Asks until there is an answer. Keras Tuner's own patience does not count."""
        end = time.monotonic() + self.patience_seconds
        while True:
            if self._is_over:
                raise SearchOverError(f"The search at {self.address} is over.")
            left = end - time.monotonic()
            if left <= 0:
                raise ChiefLostError(
                    f"The chief at {self.address} did not answer for {self.patience_seconds:g} s, expected it to be "
                    "there until the search is over. See whether it still runs and can be reached, and start this "
                    "worker again."
                )
            try:
                return self._ask_once(method, request, left)
            except grpc.RpcError as error:
                if error.code() not in _IS_AWAY:
                    raise self._error(error) from None
            time.sleep(min(_RETRY_SECONDS, max(left, 0.0)))

    def _ask_once(self, method: Any, request: Any, seconds: float) -> Any:
        said = [(wire.TUNER, self.tuner_id), (wire.TRIAL, self._trial_id), (wire.SECRET, self._secret)]
        metadata = [(name, value.encode()) for name, value in said if value is not None]
        return method(request, wait_for_ready=True, timeout=seconds, metadata=metadata)

    def _error(self, error: grpc.RpcError) -> Exception:
        if error.code() == grpc.StatusCode.UNAUTHENTICATED:
            return ChiefRefusedError(
                f"The chief at {self.address} refused this worker: {error.details()}. Give it the chief's own "
                f"`secret`, or {wire.SECRET_VARIABLE} in its environment."
            )
        if error.code() == grpc.StatusCode.UNIMPLEMENTED:
            return ChiefRefusedError(
                f"What listens at {self.address} is no chief of this kind: {error.details()}. Start the chief with "
                "the same versions as its workers."
            )
        return wire.RemoteError(f"The chief at {self.address} met an error: {error.details()}")

    def _keep_lease(self) -> None:
        request, pause = wire.pack({"name": wire.RENEW, "values": {}}), 0.0
        while not self._closed.wait(pause):
            try:
                values, _ = wire.opened(self._ask_once(self._call, request, _RENEWAL_SECONDS))
                self._is_over, pause = values["is_over"], values["lease_seconds"] / 3
            except (grpc.RpcError, wire.RemoteError, ValueError):
                # Away, or closed in between. Those who need an answer will say so.
                pause = _RENEWAL_PAUSE_SECONDS
