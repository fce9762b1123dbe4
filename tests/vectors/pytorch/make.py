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


class Foreign:
    """A class of a library that is not installed where the file is read, such as a callback of Lightning."""

    def __init__(self):
        self.best = torch.tensor(0.25)

    def __reduce__(self):
        return (print, ("executed",), self.__dict__)


def lightning():
    """A checkpoint as PyTorch Lightning writes it, with the names of Sybil's network and tiny shapes."""
    state = OrderedDict()
    for name, shape in [
        ("image_encoder.0.0.weight", (2, 3, 1, 1, 1)),
        ("image_encoder.0.1.weight", (2,)),
        ("image_encoder.0.1.running_mean", (2,)),
        ("pool.image_pool1.attention_fc.weight", (1, 2)),
        ("pool.volume_pool2.conv1d.weight", (2, 2, 11)),
        ("prob_of_failure_layer.hazard_fc.weight", (6, 2)),
    ]:
        count = torch.Size(shape).numel()
        state[f"model.{name}"] = torch.arange(count, dtype=torch.float32).reshape(shape) / 8
    state["model.image_encoder.0.1.num_batches_tracked"] = torch.tensor(7)
    state["model.prob_of_failure_layer.upper_triagular_mask"] = torch.ones(6, 6).triu()
    state._metadata = OrderedDict([("", {"version": 1})])
    arguments = argparse.Namespace(
        dropout=0.1, max_followup=6, censoring_distribution={"0": 0.98}, nested=argparse.Namespace(device=torch.device("cpu"))
    )
    arguments.itself = arguments
    return {
        "epoch": 7,
        "pytorch-lightning_version": "1.6.0",
        "state_dict": state,
        "callbacks": {Foreign: {"best_model_score": torch.tensor(0.5)}, "EarlyStopping": Foreign()},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [{"params": [0]}]}],
        "args": arguments,
        "hyper_parameters": {"args": arguments},
    }


save("lightning.ckpt", lightning())
save("lightning-older.ckpt", lightning(), _use_new_zipfile_serialization=False)
save_file({"f32": whole, "f16": whole.half(), "i64": torch.arange(3)}, os.path.join(HERE, "kinds.safetensors"), metadata={"by": "make.py"})
