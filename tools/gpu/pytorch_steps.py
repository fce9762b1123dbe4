"""Times training steps or forward passes of PyTorch's I3D (docs/pytorch/i3d.py): one JSON object a pass, with
the keys of `lungs bench --json`.

    python3 pytorch_steps.py --size 220x224x224 --batch 2 --precision tf32 --pass step --steps 10 --i3d FOLDER

Precisions: f32 (TF32 off), tf32, bf16 (autocast). Volumes and weights are channels last in three dimensions.
"""

import argparse
import json
import sys
import time

import torch
from torch.nn import functional as F


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", default="220x224x224")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--precision", choices=["f32", "tf32", "bf16"], default="f32")
    parser.add_argument("--pass", dest="pass_name", choices=["forward", "step"], default="step")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--compile", action="store_true", help="torch.compile")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--i3d", default=".", help="folder of i3d.py")
    return parser.parse_args()


class Passes:
    """A network, a batch and an optimizer on a device."""

    def __init__(self, choice):
        sys.path.insert(0, choice.i3d)
        from i3d import InceptionI3d

        torch.manual_seed(37)
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = choice.precision == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = choice.precision == "tf32"
        self.choice = choice
        self.cuda = choice.device.startswith("cuda")
        layout = {"device": choice.device, "memory_format": torch.channels_last_3d}
        self.network = InceptionI3d(classes=2, in_channels=1).to(**layout)
        lengths = [int(length) for length in choice.size.split("x")]
        self.volumes = (torch.rand(choice.batch, 1, *lengths) * 2 - 1).to(**layout)
        self.labels = torch.arange(choice.batch, device=choice.device) % 2
        self.adam = torch.optim.Adam(self.network.parameters(), lr=5e-5, fused=True)
        self.network.train(choice.pass_name == "step")
        self.compiled = torch.compile(self.network) if choice.compile else self.network

    def loss(self):
        kind = self.choice.device.split(":")[0]
        with torch.autocast(kind, torch.bfloat16, enabled=self.choice.precision == "bf16"):
            logits = self.compiled(self.volumes)
        return F.cross_entropy(logits.float(), self.labels)

    def forward(self):
        with torch.inference_mode():
            return self.loss().item()

    def step(self):
        self.adam.zero_grad()
        loss = self.loss()
        loss.backward()
        self.adam.step()
        return loss.item()

    def wait(self):
        if self.cuda:
            torch.cuda.synchronize()

    def memory(self):
        """Peak bytes of tensors, and of the pools that hold them."""
        if not self.cuda:
            return {}
        return {
            "allocated_bytes": torch.cuda.max_memory_allocated(),
            "device_bytes": torch.cuda.max_memory_reserved(),
        }


def main():
    choice = options()
    passes = Passes(choice)
    perform = passes.step if choice.pass_name == "step" else passes.forward
    for number in range(choice.steps):
        passes.wait()
        start = time.perf_counter()
        loss = perform()
        passes.wait()
        seconds = time.perf_counter() - start
        print(json.dumps({"step": number, "seconds": seconds, "loss": loss, **passes.memory()}), flush=True)


main()
