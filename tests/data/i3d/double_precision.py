"""Writes train_step_f64.json: one training step in double precision, by PyTorch.

usage: lungs weights export CHECKPOINT --to pytorch-safetensors -o WEIGHTS
       python double_precision.py WEIGHTS > train_step_f64.json

The step is the one of i3d_patterned_train_step.json, which TensorFlow did in single precision.
Needs torch, numpy and safetensors.
"""

import json
import pathlib
import sys

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "docs/pytorch"))
from i3d import InceptionI3d  # noqa: E402

BRANCHES = {"b0": "Branch_0/Conv3d_0a_1x1", "b1a": "Branch_1/Conv3d_0a_1x1", "b1b": "Branch_1/Conv3d_0b_3x3",
            "b2a": "Branch_2/Conv3d_0a_1x1", "b2b": "Branch_2/Conv3d_0b_3x3", "b3b": "Branch_3/Conv3d_0b_1x1"}


def our_name(name):
    """`Mixed_5b.b2b.conv3d.weight` as `Mixed_5b/Branch_2/Conv3d_0a_3x3/conv_3d/w`."""
    *unit, kind, number = name.split(".")
    unit = [BRANCHES.get(part, part) for part in unit]
    unit = "/".join(unit).replace("logits", "Logits/Conv3d_0c_1x1")
    if unit == "Mixed_5b/Branch_2/Conv3d_0b_3x3":
        unit = "Mixed_5b/Branch_2/Conv3d_0a_3x3"
    return unit + {"conv3d.weight": "/conv_3d/w", "conv3d.bias": "/conv_3d/b", "bn.bias": "/batch_norm/beta"}[f"{kind}.{number}"]


network = InceptionI3d(classes=2, in_channels=3, keep_prob=1.0).double()
network.load_state_dict({name: array.double() for name, array in load_file(sys.argv[1]).items()})
for module in network.modules():
    if isinstance(module, torch.nn.BatchNorm3d):
        module.weight.requires_grad_(False)
hu = np.load(HERE / "i3d_patterned_input_hu_int16.npy").astype(np.float32)
window = np.clip((hu + np.float32(1000)) / np.float32(1400), 0, 1) * 2 - 1
volume = torch.tensor(window).double()[None, None].repeat(1, 3, 1, 1, 1)
volume = torch.cat([volume, volume.flip(4)])

trained = {name: value for name, value in network.named_parameters() if value.requires_grad}
adam = torch.optim.Adam(trained.values(), lr=1e-4, eps=1e-8)
logits = network.train()(volume)
loss = F.cross_entropy(logits, torch.tensor([0, 1]))
loss.backward()
gradients = {name: value.grad.clone() for name, value in trained.items()}
adam.step()

variables = {}
for name, gradient in gradients.items():
    gradient, after = gradient.flatten(), trained[name].detach().flatten()
    # Spread over the variable; where the gradient is next to nothing, Adam's first step is noise.
    at = [gradient.numel() * part // 8 for part in range(8)]
    at = sorted({index for index in at if gradient[index].abs() > 1e-2 * gradient.abs().max()} | {int(gradient.abs().argmax())})
    variables[our_name(name)] = {
        "norm": float(f"{gradient.norm().item():.9g}"),
        "largest": float(f"{gradient.abs().max().item():.9g}"),
        "at": at,
        "gradient": [float(f"{gradient[index].item():.9g}") for index in at],
        "after": [float(f"{after[index].item():.9g}") for index in at],
    }
written = {"torch": torch.__version__, "logits": logits.tolist(), "loss": loss.item()}
variables = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in variables.items())
print(json.dumps(written)[:-1] + ',\n"variables": {\n' + variables + "\n}}")
