"""The chief's side of the connection: Keras Tuner's methods, calls of its owner's, and the interceptor."""

import hmac
from collections.abc import Callable
from functools import partial
from typing import Any

import grpc  # type: ignore[import-untyped]
from keras_tuner.engine.trial import Trial
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer

from tuners.remote import wire
from tuners.remote.leases import Leases

# HTTP/2 headers, which carry the words of an error, are limited to 8 KiB.
_NUM_LETTERS = 500


class Servicer(OracleServicer):  # type: ignore[misc]  # Keras Tuner is not typed.
    """Keras Tuner's methods; those that concern trials know of leases."""

    def __init__(self, leases: Leases) -> None:
        super().__init__(leases.oracle)
        self._leases = leases

    def CreateTrial(self, request: Any, context: Any) -> Any:
        trial = self._leases.create(request.tuner_id)
        return protos.get_service().CreateTrialResponse(trial=trial.to_proto())

    def UpdateTrial(self, request: Any, context: Any) -> Any:
        trial = self._leases.update(_said(context, wire.TUNER), request.trial_id, request.metrics, request.step)
        return protos.get_service().UpdateTrialResponse(trial=trial.to_proto())

    def EndTrial(self, request: Any, context: Any) -> Any:
        self._leases.end(_said(context, wire.TUNER), Trial.from_proto(request.trial), [])
        return protos.get_service().EndTrialResponse()

    def GetTrial(self, request: Any, context: Any) -> Any:
        return protos.get_service().GetTrialResponse(trial=self._leases.trial(request.trial_id).to_proto())


class Calls(grpc.GenericRpcHandler):  # type: ignore[misc]  # gRPC is not typed.
    """The method beside Keras Tuner's."""

    def __init__(self, call: Callable[[str, bytes], bytes]) -> None:
        self._handler = grpc.unary_unary_rpc_method_handler(
            lambda request, context: call(_said(context, wire.TUNER) or "", request)
        )

    def service(self, details: Any) -> Any:
        return self._handler if details.method == wire.CALL else None


class Gate(grpc.ServerInterceptor):  # type: ignore[misc]  # gRPC is not typed.
    """Checks the secret of every request, and sends errors back in words."""

    def __init__(self, secret: str | None, serve: Callable[..., Any]) -> None:
        self._secret = secret.encode() if secret else None
        self._serve = serve
        self._refuse = grpc.unary_unary_rpc_method_handler(
            lambda request, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "the secret is missing, or wrong")
        )

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        if self._secret is not None:
            shown = dict(details.invocation_metadata).get(wire.SECRET, b"")
            if not hmac.compare_digest(shown, self._secret):
                return self._refuse
        handler = continuation(details)
        if handler is None:
            return None

        def answer(request: Any, context: Any) -> Any:
            try:
                return self._serve(
                    _said(context, wire.TUNER),
                    _said(context, wire.TRIAL),
                    partial(handler.unary_unary, request, context),
                    is_oracles=details.method != wire.CALL,
                )
            except Exception as error:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, wire.describe_error(error)[:_NUM_LETTERS])

        return grpc.unary_unary_rpc_method_handler(answer, handler.request_deserializer, handler.response_serializer)


def _said(context: Any, name: str) -> str | None:
    """Returns the metadata of a request."""
    value = dict(context.invocation_metadata()).get(name)
    return None if value is None else value.decode()
