"""The training of benches/iteration.rhai in PyTorch's DistributedDataParallel over Gloo; each process has 64 rows. Prints seconds for an
iteration.

    torchrun --standalone --nproc-per-node 2 benches/ddp.py digits 100
"""

import sys
import time

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)
dist.init_process_group("gloo")
torch.manual_seed(0)
net, iterations = sys.argv[1], int(sys.argv[2])
side = 28 if net == "garments" else 8


def conv(a, b, stride):
    return [nn.Conv2d(a, b, 3, padding=1, stride=stride), nn.SiLU()]


plain = nn.Sequential(*{
    "mlp": [nn.Flatten(), nn.Linear(64, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 10)],
    "digits": [*conv(1, 16, 1), *conv(16, 32, 2), *conv(32, 128, 2), nn.Flatten(), nn.Linear(512, 10)],
    "garments": [*conv(1, 32, 1), *conv(32, 64, 2), *conv(64, 128, 2), *conv(128, 128, 2), nn.Flatten(), nn.Linear(2048, 10)],
}[net])
model = nn.parallel.DistributedDataParallel(plain)
images, labels = torch.rand(1024, 1, side, side) * 2 - 1, torch.arange(1024) % 10
torch.manual_seed(1 + dist.get_rank())
buffer = torch.rand(500, 1, side, side) * 2 - 1
optimiser = torch.optim.Adam(model.parameters(), lr=1e-4)


def sample(n):
    rows = torch.randint(0, len(buffer), (n,))
    fresh = (torch.rand(n) < 0.05).view(-1, 1, 1, 1)
    x = torch.where(fresh, torch.rand(n, 1, side, side) * 2 - 1, buffer[rows])
    for _ in range(20):
        x.requires_grad_(True)
        gradient, = torch.autograd.grad(plain(x).logsumexp(1).sum(), [x])
        with torch.no_grad():
            x = (x + gradient + 0.01 * torch.randn_like(x)).clamp_(-1, 1)
    buffer[rows] = x
    return x


def iteration(rows):
    x, y = images[rows], labels[rows]
    x = (x + 0.03 * torch.randn_like(x)).clamp(-1, 1)
    fake = sample(len(x))
    # One pass: the wrapper wants one forward for each backward.
    logits, faked = model(torch.cat([x, fake])).split(len(x))
    e_data, e_fake = -logits.logsumexp(1).mean(), -faked.logsumexp(1).mean()
    ce = F.cross_entropy(logits, y)
    loss = ce + e_data - e_fake
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    accuracy = (logits.argmax(1) == y).float().mean()
    return [v.item() for v in (loss, ce, e_data, e_fake, accuracy)]


for i in range(10 + iterations):
    if i == 10:
        start = time.perf_counter()
    iteration(torch.randperm(len(images))[:64])
if dist.get_rank() == 0:
    print((time.perf_counter() - start) / iterations)
dist.destroy_process_group()
