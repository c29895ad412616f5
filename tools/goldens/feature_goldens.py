"""SavedModels with sparse and ragged features of tf.Examples and with strings, and what TensorFlow answers: tests/goldens/saved_models."""
import json
import tempfile

import tensorflow as tf

from saved_model_goldens import EXAMPLES, OUT, example, packed, text

FEATURES = {
    "a": tf.io.FixedLenFeature([2], tf.float32, default_value=[0.0, 1.0]),
    "id": tf.io.FixedLenFeature([], tf.string, default_value="nobody"),
    "s": tf.io.VarLenFeature(tf.float32),
    "n": tf.io.VarLenFeature(tf.int64),
    "words": tf.io.VarLenFeature(tf.string),
    "r": tf.io.RaggedFeature(tf.float32),
    "q": tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64),
}
LABELS = [b"cat", b"a label that is longer than sixteen bytes", b"\xff\x00\xfe"]
A = tf.TensorSpec([None, 3], tf.float32, name="a")
NAMES = tf.TensorSpec([None], tf.string, name="names")


class Features(tf.Module):
    def __init__(self):
        super().__init__()
        self.table = tf.Variable(tf.reshape(tf.range(24, dtype=tf.float32), [8, 3]), name="table")
        keys = tf.constant([0, 1, 2], tf.int64)
        self.names = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, tf.constant(LABELS)), "unknown")

    @tf.function(input_signature=[EXAMPLES])
    def dense(self, examples):
        f = tf.io.parse_example(examples, FEATURES)
        return {"s": tf.sparse.to_dense(f["s"], default_value=-1.0), "n": tf.sparse.to_dense(f["n"])}

    @tf.function(input_signature=[EXAMPLES])
    def parts(self, examples):
        f = tf.io.parse_example(examples, FEATURES)
        return {"indices": f["s"].indices, "values": 2.0 * f["s"].values, "shape": f["s"].dense_shape}

    @tf.function(input_signature=[EXAMPLES])
    def embedded(self, examples):
        f = tf.io.parse_example(examples, FEATURES)
        n = f["n"]
        wide = tf.sparse.SparseTensor(n.indices, tf.cast(n.values, tf.float32), tf.stack([n.dense_shape[0], tf.constant(8, tf.int64)]))
        return {"product": tf.sparse.sparse_dense_matmul(wide, self.table), "sum": self.looked_up(n, "sum"), "mean": self.looked_up(n, "mean")}

    def looked_up(self, ids, combiner):
        return tf.nn.embedding_lookup_sparse(self.table, ids, None, combiner=combiner)

    @tf.function(input_signature=[EXAMPLES])
    def ragged(self, examples):
        f = tf.io.parse_example(examples, FEATURES)
        return {"sum": tf.reduce_sum(f["r"], axis=1), "length": f["q"].row_lengths(), "even": f["r"].to_tensor(default_value=-2.0),
                "cut": f["q"].to_tensor(shape=[None, 2])}

    @tf.function(input_signature=[EXAMPLES])
    def texts(self, examples):
        f = tf.io.parse_example(examples, FEATURES)
        return {"words_bytes": tf.sparse.to_dense(f["words"], default_value="-"), "id": f["id"], "is_ada": tf.equal(f["id"], "ada")}

    @tf.function(input_signature=[EXAMPLES])
    def classify(self, examples):
        f = tf.io.parse_example(examples, FEATURES)
        scores = tf.concat([f["a"], tf.reduce_sum(f["a"], 1, keepdims=True)], 1)
        return {"classes": tf.tile([["cat", "dog", "both"]], [tf.shape(scores)[0], 1]), "scores": scores}

    @tf.function(input_signature=[A])
    def labels(self, a):
        best = tf.math.top_k(a, 2).indices
        return {"label": self.names.lookup(tf.argmax(a, 1) * 2), "best_bytes": tf.gather(tf.constant(LABELS), best)}

    @tf.function(input_signature=[NAMES])
    def greet(self, names):
        return {"names": tf.where(tf.equal(names, ""), "nobody", names)}

    @tf.function(input_signature=[EXAMPLES])
    def reduced(self, examples):
        return {"sums": tf.sparse.reduce_sum(tf.io.parse_example(examples, FEATURES)["s"], axis=1)}

    @tf.function(input_signature=[NAMES])
    def joined(self, names):
        return {"joined": tf.strings.join([names, "!"])}


GOOD = [example(a=[1.0, 2.0], id=[b"ada"], s=[1.0, 2.0, 3.0], n=[1, 7], words=[b"one", b"\xff\x00", b""], r=[1.0, 2.0], q=[1, 2, 3]),
        example(s=[]),
        example(a=[3.0, 4.0], id=[b"grace"], s=[4.0], n=[2], words=[b"a word that is longer than sixteen bytes"], r=[5.0], q=[4]),
        example(n=[3, 4, 5], r=[1.0, 1.0, 1.0])]
BAD = {"s": [example(s=[1]), example(s=[b"text"])], "r": [example(r=[1]), example(r=[b"text"])]}


def listed(value):
    """As JSON: strings in base64."""
    if isinstance(value, bytes):
        return {"b64": text(value)}
    return [listed(one) for one in value] if isinstance(value, list) else value


def main():
    model = Features()
    of_examples = {"serving_default": model.classify, "dense": model.dense, "parts": model.parts, "embedded": model.embedded, "ragged": model.ragged,
                   "texts": model.texts}
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(model, folder, signatures={**of_examples, "labels": model.labels, "greet": model.greet,
                                                       "reduced": model.reduced, "joined": model.joined})
        files = packed(folder)
        signatures = tf.saved_model.load(folder).signatures

        def answer(name, **inputs):
            return {key: listed(value.numpy().tolist()) for key, value in signatures[name](**inputs).items()}

        answers = {name: answer(name, examples=tf.constant(GOOD)) for name in of_examples}
        for name, bad in BAD.items():
            for one in bad:
                try:
                    signatures["dense" if name == "s" else "ragged"](examples=tf.constant([one]))
                except tf.errors.InvalidArgumentError:
                    continue
                raise SystemExit(f"TensorFlow takes {one}")
        rows = [[3.0, 1.0, 2.0], [0.0, 0.5, 0.25], [1.0, 2.0, 3.0]]
        names = [b"ada", b"", b"\xff\x00", b"a name that is longer than sixteen bytes", b"ada"]
        plain = {"labels": {"a": rows, "answer": answer("labels", a=tf.constant(rows))},
                 "greet": {"names": listed(names), "answer": answer("greet", names=tf.constant(names))}}
    out = OUT.with_name("features.json")
    out.write_text(json.dumps({"tensorflow": tf.__version__, "files": files, "examples": [text(good) for good in GOOD], "answers": answers,
                               "plain": plain, "refused": {name: [text(bad) for bad in all] for name, all in BAD.items()}}, indent=1) + "\n")


if __name__ == "__main__":
    main()
