"""A SavedModel whose functions parse serialised tf.Examples, and what TensorFlow answers: tests/goldens/saved_models."""
import base64
import json
import lzma
import pathlib
import tempfile

import tensorflow as tf

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "goldens" / "saved_models" / "examples.json"
FEATURES = {
    "a": tf.io.FixedLenFeature([3], tf.float32),
    "b": tf.io.FixedLenFeature([], tf.int64, default_value=7),
    "c": tf.io.FixedLenFeature([2], tf.float32, default_value=[0.5, 1.5]),
    "unused": tf.io.FixedLenFeature([1], tf.string, default_value=[b"none"]),
    "v": tf.io.FixedLenSequenceFeature([], tf.float32, allow_missing=True, default_value=-1.0),
}
EXAMPLES = tf.TensorSpec([None], tf.string, name="examples")


class Parsed(tf.Module):
    def __init__(self):
        super().__init__()
        self.weights = tf.Variable([[1.0], [2.0], [3.0]], name="weights")

    @tf.function
    def weighted(self, features):
        return tf.linalg.matmul(features["a"], self.weights), features

    @tf.function(input_signature=[EXAMPLES])
    def classify(self, examples):
        first, features = self.weighted(tf.io.parse_example(examples, FEATURES))
        return {"scores": tf.concat([first, features["c"] * tf.cast(tf.expand_dims(features["b"], 1), tf.float32)], 1)}

    @tf.function(input_signature=[EXAMPLES])
    def regress(self, examples):
        features = tf.io.parse_example(examples, FEATURES)
        return {"outputs": tf.reduce_sum(features["v"], axis=1, keepdims=True) + tf.reduce_sum(features["c"], 1, keepdims=True)}

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="a")])
    def plain(self, a):
        return {"y": tf.linalg.matmul(a, self.weights)}


def feature(values):
    if not values:
        return tf.train.Feature()
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    if isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def example(**features):
    made = tf.train.Example(features=tf.train.Features(feature={key: feature(values) for key, values in features.items()}))
    return made.SerializeToString(deterministic=True)


GOOD = [example(a=[1.0, 2.0, 3.0], b=[2], c=[1.0, 10.0], unused=[b"u"], v=[1.0, 2.0, 3.0]),
        example(a=[0.0, 0.0, 1.0]),
        example(a=[0.0, 1.0, 0.0], b=[-5], v=[4.0], extra=[9]),
        example(a=[1.0, 2.0, 3.0], c=[]),
        example(a=[1.0, 2.0, 3.0]) + example(a=[0.0, 0.0, 1.0])]
BAD = {"a": [example(b=[1]), example(a=[1, 2, 3]), example(a=[1.0, 2.0]), example(a=[])],
       "b": [example(a=[1.0, 2.0, 3.0], b=[1.0]), example(a=[1.0, 2.0, 3.0], b=[1, 2])],
       "examples": [b"\x0a\xff\xff", b"no example"]}


def text(data):
    return base64.b64encode(data).decode()


def packed(folder):
    names = ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"]
    return {name: text(lzma.compress((pathlib.Path(folder) / name).read_bytes())) for name in names}


def main():
    with tempfile.TemporaryDirectory() as folder:
        model = Parsed()
        tf.saved_model.save(model, folder, signatures={
            "serving_default": model.classify, "regress": model.regress, "plain": model.plain})
        signatures = tf.saved_model.load(folder).signatures
        answers = {"serving_default": signatures["serving_default"](examples=tf.constant(GOOD))["scores"].numpy().tolist(),
                   "regress": signatures["regress"](examples=tf.constant(GOOD))["outputs"].numpy().tolist()}
        for bad in sum(BAD.values(), []):
            try:
                signatures["serving_default"](examples=tf.constant([bad]))
            except (tf.errors.InvalidArgumentError, UnicodeDecodeError):  # the second: of its own message
                continue
            raise SystemExit(f"TensorFlow takes {bad}")
        files = packed(folder)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps({"tensorflow": tf.__version__, "files": files, "examples": [text(good) for good in GOOD],
                               "answers": answers, "refused": {name: [text(bad) for bad in all] for name, all in BAD.items()}},
                              indent=1) + "\n")


if __name__ == "__main__":
    main()
