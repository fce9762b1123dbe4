"""Writes tiny files of every kind that torch.save makes.

usage: python make.py      (needs torch and safetensors; last run with torch 2.15)
"""

import argparse
import os
from collections import OrderedDict

import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
whole = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4) / 4
tensors = OrderedDict(
    f32=whole,
    f64=whole.double(),
    f16=whole.half(),
    bf16=whole.bfloat16(),
    i64=torch.arange(3),
    flags=torch.tensor([True, False]),
    scalar=torch.tensor(37.5),
    empty=torch.zeros(0, 4),
    transposed=whole.permute(2, 0, 1),
    sliced=whole[:, 1:, ::2],
    expanded=torch.tensor([[1.0], [2.0]]).expand(2, 3),
    parameter=torch.nn.Parameter(torch.tensor([1.5, -2.0])),
)
layer = torch.nn.Linear(2, 1)
with torch.no_grad():
    layer.weight.copy_(torch.tensor([[0.5, -0.25]]))
    layer.bias.copy_(torch.tensor([0.125]))
optimizer = torch.optim.Adam(layer.parameters())
layer(torch.ones(1, 2)).sum().backward()
optimizer.step()
with torch.no_grad():
    layer.weight.copy_(torch.tensor([[0.5, -0.25]]))
    layer.bias.copy_(torch.tensor([0.125]))
training = {
    "state_dict": {f"module.{name}": tensor for name, tensor in layer.state_dict().items()},
    "optimizer": optimizer.state_dict(),
    "epoch": 3,
    "arguments": argparse.Namespace(rate=0.1),
}


def save(name, what, **options):
    torch.save(what, os.path.join(HERE, name), **options)


save("kinds.pt", tensors)
save("kinds-older.pt", tensors, _use_new_zipfile_serialization=False)
save("training.pt", training)
save("training-older.pt", training, _use_new_zipfile_serialization=False)
save("training-protocol-4.pt", training, pickle_protocol=4)
save("model.pt", layer)
save_file({"f32": whole, "f16": whole.half(), "i64": torch.arange(3)}, os.path.join(HERE, "kinds.safetensors"), metadata={"by": "make.py"})
