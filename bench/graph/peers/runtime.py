"""OpenVINO in its own process, without a server: its benchmark_app, which fills the inputs once and infers for some seconds."""
import json
import pathlib
import sys
import tempfile

from common.process import Failure, require, run


class BenchmarkApp:
    program = "benchmark_app"

    def __init__(self, setup, file, hint):
        self.setup, self.file = setup, file
        self.flags = ["-d", "CPU", "-hint", hint, "-t", setup.seconds]

    def version(self):
        return run([sys.executable, "-c", "import openvino; print('OpenVINO', openvino.__version__)"], 60).strip()

    def run(self):
        app = pathlib.Path(sys.executable).with_name("benchmark_app")
        require(app, "it comes with the openvino package")
        with tempfile.TemporaryDirectory() as folder:
            run([app, "-m", self.file.path(), *self.flags, "-data_shape", "[1,3,224,224]", "-shape", "[1,3,224,224]",
                 "-report_type", "no_counters", "-json_stats", "-report_folder", folder], 300)
            report = json.loads((pathlib.Path(folder) / "benchmark_report.json").read_text())
        if "throughput" not in report["execution_results"]:
            raise Failure("benchmark_app's report has no throughput")
        return {"rate": float(report["execution_results"]["throughput"])}
