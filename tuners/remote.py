"""An oracle served to workers on this machine or others, in Keras Tuner's own chief and worker protocol.

Keras Tuner's chief waits for ever for a worker that died, and its client an hour for a chief that did. Here a worker
holds a lease, which every request renews. When it runs out, the worker's trial is taken back and run again. A chief
that restarts finds its workers still training: each names its trial with every request and keeps it. What a worker
measured travels once more with the end of its trial, so that no chief needs to have heard it before.

Beside the methods of Keras Tuner there is one of our own, which carries JSON and bytes: a trial's end with its message,
which Keras Tuner's messages have no room for, the lease, and whatever calls the owner of the server adds.

Requests may carry a shared secret. It keeps strangers out, but it does not hide what is said: a line that others may
listen to belongs inside a tunnel.
"""

import hmac
import ipaddress
import json
import logging
import os
import struct
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import grpc  # type: ignore[import-untyped]
import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.errors import FatalError
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer
from keras_tuner.src.distribute.oracle_client import OracleClient
from keras_tuner.src.engine.oracle import LOCKS

from tuners.oracle import locked

# The environment variable that holds the secret where Keras Tuner's own ones say who is chief and who is a worker.
SECRET_VARIABLE = "KEVO_SECRET"

# A call of the owner's: (tuner id, JSON values, payload) -> (JSON values, payload).
Call = Callable[[str, dict[str, Any], bytes], tuple[dict[str, Any], bytes]]

# A script's chief may first have to read its data, when its workers have begun already.
_SCRIPT_PATIENCE_SECONDS = 300.0
_NUM_THREADS = 16
# Requests under way at the end get their answers.
_GRACE_SECONDS = 5.0
# One sign of life waits so long for a chief that is away, and the next one begins so much later.
_RENEWAL_SECONDS = 5.0
_RENEWAL_PAUSE_SECONDS = 1.0
# Between two attempts at a request.
_RETRY_SECONDS = 0.1
# HTTP/2 headers, which carry the words of an error, are limited to 8 KiB.
_NUM_LETTERS = 500

_SERVICE = "tuners.Remote"
_CALL = f"/{_SERVICE}/Call"
_SECRET, _TUNER, _TRIAL = "secret-bin", "tuner-bin", "trial-bin"
_RENEW, _END = "renew", "end_trial"

# Payloads of 4 MiB, and their headers.
_SIZES = [("grpc.max_send_message_length", 5 << 20), ("grpc.max_receive_message_length", 5 << 20)]
_SERVER_OPTIONS = [
    *_SIZES,
    # Otherwise two servers share a port without a word.
    ("grpc.so_reuseport", 0),
    # Otherwise it takes the client's pings, with which it notices a cut line, for an attack.
    ("grpc.http2.min_ping_interval_without_data_ms", 5000),
]
_CLIENT_OPTIONS = [
    *_SIZES,
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
_HAS_ENDED = {TrialStatus.COMPLETED, TrialStatus.FAILED}

_logger = logging.getLogger(__name__)


class ChiefLostError(FatalError):  # type: ignore[misc]  # Keras Tuner is not typed.
    """The chief did not answer for longer than a worker waits."""


class ChiefRefusedError(FatalError):  # type: ignore[misc]  # Keras Tuner is not typed.
    """The chief does not want this worker: its secret is another one, or it is no chief of this kind."""


class RemoteError(RuntimeError):
    """The chief met an error while it answered; its words."""


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
        calls: Mapping[str, Call] = {},
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not secret and not _is_loopback(address):
            raise ValueError(
                f"Got the address {address!r}, which other machines can reach, and no secret, expected one with it: "
                f"give the chief and its workers the same `secret`, or {SECRET_VARIABLE} in their environment, or "
                "listen at 127.0.0.1."
            )
        self.address = address
        self._oracle = oracle
        self._secret = secret
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._calls = {**calls, _RENEW: self._renewed, _END: self._ended}
        # Keras Tuner makes the lock on first use, where two threads at once may each make one.
        LOCKS.setdefault(oracle, threading.Lock())
        self._guard = threading.Lock()
        # Workers, and when their leases run out.
        self._leases: dict[str, float] = {}
        # Workers that know that the search is over.
        self._told: set[str] = set()
        # Runs that are over, by worker and trial: a sign of life that was under way does not begin them again.
        self._past_runs: set[tuple[str | None, str]] = set()
        self._is_over = False
        self._error: Exception | None = None
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
        with self._guard:
            return list(self._leases)

    def start(self) -> None:
        """Begins to answer; `address` tells from then on which port it is.

        Raises:
            OSError: The address cannot be had.
        """
        server = grpc.server(
            ThreadPoolExecutor(_NUM_THREADS),
            handlers=[_Calls(self._call)],
            interceptors=[_Gate(self._secret, self._serve)],
            options=_SERVER_OPTIONS,
        )
        protos.get_service_grpc().add_OracleServicer_to_server(_Servicer(self), server)
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
            if (self._is_over or self._is_stopped) and not self.workers:
                break
            time.sleep(poll_seconds)
        if self._error is not None:
            raise self._error

    def expire(self) -> list[str]:
        """Takes the trials back from workers whose lease ran out, forgets these workers and returns their tuner ids."""
        with locked(self._oracle):
            now = self._clock()
            with self._guard:
                late = [tuner_id for tuner_id, end in self._leases.items() if end < now]
            for tuner_id in late:
                # A worker that comes back in time finds its trial waiting for it.
                self._take_back(tuner_id, f"Worker {tuner_id} gave no sign of life for {self._lease_seconds:g} s.")
        return late

    def lose(self, tuner_id: str, reason: str) -> None:
        """Takes its trial back from a worker that is gone for good, and forgets the worker.

        Args:
            tuner_id: The worker's.
            reason: Becomes the message of its trial.
        """
        with locked(self._oracle):
            trial = self._take_back(tuner_id, reason)
            if trial is not None:
                self._past_runs.add((tuner_id, trial.trial_id))

    def _take_back(self, tuner_id: str, reason: str) -> Trial | None:
        with self._guard:
            self._leases.pop(tuner_id, None)
        trial = self._oracle.ongoing_trials.get(tuner_id)
        if trial is not None:
            _logger.warning("Trial %s was lost: %s", trial.trial_id, reason)
            trial.status, trial.message = TrialStatus.INVALID, reason
            self._finish(trial)
        return trial

    @property
    def _is_stopped(self) -> bool:
        return self._error is not None or getattr(self._oracle, "is_stopped", False)

    def _serve(self, tuner_id: str | None, trial_id: str | None, answer: Callable[[], Any], *, is_oracles: bool) -> Any:
        """Answers a request of a worker that says what it trains."""
        if tuner_id is not None:
            with self._guard:
                if tuner_id not in self._told:
                    self._leases[tuner_id] = self._clock() + self._lease_seconds
            if trial_id is not None and trial_id in self._oracle._retry_queue:
                self._adopt(tuner_id, trial_id)
        if not is_oracles:
            return answer()
        with locked(self._oracle):
            return answer()

    def _adopt(self, tuner_id: str, trial_id: str) -> None:
        """Leaves a trial to a worker that still trains it, although it waits to be run again."""
        with locked(self._oracle):
            is_free = tuner_id not in self._oracle.ongoing_trials and (tuner_id, trial_id) not in self._past_runs
            if is_free and trial_id in self._oracle._retry_queue:
                self._oracle.ongoing_trials[tuner_id] = self._unqueued(trial_id)

    def _unqueued(self, trial_id: str) -> Trial:
        """Returns a trial that no longer waits to be run again."""
        self._oracle._retry_queue.remove(trial_id)
        trial = self._oracle.trials[trial_id]
        trial.status, trial.message = TrialStatus.RUNNING, None
        # It prints how long a trial took, and must know when it began.
        self._oracle._display.on_trial_begin(trial)
        return trial

    def _create(self, tuner_id: str) -> Trial:
        oracle, trial = self._oracle, None
        if self._error is None:
            try:
                trial = oracle.create_trial(tuner_id)
            except Exception as error:
                self._error = error
        if trial is None:
            trial = Trial(oracle.get_space(), status=TrialStatus.STOPPED)
        self._past_runs.discard((tuner_id, trial.trial_id))
        if trial.status == TrialStatus.STOPPED and self._may_be_needed(tuner_id):
            trial.status = TrialStatus.IDLE
        with self._guard:
            if trial.status == TrialStatus.STOPPED:
                self._is_over = True
                self._told.add(tuner_id)
                self._leases.pop(tuner_id, None)
            elif tuner_id in self._told:
                self._told.remove(tuner_id)
                self._leases[tuner_id] = self._clock() + self._lease_seconds
        return trial

    def _may_be_needed(self, tuner_id: str) -> bool:
        """Whether a worker without a trial should stay, since another one may die and leave its own."""
        oracle = self._oracle
        return not self._is_stopped and any(
            other != tuner_id
            and other in self._leases
            and oracle._run_times.get(trial.trial_id, 0) < oracle.max_retries_per_trial
            for other, trial in oracle.ongoing_trials.items()
        )

    def _update(self, tuner_id: str | None, trial_id: str, metrics: Mapping[str, float], step: int) -> Trial:
        trial = self._trial(trial_id)
        if trial.status == TrialStatus.RUNNING and self._is_runner(tuner_id, trial_id):
            return self._oracle.update_trial(trial_id, dict(metrics), step=step)
        # It comes again if this worker is the first to end the trial.
        return trial

    def _end(self, tuner_id: str | None, trial: Trial, reports: list[tuple[dict[str, float], int]]) -> None:
        """Ends a trial, unless that has happened.

        Args:
            tuner_id: Whose report this is, if known.
            trial: What the worker says of it.
            reports: All that the worker measured; if any, it takes the place of what the oracle has heard.
        """
        oracle, trial_id = self._oracle, trial.trial_id
        known = oracle.trials.get(trial_id)
        # A search that was taken up may lack a trial which the last moment before had created.
        if known is None or known.status in _HAS_ENDED:
            return
        is_waiting = trial_id in oracle._retry_queue
        if trial.status == TrialStatus.INVALID and (is_waiting or not self._is_runner(tuner_id, trial_id)):
            # It is to be run again already, or is so elsewhere.
            return
        if is_waiting:
            self._unqueued(trial_id)
        if reports:
            known.metrics = type(known.metrics)()
            for metrics, step in reports:
                oracle.update_trial(trial_id, metrics, step=step)
        self._past_runs.add((tuner_id, trial_id))
        self._finish(trial)

    def _finish(self, trial: Trial) -> None:
        oracle = self._oracle
        try:
            oracle.end_trial(trial)
        except Exception as error:
            # It would end a search without workers, so it ends this one.
            self._error = self._error or error
        for tuner_id, ongoing in list(oracle.ongoing_trials.items()):
            if ongoing.trial_id == trial.trial_id:
                del oracle.ongoing_trials[tuner_id]

    def _is_runner(self, tuner_id: str | None, trial_id: str) -> bool:
        ongoing = self._oracle.ongoing_trials.get(tuner_id)
        return tuner_id is None or (ongoing is not None and ongoing.trial_id == trial_id)

    def _trial(self, trial_id: str) -> Trial:
        try:
            return self._oracle.trials[trial_id]
        except KeyError:
            raise LookupError(f"This search has no trial {trial_id!r}.") from None

    def _call(self, tuner_id: str, request: bytes) -> bytes:
        try:
            asked, payload = _unpack(request)
            call = self._calls.get(asked["name"])
            if call is None:
                raise LookupError(f"Got the call {asked['name']!r}, expected one of {sorted(self._calls)}.")
            values, payload = call(tuner_id, asked["values"], payload)
            return _pack({"values": values}, payload)
        except Exception as error:
            return _pack({"error": _in_words(error)})

    def _renewed(self, tuner_id: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        return {"lease_seconds": self._lease_seconds}, b""

    def _ended(self, tuner_id: str, values: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        hyperparameters = keras_tuner.HyperParameters.from_config(values["hyperparameters"])
        trial = Trial(hyperparameters, values["trial_id"], values["status"], values["message"])
        with locked(self._oracle):
            self._end(tuner_id, trial, values["reports"])
        return {}, b""


class _Servicer(OracleServicer):  # type: ignore[misc]  # Keras Tuner is not typed.
    """Keras Tuner's methods; those that concern trials know of leases."""

    def __init__(self, server: Server) -> None:
        super().__init__(server._oracle)
        self._server = server

    def CreateTrial(self, request: Any, context: Any) -> Any:
        trial = self._server._create(request.tuner_id)
        return protos.get_service().CreateTrialResponse(trial=trial.to_proto())

    def UpdateTrial(self, request: Any, context: Any) -> Any:
        trial = self._server._update(_said(context, _TUNER), request.trial_id, request.metrics, request.step)
        return protos.get_service().UpdateTrialResponse(trial=trial.to_proto())

    def EndTrial(self, request: Any, context: Any) -> Any:
        self._server._end(_said(context, _TUNER), Trial.from_proto(request.trial), [])
        return protos.get_service().EndTrialResponse()

    def GetTrial(self, request: Any, context: Any) -> Any:
        return protos.get_service().GetTrialResponse(trial=self._server._trial(request.trial_id).to_proto())


class _Calls(grpc.GenericRpcHandler):  # type: ignore[misc]  # gRPC is not typed.
    """The method beside Keras Tuner's."""

    def __init__(self, call: Callable[[str, bytes], bytes]) -> None:
        self._handler = grpc.unary_unary_rpc_method_handler(
            lambda request, context: call(_said(context, _TUNER) or "", request)
        )

    def service(self, details: Any) -> Any:
        return self._handler if details.method == _CALL else None


class _Gate(grpc.ServerInterceptor):  # type: ignore[misc]  # gRPC is not typed.
    """What every request passes: it shows the secret, is served, and takes the words of an error home."""

    def __init__(self, secret: str | None, serve: Callable[..., Any]) -> None:
        self._secret = secret.encode() if secret else None
        self._serve = serve
        self._refuse = grpc.unary_unary_rpc_method_handler(
            lambda request, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "the secret is missing, or wrong")
        )

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        if self._secret is not None:
            shown = dict(details.invocation_metadata).get(_SECRET, b"")
            if not hmac.compare_digest(shown, self._secret):
                return self._refuse
        handler = continuation(details)
        if handler is None:
            return None

        def answer(request: Any, context: Any) -> Any:
            try:
                return self._serve(
                    _said(context, _TUNER),
                    _said(context, _TRIAL),
                    partial(handler.unary_unary, request, context),
                    is_oracles=details.method != _CALL,
                )
            except Exception as error:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, _in_words(error)[:_NUM_LETTERS])

        return grpc.unary_unary_rpc_method_handler(answer, handler.request_deserializer, handler.response_serializer)


class Client(OracleClient):  # type: ignore[misc]  # Keras Tuner is not typed.
    """What a worker has in place of the oracle.

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
        self._channel = grpc.insecure_channel(address, options=_CLIENT_OPTIONS)
        methods = vars(protos.get_service_grpc().OracleStub(self._channel))
        self.stub = SimpleNamespace(**{name: partial(self._ask, method) for name, method in methods.items()})
        self._call = self._channel.unary_unary(_CALL)
        self._closed = threading.Event()
        threading.Thread(target=self._keep_lease, name=f"lease of {tuner_id}", daemon=True).start()

    def call(
        self, name: str, values: dict[str, Any] | None = None, payload: bytes = b""
    ) -> tuple[dict[str, Any], bytes]:
        """Calls what the chief's owner has added.

        Args:
            name: Of the call.
            values: What JSON can hold.
            payload: Up to 4 MiB.
        """
        return _opened(self._ask(self._call, _pack({"name": name, "values": values or {}}, payload)))

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
        self.call(_END, values)

    def _ask(self, method: Any, request: Any, wait_for_ready: bool = True, timeout: float = 0.0) -> Any:
        """Asks until there is an answer. Keras Tuner's own patience does not count."""
        end = time.monotonic() + self.patience_seconds
        while True:
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
        said = [(_TUNER, self.tuner_id), (_TRIAL, self._trial_id), (_SECRET, self._secret)]
        metadata = [(name, value.encode()) for name, value in said if value is not None]
        return method(request, wait_for_ready=True, timeout=seconds, metadata=metadata)

    def _error(self, error: grpc.RpcError) -> Exception:
        if error.code() == grpc.StatusCode.UNAUTHENTICATED:
            return ChiefRefusedError(
                f"The chief at {self.address} refused this worker: {error.details()}. Give it the chief's own "
                f"`secret`, or {SECRET_VARIABLE} in its environment."
            )
        if error.code() == grpc.StatusCode.UNIMPLEMENTED:
            return ChiefRefusedError(
                f"What listens at {self.address} is no chief of this kind: {error.details()}. Start the chief with "
                "the same versions as its workers."
            )
        return RemoteError(f"The chief at {self.address} met an error: {error.details()}")

    def _keep_lease(self) -> None:
        request, pause = _pack({"name": _RENEW, "values": {}}), 0.0
        while not self._closed.wait(pause):
            try:
                values, _ = _opened(self._ask_once(self._call, request, _RENEWAL_SECONDS))
                pause = values["lease_seconds"] / 3
            except (grpc.RpcError, RemoteError, ValueError):
                # Away, or closed in between. Those who need an answer will say so.
                pause = _RENEWAL_PAUSE_SECONDS


def serve(oracle: keras_tuner.Oracle) -> None:
    """Serves an oracle where the environment wants its chief, until the search is over."""
    with Server(oracle, address=_address(), secret=os.environ.get(SECRET_VARIABLE)) as server:
        server.wait()


def join(oracle: Any, *, tuner_id: str) -> Client:
    """Returns a worker's connection to the chief that the environment names.

    Args:
        oracle: Says what the search is for.
        tuner_id: The worker's name.
    """
    return Client(
        oracle,
        address=_address(),
        tuner_id=tuner_id,
        secret=os.environ.get(SECRET_VARIABLE),
        patience_seconds=_SCRIPT_PATIENCE_SECONDS,
    )


def _address() -> str:
    host, port = os.environ["KERASTUNER_ORACLE_IP"], os.environ["KERASTUNER_ORACLE_PORT"]
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def _is_loopback(address: str) -> bool:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"Got the address {address!r}, expected a host and a port, such as 127.0.0.1:8000.")
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _said(context: Any, name: str) -> str | None:
    """Returns what a request says beside its content."""
    value = dict(context.invocation_metadata()).get(name)
    return None if value is None else value.decode()


def _pack(values: Mapping[str, Any], payload: bytes = b"") -> bytes:
    header = json.dumps(values).encode()
    return struct.pack(">I", len(header)) + header + payload


def _unpack(message: bytes) -> tuple[dict[str, Any], bytes]:
    (size,) = struct.unpack_from(">I", message)
    return json.loads(message[4 : 4 + size]), message[4 + size :]


def _opened(answer: bytes) -> tuple[dict[str, Any], bytes]:
    header, payload = _unpack(answer)
    if "error" in header:
        raise RemoteError(f"The chief met an error: {header['error']}")
    return header["values"], payload


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
