#!/usr/bin/env python3
"""check_tree.py passes a clean tree and trips over each planted fault (its positive controls)."""
import pathlib
import tempfile
import unittest

import check_tree

CLEAN = {
    "LAYERS": "base :\nupper : base\n",
    "base/a.h": "#pragma once\n",
    "base/a.cc": '#include "base/a.h"\n',
    "base/a_test.cc": '#include "base/a.h"\n',
    "upper/b.cc": '#include "base/a.h"\n',
}


class CheckTree(unittest.TestCase):
    def findings(self, changes):
        with tempfile.TemporaryDirectory() as root:
            for name, text in {**CLEAN, **changes}.items():
                path = pathlib.Path(root) / "src" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return check_tree.check(root)

    def assert_only(self, changes, words):
        found = self.findings(changes)
        self.assertEqual(len(found), 1, found)
        self.assertIn(words, found[0])

    def test_clean_tree(self):
        self.assertEqual(self.findings({}), [])

    def test_upward_include(self):
        self.assert_only({"upper/c.h": "#pragma once\n", "base/a.cc": '#include "base/a.h"\n#include "upper/c.h"\n'},
                         "base/a.cc: includes upper/c.h")

    def test_unknown_folder(self):
        self.assert_only({"other/x.cc": "int x;\n"}, "not in src/LAYERS")

    def test_cycle(self):
        self.assert_only({"upper/x.h": '#include "upper/y.h"\n', "upper/y.h": '#include "upper/x.h"\n'}, "include cycle")

    def test_long_file(self):
        self.assert_only({"upper/long.cc": "int x;\n" * 501}, "at most 500")

    def test_long_function(self):
        self.assert_only({"upper/f.cc": "void f() {\n" + "  g();\n" * 70 + "}\n"}, "a function of 72 lines")

    def test_header_behind_a_tested_one_counts(self):
        self.assertEqual(self.findings({
            "upper/front.h": "#pragma once\n", "upper/front.cc": '#include "upper/front.h"\n#include "upper/inner.h"\n',
            "upper/inner.h": "#pragma once\n", "upper/inner.cc": '#include "upper/inner.h"\n',
            "upper/front_test.cc": '#include "upper/front.h"\n'}), [])

    def test_untested_header(self):
        self.assert_only({"upper/n.h": "#pragma once\n", "upper/n.cc": '#include "upper/n.h"\n'}, "no test in src/upper reaches it")


if __name__ == "__main__":
    unittest.main()
