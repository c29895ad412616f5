"""Small ONNX models and pipelines, made here, whose answers are known by arithmetic."""
import numpy as np
from onnx import TensorProto, helper

from graphs import constant, save, tensor

F32 = TensorProto.FLOAT
WIDTH = 512

TWO_STAGES = """
[input.x]
dtype = "FP32"
shape = [-1, {width}]

[[step]]
name = "front"
model = "heavy_one"
inputs = "input.x"

[[step]]
name = "back"
model = "heavy_two"
inputs = "front.y"

[output.y]
from = "back.y"
"""

# Boxes with a score; those above one half are told by the classifier, which is asked for each.
FIND_AND_NAME = """
description = "Keeps the likely rows, names each of them."

[input.rows]
dtype = "FP32"
shape = [-1, 4]

[input.scores]
dtype = "FP32"
shape = [-1]

[[step]]
name = "likely"
do = "filter"
above = 0.5
inputs = { scores = "input.scores", values = "input.rows" }

[[step]]
name = "classify"
model = "classifier"
inputs = { x = "likely.values" }

[[step]]
name = "probabilities"
do = "softmax"
inputs = "classify.logits"

[[step]]
name = "best"
do = "top_k"
k = 1
labels = "labels.txt"
inputs = "probabilities"

[[step]]
name = "label"
do = "reshape"
shape = [-1]
inputs = "best.labels"

[[step]]
name = "answer"
do = "map_json"
each_row = true
inputs = { label = "label", score = "likely.scores", row = "likely.indices" }

[output.json]
from = "answer"

[output.probabilities]
from = "probabilities"
"""

BRANCH = """
[input.x]
dtype = "FP32"
shape = [1, 4]

[[step]]
name = "gate"
model = "double"
inputs = "input.x"

[[step]]
name = "careful"
model = "add_ten"
inputs = "gate.y"
when = "max(gate.y) > 100"
else = "gate.y"

[[step]]
name = "was_careful"
do = "threshold"
above = 100
inputs = "gate.y"

[output.y]
from = "careful.y"

[output.large]
from = "was_careful.mask"
"""

SHARES = """
[input.x]
dtype = "FP32"
shape = [-1, {width}]

[[step]]
name = "only"
model = "heavy_one"
inputs = "input.x"

[output.{output}]
from = "only.y"
"""

HOSTILE = {  # name: (file, what its reason must say)
    "no_toml": ("][", "pipeline.toml:1"),
    "empty": ("", "no [input.NAME]"),
    "unknown_key": ("modle = 'x'\n" + BRANCH, 'unknown key "modle"'),
    "circle": (BRANCH.replace('inputs = "input.x"', 'inputs = "careful.y"'), "step 'gate': needs itself: gate → careful → gate"),
    "no_model": (BRANCH.replace('"double"', '"doubel"'), "step 'gate': model 'doubel': there is no such model"),
    "no_step": (BRANCH.replace('"threshold"', '"treshold"'), "step 'was_careful': do: there is no step"),
    "unused": (BRANCH.replace('[output.large]\nfrom = "was_careful.mask"', ""), "step 'was_careful': no output needs it"),
    "wrong_shape": (BRANCH.replace("[1, 4]", "[1, 5]"), "step 'gate': inputs: input.x is FP32 [1,5]"),
    "wrong_type": (BRANCH.replace('"FP32"', '"INT64"'), "step 'gate': inputs: input.x is INT64"),
    "bad_condition": (BRANCH.replace("max(gate.y) > 100", "gate.y is large"), "step 'careful': when:"),
    "outside": (FIND_AND_NAME.replace("labels.txt", "../double/1/model.onnx"), "step 'best': labels: there is no file"),
    "bad_option": (BRANCH.replace("above = 100", "above = 'much'"), "step 'was_careful': above: must be a number"),
    "itself": (BRANCH.replace('"double"', '"itself"'), "cannot use itself"),
    "needs_broken": (BRANCH.replace('"double"', '"broken"'), "model 'broken': The model failed to load"),
    "one_way": (BRANCH.replace('"double"', '"other_way"'), "cannot need each other"),
    "other_way": (BRANCH.replace('"double"', '"one_way"'), "cannot need each other"),
    "bomb": ("x = " + "[" * 50_000, "pipeline.toml:1"),
    "large": ("#" * 1_000_000, "bytes"),
}


def heavy(folder, name, seed):
    generator = np.random.default_rng(seed)
    weights, nodes, last = [], [], "x"
    for layer in range(8):
        matrix = generator.standard_normal((WIDTH, WIDTH)) / np.sqrt(WIDTH)
        weights.append(constant(f"w{layer}", matrix.astype(np.float32)))
        out = "y" if layer == 7 else f"h{layer}"
        nodes.append(helper.make_node("MatMul", [last, f"w{layer}"], [out]))
        last = out
    save(folder, name, nodes, [tensor("x", F32, ["n", WIDTH])], [tensor("y", F32, ["n", WIDTH])], weights)
    # What comes together is merged, also where running it side by side would be faster.
    (folder / name / "model.toml").write_text('performance-hint = "latency"\n')


def classifier_weights():
    return np.random.default_rng(7).standard_normal((4, 3)).astype(np.float32)


def pipeline(folder, name, toml, **files):
    (folder / name).mkdir()
    (folder / name / "pipeline.toml").write_text(toml)
    for file, text in files.items():
        (folder / name / file.replace("_txt", ".txt")).write_text(text)


def make_all(folder):
    def four(name):
        return tensor(name, F32, ["n", 4])
    save(folder, "double", [helper.make_node("Mul", ["x", "two"], ["y"])], [four("x")], [four("y")],
         [constant("two", np.float32(2))])
    save(folder, "add_ten", [helper.make_node("Add", ["x", "ten"], ["y"])], [four("x")], [four("y")],
         [constant("ten", np.float32(10))])
    save(folder, "classifier", [helper.make_node("MatMul", ["x", "w"], ["logits"])], [four("x")],
         [tensor("logits", F32, ["n", 3])], [constant("w", classifier_weights())])
    save(folder, "one_row", [helper.make_node("Mul", ["x", "two"], ["y"])], [tensor("x", F32, [1, 4])],
         [tensor("y", F32, [1, 4])], [constant("two", np.float32(2))])
    heavy(folder, "heavy_one", 1)
    heavy(folder, "heavy_two", 2)
    (folder / "broken").mkdir()
    (folder / "broken" / "model.onnx").write_bytes(b"this is no graph")
    pipeline(folder, "a_two_stages", TWO_STAGES.format(width=WIDTH))  # by name before the models it needs
    pipeline(folder, "find_and_name", FIND_AND_NAME, labels_txt="cat\ndog\nfish\n")
    pipeline(folder, "branch", BRANCH)
    for name in ("left", "right"):
        pipeline(folder, name, SHARES.format(width=WIDTH, output=name))
    pipeline(folder, "each", SHARES.format(width=4, output="y").replace("heavy_one", "one_row"))
    pipeline(folder, "nested", SHARES.format(width=WIDTH, output="y").replace("heavy_one", "a_two_stages"))
    for name, (toml, _) in HOSTILE.items():
        pipeline(folder, name, toml)
    return folder
