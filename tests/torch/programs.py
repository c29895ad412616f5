"""PyTorch programs for the tests, made with the torch of .venv/torch; their answers are torch's own.

usage: .venv/torch/bin/python programs.py FOLDER [packages]
Writes one model a folder, and FOLDER/expected.json: {model: {"inputs": {name: nested}, "outputs": [nested]}}.
"""
import json
import pathlib
import sys
from typing import Dict, NamedTuple, Optional, Tuple

import torch
from torch import Tensor, nn


class Double(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


class Mixing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0, keepdim=True)


class Pair(NamedTuple):
    total: Tensor
    largest: Tensor


class Two(nn.Module):
    def forward(self, a: Tensor, ids: Tensor, scale: Optional[Tensor] = None) -> Pair:
        total = a.sum(1) + ids.sum(1)
        if scale is not None:
            total = total * scale
        return Pair(total=total, largest=a.argmax(1))


class Table(nn.Module):
    def forward(self, x: Tensor) -> Dict[str, Tensor]:
        return {"half": x / 2, "mask": x > 0}


class Writes(nn.Module):
    """Writes into its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x.add_(1)


class Refuses(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if bool(x[0, 0] < 0):
            raise ValueError("no negative numbers")
        return x


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                                  nn.Linear(8, 5))

    def forward(self, image: Tensor) -> Tensor:
        return self.body(image).softmax(1)


def tables(**shapes):
    return "".join(f'[[input]]\nname = "{name}"\ndtype = "{dtype}"\nshape = {list(shape)}\n'
                   for name, (dtype, shape) in shapes.items())


def nested(value):
    tensors = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else [value]
    return [tensor.tolist() for tensor in tensors]


def save(folder, name, module, inputs, toml, expected, package=False):
    place = folder / name
    place.mkdir()
    (place / "model.toml").write_text(toml)
    module.eval()
    with torch.no_grad():
        expected[name] = {"inputs": {key: tensor.tolist() for key, tensor in inputs.items()},
                          "outputs": nested(module(**{key: tensor.clone() for key, tensor in inputs.items()}))}
        if not package:
            return torch.jit.script(module).save(str(place / "model.pt"))
        from torch._inductor import aoti_compile_and_package
        axis = {0: torch.export.Dim("rows", min=1, max=1024)}
        program = torch.export.export(module, tuple(torch.cat([t, t]) for t in inputs.values()),
                                      dynamic_shapes=tuple(axis for _ in inputs))
        aoti_compile_and_package(program, package_path=str(place / "model.pt2"))


def main(folder, packages):
    torch.manual_seed(1)
    expected = {}
    x = torch.tensor([[1.0, -2.0], [0.5, 8.0]])
    f32_rows = tables(x=("FP32", (-1, 2)))
    for name, module in (("double", Double()), ("mixing", Mixing()), ("table", Table()), ("writes", Writes())):
        save(folder, name, module, {"x": x}, f32_rows, expected)
    # It may not run on made-up values, so that its output is declared.
    save(folder, "refuses", Refuses(), {"x": x.abs()},
         f32_rows + '[[output]]\nname = "same"\ndtype = "FP32"\nshape = [-1, 2]\n', expected)
    # As the contract's tests want it: the output has a name.
    (folder / "double" / "model.toml").write_text(f32_rows + '[[output]]\nname = "y"\ndtype = "FP32"\nshape = [-1, 2]\n')
    save(folder, "two", Two(), {"a": torch.tensor([[1.0, 5.0, 2.0]]), "ids": torch.tensor([[3, 4]])},
         tables(a=("FP32", (-1, 3)), ids=("INT64", (-1, 2))), expected)
    image = torch.rand(2, 3, 8, 8)
    save(folder, "net", Net(), {"image": image}, tables(image=("FP32", (-1, 3, 8, 8))), expected)
    save(folder, "undeclared", Double(), {"x": x}, "", expected)
    save(folder, "misnamed", Double(), {"x": x}, tables(z=("FP32", (-1, 2))), expected)
    (folder / "weights").mkdir()
    torch.save(Net().state_dict(), folder / "weights" / "model.pt")
    (folder / "exported").mkdir()
    torch.export.save(torch.export.export(Double(), (x,)), folder / "exported" / "model.pt2")
    (folder / "damaged").mkdir()
    whole = (folder / "double" / "model.pt").read_bytes()
    (folder / "damaged" / "model.pt").write_bytes(whole[:len(whole) // 2])
    if packages:
        save(folder, "packed_double", Double(), {"x": x}, f32_rows, expected, package=True)
        save(folder, "packed_net", Net(), {"image": image}, tables(image=("FP32", (-1, 3, 8, 8))), expected, package=True)
        # Says that rows are wider than what was compiled.
        (folder / "lies").mkdir()
        (folder / "lies" / "model.toml").write_text(tables(x=("FP32", (-1, 4))))
        (folder / "lies" / "model.pt2").write_bytes((folder / "packed_double" / "model.pt2").read_bytes())
    (folder / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), "packages" in sys.argv[2:])
