"""What /metrics says of graph models, read by prometheus_client, against KServe's statistics."""
import concurrent.futures
import time

import numpy as np
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from tritonclient.utils import InferenceServerException

from conftest import client_of
from graphs import SLOW_WIDTH, add_constant, make_all
from live_server import serving
from test_clients import infer, input_of

REASONS = ("REJECTED", "CANCELED", "BACKEND", "OTHER")
DURATIONS = {"request": "success", "queue": "queue", "compute_input": "compute_input", "compute_infer": "compute_infer",
             "compute_output": "compute_output"}
COUNTERS = {"nv_inference_request_success", "nv_inference_request_failure", "nv_inference_count", "nv_inference_exec_count",
            *(f"nv_inference_{name}_duration_us" for name in DURATIONS)}
ROW = np.ones((1, SLOW_WIDTH), dtype=np.float32)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(make_all(tmp_path_factory.mktemp("models"))) as started:
        yield started


@pytest.fixture(scope="module")
def client(server):
    with client_of(server, concurrency=8) as made:
        yield made


def families_of(server):
    return list(text_string_to_metric_families(requests.get(server.admin_url + "/metrics", timeout=10).text))


def tritons(server, model, version="1"):
    """{name, or (name, reason): value}; a series that is there twice is an error. The names are the families': the parser
    hangs OpenMetrics' "_total" on those of a counter's samples."""
    found = {}
    for family in families_of(server):
        for sample in family.samples if family.name.startswith("nv_") else ():
            labels = dict(sample.labels)
            if (labels.pop("model"), labels.pop("version")) != (model, version):
                continue
            key = (family.name, labels.pop("reason")) if labels else family.name
            assert not labels and key not in found, sample
            found[key] = sample.value
    return found


def ours(server, name, model):
    return sum(sample.value for family in families_of(server) for sample in family.samples
               if sample.name == name and sample.labels["model_name"] == model)


def check(server, client, model, version="1"):
    stats = client.get_inference_statistics(model, version)["model_stats"][0]
    sums, shown = stats["inference_stats"], tritons(server, model, version)
    assert shown["nv_inference_request_success"] == sums["success"]["count"]
    assert sum(shown["nv_inference_request_failure", reason] for reason in REASONS) == sums["fail"]["count"]
    assert shown["nv_inference_count"] == stats["inference_count"]
    assert shown["nv_inference_exec_count"] == stats["execution_count"]
    for name, key in DURATIONS.items():
        assert shown[f"nv_inference_{name}_duration_us"] == sums[key]["ns"] // 1000, name
    assert shown["nv_inference_pending_request_count"] == 0
    assert len(shown) == len(COUNTERS) - 1 + len(REASONS) + 1
    return shown


def test_types_and_labels(server, client):
    infer(client, "root", np.ones((1, 2), dtype=np.float32))
    families = {}
    for family in families_of(server):
        assert family.name not in families, f"{family.name} is there twice"
        families[family.name] = family
    assert {name for name in families if name.startswith("nv_")} == COUNTERS | {"nv_inference_pending_request_count"}
    for name in COUNTERS:
        assert families[name].type == "counter" and families[name].documentation
    assert families["nv_inference_pending_request_count"].type == "gauge"
    for name in ("millrace_inference_seconds", "millrace_inference_queue_seconds", "millrace_inference_compute_seconds"):
        assert families[name].type == "histogram"
        bounds = [sample.labels["le"] for sample in families[name].samples
                  if sample.name.endswith("_bucket") and sample.labels["model_name"] == "root"]
        assert bounds == ["0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
                          "0.5", "1", "2.5", "5", "10", "+Inf"]


def test_tritons_names_say_what_the_statistics_say(server, client):
    for rows in (1, 3):
        array = np.ones((rows, 4), dtype=np.float32)
        client.infer("add_sub", [input_of(name, "FP32", array) for name in ("a", "b")])
    shown = check(server, client, "add_sub")
    assert (shown["nv_inference_request_success"], shown["nv_inference_count"], shown["nv_inference_exec_count"]) == (2, 4, 2)
    with client_of(server, concurrency=16) as many:
        for call in [many.async_infer("slow", [input_of("x", "FP32", ROW)]) for _ in range(64)]:
            call.get_result()
    with pytest.raises(InferenceServerException):
        infer(client, "slow", ROW, timeout=1)
    shown = check(server, client, "slow")
    assert shown["nv_inference_count"] == 64 and shown["nv_inference_exec_count"] <= 64
    assert shown["nv_inference_request_failure", "REJECTED"] == 1
    assert shown["nv_inference_request_duration_us"] >= shown["nv_inference_compute_infer_duration_us"] > 0
    for model in client.get_inference_statistics()["model_stats"]:
        check(server, client, model["name"], model["version"])


def test_what_waits_is_pending(server):
    """Asked from threads: a client's asynchronous calls are greenlets, which stand still while this one looks at metrics."""
    rows = np.ones((2000, SLOW_WIDTH), dtype=np.float32)

    def ask(_):
        with client_of(server) as own:
            return infer(own, "slow", rows).as_numpy("y").shape

    def loads():
        return {state: ours(server, f"millrace_inferences_{state}", "slow") for state in ("pending", "running")}

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        calls = [pool.submit(ask, i) for i in range(12)]
        most = loads()
        while not all(call.done() for call in calls):
            most = {state: max(most[state], value) for state, value in loads().items()}
        assert all(call.result() == rows.shape for call in calls)
    assert most["pending"] > 0 and most["running"] > 0, most
    assert loads() == {"pending": 0, "running": 0}


def test_a_model_that_is_loaded_again_goes_on_in_its_series(tmp_path):
    add_constant(tmp_path, "plus", 1)
    row = np.ones((1, 2), dtype=np.float32)
    with serving(tmp_path, "--model-control-mode", "explicit", "--load-model", "plus") as own, client_of(own) as client:
        infer(client, "plus", row)
        check(own, client, "plus")
        before = tritons(own, "plus")
        client.unload_model("plus")
        deadline = time.monotonic() + 30
        while client.is_model_ready("plus") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert tritons(own, "plus") == before
        client.load_model("plus")
        infer(client, "plus", row)
        assert client.get_inference_statistics("plus")["model_stats"][0]["inference_count"] == 1
        assert tritons(own, "plus")["nv_inference_count"] == 2
