"""Times the networks of PyTorch or OpenVINO for benches/train.rs: forward passes or training steps, one line of seconds each.

    python benches/pytorch.py forward|step DEPTHxHEIGHTxWIDTH WARM_UP COUNT CHANNELS WIDTH PEER NAME

PEER is plain, channels-last, bf16 (PyTorch), openvino or openvino-bf16 (forward passes only). Without OpenVINO, its
peers print "missing". NAME is that of `model.name`; residual networks have three channels and width 1.
"""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "docs", "pytorch"))

import torch
from torch.nn import functional as F

pass_name, size, warm_up, count, channels, width, peer, name = sys.argv[1:]
threads = int(os.environ["OMP_NUM_THREADS"])
torch.set_num_threads(threads)
torch.manual_seed(37)
if name == "i3d":
    from i3d import InceptionI3d

    network = InceptionI3d(classes=2, in_channels=int(channels), width=float(width))
else:
    from resnet import Network

    if (channels, float(width)) != ("3", 1):
        sys.exit(f"{name}: found {channels} channels and width {width}, expected --channels 3 --width 1")
    network = Network(name, "average", 2)
volume = torch.rand(1, int(channels), *map(int, size.split("x"))) * 2 - 1
if peer in ("channels-last", "bf16"):
    network = network.to(memory_format=torch.channels_last_3d)
    volume = volume.to(memory_format=torch.channels_last_3d)
label = torch.tensor([1])
optimizer = torch.optim.Adam(network.parameters(), lr=5e-5, fused=True)


def torch_forward():
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=peer == "bf16"):
        return network.eval()(volume).float().sum().item()


def torch_step():
    with torch.autocast("cpu", torch.bfloat16, enabled=peer == "bf16"):
        loss = F.cross_entropy(network.train()(volume), label)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def openvino_forward():
    try:
        import openvino
    except ImportError:
        print("missing OpenVINO")
        sys.exit(0)
    model = openvino.convert_model(torch.export.export(network.eval(), (volume,)))
    precision = "bf16" if peer == "openvino-bf16" else "f32"
    settings = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    array = volume.numpy()
    print(f"version OpenVINO {openvino.__version__}")
    return lambda: float(compiled(array)[0].sum())


if peer.startswith("openvino"):
    run = openvino_forward()
else:
    run = torch_forward if pass_name == "forward" else torch_step
    print(f"version PyTorch {torch.__version__}")
for number in range(int(warm_up) + int(count)):
    start = time.perf_counter()
    value = run()
    if number >= int(warm_up):
        print(f"seconds {time.perf_counter() - start:.4f} value {value:.6f}", flush=True)
for line in open("/proc/self/status"):
    if line.startswith("VmHWM"):
        print(f"peak_kib {line.split()[1]}")
