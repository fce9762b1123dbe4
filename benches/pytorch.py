"""Times PyTorch's I3D for benches/train.rs: forward passes or training steps, one line of seconds each.

    python benches/pytorch.py forward|step DEPTHxHEIGHTxWIDTH WARM_UP COUNT CHANNELS WIDTH plain|channels-last
"""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "docs", "pytorch"))

import torch
from i3d import InceptionI3d
from torch.nn import functional as F

pass_name, size, warm_up, count, channels, width, layout = sys.argv[1:]
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
torch.manual_seed(37)
network = InceptionI3d(classes=2, in_channels=int(channels), width=float(width))
volume = torch.rand(1, int(channels), *map(int, size.split("x"))) * 2 - 1
if layout == "channels-last":
    network = network.to(memory_format=torch.channels_last_3d)
    volume = volume.to(memory_format=torch.channels_last_3d)
label = torch.tensor([1])
optimizer = torch.optim.Adam(network.parameters(), lr=5e-5, fused=True)
for number in range(int(warm_up) + int(count)):
    start = time.perf_counter()
    if pass_name == "forward":
        with torch.inference_mode():
            value = network.eval()(volume).sum().item()
    else:
        loss = F.cross_entropy(network.train()(volume), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        value = loss.item()
    if number >= int(warm_up):
        print(f"seconds {time.perf_counter() - start:.4f} value {value:.6f}", flush=True)
print(f"version PyTorch {torch.__version__}")
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(f"peak_kib {line.split()[1]}")
