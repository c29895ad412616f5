"""TorchScript and AOTInductor programs over every dialect: the answers are torch's own."""
import concurrent.futures

import numpy as np
import pytest
import requests
import tritonclient.http as triton

SCRIPTS = ["double", "mixing", "table", "writes", "refuses", "two", "net"]
PACKAGES = ["packed_double", "packed_net"]
TYPES = {"ids": ("INT64", np.int64)}


def near(got, expected):
    return np.allclose(np.array(got, dtype=np.float64), np.array(expected, dtype=np.float64), rtol=1e-5, atol=1e-6)


def predict(programs, model, body, **more):
    return requests.post(f"{programs.server.url}/predictions/{model}", json=body, timeout=60, **more)


@pytest.mark.parametrize("model", SCRIPTS + PACKAGES)
def test_predictions(programs, model):
    known = programs.expected[model]
    answer = predict(programs, model, known["inputs"])
    assert answer.status_code == 200, answer.text
    outputs = answer.json()
    outputs = list(outputs.values()) if isinstance(outputs, dict) else [outputs]
    assert len(outputs) == len(known["outputs"])
    assert all(map(near, outputs, known["outputs"]))


@pytest.mark.parametrize("model", SCRIPTS + PACKAGES)
def test_kserve_with_binary_tensors(programs, model):
    known = programs.expected[model]
    inputs = []
    for name, values in known["inputs"].items():
        datatype, dtype = TYPES.get(name, ("FP32", np.float32))
        array = np.array(values, dtype=dtype)
        inputs.append(triton.InferInput(name, list(array.shape), datatype))
        inputs[-1].set_data_from_numpy(array)
    with triton.InferenceServerClient(f"{programs.server.host}:{programs.server.port}") as client:
        metadata = client.get_model_metadata(model)
        assert metadata["platform"] == ("torch_aotinductor" if model in PACKAGES else "torch_torchscript")
        result = client.infer(model, inputs)
    for output, expected in zip(metadata["outputs"], known["outputs"], strict=True):
        assert near(result.as_numpy(output["name"]), expected)


def test_rows_of_a_package(programs):
    """PyTorch compiles an open dimension for two rows and more: one alone is refused, and nothing is merged."""
    assert predict(programs, "packed_double", [[1, 2], [3, 4]]).json() == [[2, 4], [6, 8]]
    alone = predict(programs, "packed_double", [[1, 2]])
    assert alone.status_code == 400 and "shapes" in alone.json()["message"]


@pytest.mark.parametrize("model", ["double"])
def test_rows_and_other_forms(programs, model):
    assert predict(programs, model, [1, 2]).json() == [2, 4]
    assert predict(programs, model, {"data": [[1, 2]]}).json() == [[2, 4]]
    rows = requests.post(f"{programs.server.url}/v1/models/{model}:predict", json={"instances": [[1, 2], [3, 4]]}, timeout=60)
    assert rows.json() == {"predictions": [[2, 4], [6, 8]]}


@pytest.mark.parametrize("model", ["double", "net"])
def test_many_at_once_get_their_own_answers(programs, model):
    shape = (2,) if "double" in model else (3, 8, 8)

    def ask(i):
        row = np.full(shape, i, dtype=np.float32).tolist()
        return predict(programs, model, row).json()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(64)))
    if "double" in model:
        assert answers == [[2 * i, 2 * i] for i in range(64)]
    else:
        alone = [ask(i) for i in range(64)]
        assert all(map(near, answers, alone))


HOSTILE = {  # name: (model, body, status)
    "a value that the program refuses": ("refuses", [[-1, 0]], 400),
    "too wide": ("double", [[1, 2, 3]], 400),
    "too wide for a package": ("packed_double", [[1, 2, 3]], 400),
    "no rows": ("net", [], 400),
    "a declared shape that is not the package's": ("lies", [[1, 2, 3, 4]], 503),
    "undeclared": ("undeclared", [[1, 2]], 503),
    "pickled weights": ("weights", [[1, 2]], 503),
    "not there": ("none", [[1, 2]], 404),
    "an input is missing": ("two", {"a": [[1, 2, 3]]}, 400),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(programs, name):
    model, body, status = HOSTILE[name]
    answer = predict(programs, model, body)
    assert answer.status_code == status, answer.text
    assert answer.json()["code"] == status and "/" not in answer.json()["message"]
    assert predict(programs, "double", [[1, 2]]).json() == [[2, 4]]


@pytest.mark.parametrize("model, says", [
    ("undeclared", 'for each of x: [[input]] name = "x"'), ("misnamed", "[[input]]"), ("weights", "pickled"),
    ("exported", "aoti_compile_and_package"), ("damaged", "damaged"), ("lies", "[[input]]")])
def test_why_a_model_does_not_load(programs, model, says):
    (described,) = requests.get(f"{programs.server.admin_url}/models/{model}", timeout=10).json()
    (worker,) = described["workers"]
    assert worker["status"] == "UNAVAILABLE" and says in worker["error"], worker


def test_taken_down_and_loaded_again(programs):
    admin = programs.server.admin_url
    for model in ("double", "packed_double"):
        assert requests.delete(f"{admin}/models/{model}", timeout=10).status_code == 200
        assert predict(programs, model, [[1, 2]]).status_code == 503
        assert requests.post(f"{admin}/models", params={"url": model}, timeout=60).status_code == 200
        assert predict(programs, model, [[1, 2], [3, 4]]).json() == [[2, 4], [6, 8]]
