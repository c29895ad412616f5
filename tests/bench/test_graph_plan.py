"""bench/graph: every row exists once, its shapes are graphs that onnx accepts, and requests are what the server reads."""
import json

import onnx
import pytest

from common.goals import Goal
from common.jobs import Row, result_of
from common.measure import alternate
from common.process import Failure
from graph.floors import Floor, FlooredJob, whole
from graph.plan import Plan
from graph.requests import of_graph
from graph.shapes import SHAPES, GraphFile


class Nowhere:
    def __init__(self, folder):
        self.binary = folder / "millrace"
        self.models, self.threads, self.seconds, self.quick = folder, 2, 1, True


def test_names_are_unique_and_nothing_is_made(tmp_path):
    names = [row.name for job in Plan(Nowhere(tmp_path)).jobs() for row in job.rows]
    assert len(names) == len(set(names)) and len(names) >= 9
    assert not list(tmp_path.iterdir())


class Fixed:
    """A side that always gives the same figures."""

    def __init__(self, rate, **others):
        self.rate, self.others, self.program, self.flags = rate, others, "fixed", []

    def version(self):
        return "1"

    def run(self):
        if self.rate is None:
            raise Failure("it does not run")
        return {"rate": self.rate, **self.others}


@pytest.mark.parametrize("bare, fraction, note", [(1000, 0.9, "the largest ratio is 0.500"), (None, None, None)])
def test_rows_with_a_model_are_bounded_by_their_wire(bare, fraction, note):
    """A model that takes a millisecond behind a wire that takes another: at most half of the rate is left."""
    row = Row("m", "pictures/s", "rate", Goal(0.97), limit="HTTP", work=whole)
    job = FlooredJob(Fixed(450), Fixed(1000), [row], floor=Floor("HTTP", Fixed(bare), cores=2))
    ours, peer = alternate(job.ours, job.peer, 1)
    result = result_of(row, job, ours, peer, job.limits(peer))
    assert result["limit_fraction"] == fraction and result["ratio"] == 0.45 and result["met"] is False
    assert note is None if job.note is None else note in result["note"]


def test_what_the_client_takes_no_server_can_give_back():
    """250 µs of one of two cores, beside a model that takes both for a millisecond."""
    floor = Floor("gRPC", Fixed(1000, client_cpu_us=250), cores=2)
    job = FlooredJob(Fixed(450), Fixed(1000), [], floor=floor)
    job.limits(alternate(job.ours, job.peer, 1)[1])
    assert "leaves 0.889 to a server that costs nothing" in job.note


@pytest.mark.parametrize("shape", ["identity", "mobilenet-v2"])
@pytest.mark.parametrize("kind", ["f32", "int8"])
def test_shapes_are_valid_graphs(tmp_path, shape, kind):
    path = GraphFile(Nowhere(tmp_path), shape, kind).path()
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "n"
    operators = {node.op_type for node in model.graph.node}
    assert ("QuantizeLinear" in operators) == (kind == "int8" and shape != "identity")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_request_holds_what_its_head_says(shape):
    request = of_graph(shape)
    size = int(request.head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
    head = json.loads(request.body[:size])
    assert head["inputs"][0]["parameters"]["binary_data_size"] == len(request.body) - size


@pytest.mark.parametrize("goal, ours, ratio, met", [
    (Goal(0.7, at_least=60_000), 61_000, 0.5, True), (Goal(0.7, at_least=60_000), 40_000, 0.71, True),
    (Goal(0.7, at_least=60_000), 40_000, 0.69, False),
    (Goal(more=50), 90, 45 / 90, True), (Goal(more=50), 96, 45 / 96, False)])
def test_goals_of_rates_and_of_added_latency(goal, ours, ratio, met):
    assert goal.met(ours, ratio, None) is met
