"""Writes narrow networks with random weights in the layouts of torchvision's GoogLeNet and of the
public PyTorch I3D, and what PyTorch computes with them in double precision.

usage: python make_networks.py      (needs torch and torchvision; last run with torch 2.15)
"""

import json
import os
import sys

import torch
import torchvision
from torchvision.models.googlenet import BasicConv2d, GoogLeNet, Inception, InceptionAux

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../../docs/pytorch"))
from i3d import BLOCKS, InceptionI3d  # noqa: E402

WIDTH = 1 / 16


def w(full):
    return max(1, int(full * WIDTH + 0.5))


def fill(network):
    """Weights that leave nothing out: scales of every sign and one of zero."""
    generator = torch.Generator().manual_seed(37)
    draw = lambda tensor: torch.randn(tensor.shape, generator=generator)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_mean"):
            tensor.copy_(0.3 * draw(tensor))
        elif name.endswith("running_var"):
            tensor.copy_(0.5 + 1.5 * torch.rand(tensor.shape, generator=generator))
        elif name.endswith("bn.weight"):
            signs = torch.where(torch.rand(tensor.shape, generator=generator) < 0.15, -1.0, 1.0)
            tensor.copy_(signs * (0.3 + 1.4 * torch.rand(tensor.shape, generator=generator)))
        elif name.endswith("bn.bias"):
            tensor.copy_(0.2 * draw(tensor))
        elif tensor.dim() > 1:
            tensor.copy_(draw(tensor) * (2 / tensor[0].numel()) ** 0.5)
        elif tensor.is_floating_point():
            tensor.copy_(0.1 * draw(tensor))
    return network


def googlenet():
    network = GoogLeNet(num_classes=10, aux_logits=True, transform_input=False, init_weights=False)
    names = set(network.state_dict())
    network.conv1 = BasicConv2d(3, w(64), kernel_size=7, stride=2, padding=3)
    network.conv2 = BasicConv2d(w(64), w(64), kernel_size=1)
    network.conv3 = BasicConv2d(w(64), w(192), kernel_size=3, padding=1)
    inputs = w(192)
    for block, place in zip(BLOCKS, ["3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"]):
        widths = [w(full) for full in BLOCKS[block]]
        if place in ("4b", "4e"):
            aux = InceptionAux(inputs, 10)
            aux.conv = BasicConv2d(inputs, 2, kernel_size=1)
            aux.fc1, aux.fc2 = torch.nn.Linear(32, 4), torch.nn.Linear(4, 10)
            setattr(network, "aux1" if place == "4b" else "aux2", aux)
        setattr(network, f"inception{place}", Inception(inputs, *widths))
        inputs = widths[0] + widths[2] + widths[4] + widths[5]
    network.fc = torch.nn.Linear(inputs, 10)
    assert set(network.state_dict()) == names
    return fill(network)


def numbers(*shape):
    """Input that integers give exactly: (c·7919 + z·15485863 + y·104729 + x·1299709) mod 1000."""
    factors = {3: (7919, 104729, 1299709), 4: (7919, 15485863, 104729, 1299709)}[len(shape)]
    total = torch.zeros(shape, dtype=torch.int64)
    for axis, factor in enumerate(factors):
        sides = [1] * len(shape)
        sides[axis] = -1
        total = total + factor * torch.arange(shape[axis]).reshape(sides)
    return ((total % 1000).double() / 500 - 1).unsqueeze(0)


def figures(tensor):
    flat = tensor.flatten()
    places = [(i * 7919 + 13) % len(flat) for i in range(16)]
    return {
        "shape": list(tensor.shape),
        "max": flat.max().item(),
        "flat_index": places,
        "value": [flat[i].item() for i in places],
    }


def write(name, found):
    with open(os.path.join(HERE, name), "w") as out:
        json.dump(found, out)


@torch.no_grad()
def main():
    flat = googlenet()
    torch.save(flat.state_dict(), os.path.join(HERE, "googlenet.pth"))
    flat = flat.double().eval()
    found = {}
    stages = ["conv1", "conv2", "conv3"] + [n for n, _ in flat.named_children() if n[:9] == "inception"]
    for name in stages:
        module = getattr(flat, name)
        module.register_forward_hook(lambda _m, _i, out, name=name: found.update({name: figures(out)}))
    found["logits"] = flat(numbers(3, 223, 223))[0].tolist()
    write("googlenet.json", found)

    deep = fill(InceptionI3d(classes=7, in_channels=3, width=WIDTH))
    path = os.path.join(HERE, "i3d-public.pt")
    torch.save(deep.state_dict(), path, _use_new_zipfile_serialization=False)
    deep = deep.double().eval()
    x = numbers(3, 16, 224, 224)
    found = {name: figures(out) for name, out in deep.stages(x)}
    found["logits"] = deep(x)[0].tolist()
    deep.dropout.p = 0.0
    pair = torch.cat([x, x.flip(4)])
    found["logits_by_batch_statistics"] = deep.train()(pair).flatten().tolist()
    write("i3d-public.json", found)
    print(torch.__version__, torchvision.__version__)


main()
