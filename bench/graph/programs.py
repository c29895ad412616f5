"""The C++ programs of this folder, compiled when first needed."""
import pathlib
import tempfile

from common.process import Failure, run, run_json

HERE = pathlib.Path(__file__).parent
_folder = tempfile.TemporaryDirectory(prefix="millrace-bench-")
_built = {}
LIBRARIES = {"grpc_load": ["-lnghttp2"], "bare_grpc": ["-lgrpc++", "-lgrpc", "-lgpr", "-labsl_synchronization"]}


def program(name):
    """Path of the compiled `name`.cc."""
    if name not in _built:
        binary = pathlib.Path(_folder.name) / name
        if name == "bare_grpc" and not any(pathlib.Path("/usr/include").glob("grpcpp/grpcpp.h")):
            raise Failure("gRPC's own library is missing: scripts/setup bench installs it")
        run(["g++", "-std=c++20", "-O2", HERE / f"{name}.cc", "-o", binary, *LIBRARIES.get(name, [])], 120)
        _built[name] = binary
    return _built[name]


def http_load(port, connections, seconds, target, request, rate=None):
    """Figures of a closed loop, or of `rate` requests a second that arrive by chance: requests_per_second, p50_us, p99_us."""
    with tempfile.TemporaryDirectory() as folder:
        head, body = pathlib.Path(folder) / "head", pathlib.Path(folder) / "body"
        head.write_bytes(request.head)
        body.write_bytes(request.body)
        paced = [] if rate is None else [rate]
        return run_json([program("http_load"), port, connections, seconds, target, head, body, *paced], 60 + 2 * seconds)


def grpc_load(port, calls, seconds, message):
    """The same of KServe's ModelInfer over gRPC."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "message"
        file.write_bytes(message)
        return run_json([program("grpc_load"), port, calls, seconds, "/inference.GRPCInferenceService/ModelInfer", file],
                        60 + 2 * seconds)
