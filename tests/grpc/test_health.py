"""The health protocol under its official stubs."""
import grpc
import pytest
import requests
from grpc_health.v1 import health_pb2, health_pb2_grpc

from conftest import channel_of
from live_server import serving, sim_models

SERVING, NOT_SERVING, UNKNOWN = (getattr(health_pb2.HealthCheckResponse, name)
                                 for name in ("SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"))


def test_check(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    for service in ("", "inference.GRPCInferenceService", "tensorflow.serving.PredictionService"):
        assert stub.Check(health_pb2.HealthCheckRequest(service=service)).status == SERVING
    with pytest.raises(grpc.RpcError) as refused:
        stub.Check(health_pb2.HealthCheckRequest(service="none"))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


def test_watch_tells_of_changes(tmp_path):
    folder, model = sim_models(tmp_path)
    with serving(folder) as own, channel_of(own) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        assert next(stub.Watch(health_pb2.HealthCheckRequest(service="none"))).status == UNKNOWN
        watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=60)
        assert next(watch).status == SERVING
        requests.post(f"{own.admin_url}/v2/repository/models/{model}/unload", timeout=10).raise_for_status()
        assert next(watch).status == NOT_SERVING
        requests.post(f"{own.admin_url}/v2/repository/models/{model}/load", timeout=60).raise_for_status()
        assert next(watch).status == SERVING
        own.terminate()
        with pytest.raises(grpc.RpcError) as ended:
            while True:
                assert next(watch).status == NOT_SERVING
        assert ended.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        own.process.wait(30)
