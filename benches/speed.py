"""Chains, training iterations and attacks beside PyTorch: `make bench-pytorch` prints the table.

    python3 benches/speed.py COMMAND…                        all of the table; COMMAND measures ours
    python3 benches/speed.py --one official chain digits 1 20   one measurement of PyTorch's

Three ways in PyTorch, each as good as we could make it:

- official: as JEM's code writes it: autograd through the whole network, eager, contiguous images.
- tricks:   no gradients for weights in chains and attacks, images channels-last, in-place updates, noise in place.
- compiled: the tricks, with `torch.compile` for a whole Langevin step and a whole attack step; chains walk under
            `torch.func.grad`. The training step itself is compiled, too.

Both sides take turns, one measurement each, every one in a process of its own, so that neither has the other's
caches, threads or memory. A ratio is PyTorch's seconds over ours in one round; the table has the medians.
"""

import os
import subprocess
import sys
import time

NETS = {"mlp": 400, "digits": 60, "garments": 4, "wrn10": 3, "wrn16": 1, "wrn28": 1}
TASKS = ["chain", "iteration", "attack"]
WAYS = ["official", "tricks", "compiled"]


def network(name):
    import torch.nn.functional as F
    from torch import nn

    def conv(a, b, stride):
        return [nn.Conv2d(a, b, 3, padding=1, stride=stride), nn.SiLU()]

    class Block(nn.Module):
        def __init__(self, a, b, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(a, b, 3, padding=1)
            self.conv2 = nn.Conv2d(b, b, 3, padding=1, stride=stride)
            self.shortcut = nn.Conv2d(a, b, 1, stride=stride) if a != b or stride != 1 else nn.Identity()

        def forward(self, x):
            h = self.conv1(F.leaky_relu(x, 0.2))
            return self.conv2(F.leaky_relu(h, 0.2)) + self.shortcut(x)

    class Wide(nn.Module):
        def __init__(self, depth, width, channels):
            super().__init__()
            blocks, a = [], 16
            for layer in (1, 2, 3):
                b = 8 * width << layer
                for i in range((depth - 4) // 6):
                    blocks.append(Block(a, b, 2 if layer > 1 and i == 0 else 1))
                    a = b
            self.first = nn.Conv2d(channels, 16, 3, padding=1)
            self.blocks, self.head = nn.Sequential(*blocks), nn.Linear(a, 10)

        def forward(self, x):
            return self.head(F.leaky_relu(self.blocks(self.first(x)), 0.2).mean((2, 3)))

    if name == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(),
                             nn.Linear(128, 10)), (1, 8, 8)
    if name == "digits":
        return nn.Sequential(*conv(1, 16, 1), *conv(16, 32, 2), *conv(32, 128, 2), nn.Flatten(), nn.Linear(512, 10)), (1, 8, 8)
    if name == "garments":
        return nn.Sequential(*conv(1, 32, 1), *conv(32, 64, 2), *conv(64, 128, 2), *conv(128, 128, 2), nn.Flatten(),
                             nn.Linear(2048, 10)), (1, 28, 28)
    if name == "wrn10":
        return Wide(10, 1, 1), (1, 28, 28)
    return Wide(*((16, 2) if name == "wrn16" else (28, 10)), 3), (3, 32, 32)


def measure(way, task, name, threads, count):
    """Seconds on the clock and of the processor, and the most memory in MB, of PyTorch."""
    import resource

    import torch
    import torch.nn.functional as F

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net, shape = network(name)
    layout = torch.contiguous_format if way == "official" or name == "mlp" else torch.channels_last
    net = net.to(memory_format=layout)
    rows = 16 if name == "wrn28" else {"chain": 64, "iteration": 64, "attack": 256}[task]
    steps = {"chain": 1 if name == "wrn28" else 20, "iteration": 20, "attack": 40}[task]

    def images(n):
        return (torch.rand(n, *shape) * 2 - 1).to(memory_format=layout)

    def maybe(f):
        return torch.compile(f) if way == "compiled" else f

    # The tricks' chains see weights that want no gradient.
    plain = {k: v.detach() for k, v in net.named_parameters()}

    def quiet(x):
        return torch.func.functional_call(net, plain, (x,))

    def walk(x):
        if way == "official":
            for _ in range(steps):
                x = x.detach().requires_grad_(True)
                gradient, = torch.autograd.grad(net(x).logsumexp(1).sum(), [x])
                x = x.data + gradient + 0.01 * torch.randn_like(x)
                x = x.clamp(-1, 1)
            return x.detach()
        for _ in range(steps):
            with torch.no_grad():
                x = step(x, torch.randn_like(x))
        return x

    if way == "compiled":
        def step(x, noise):
            gradient = torch.func.grad(lambda z: quiet(z).logsumexp(1).sum())(x)
            return (x + gradient + 0.01 * noise).clamp(-1, 1)
        step = maybe(step)
    else:
        def step(x, noise):
            with torch.enable_grad():
                leaf = x.detach().requires_grad_(True)
                gradient, = torch.autograd.grad(quiet(leaf).logsumexp(1).sum(), [leaf])
            return gradient.add_(x).add_(noise, alpha=0.01).clamp_(-1, 1)

    if task == "chain":
        start = images(rows)
        net.eval()

        def work():
            walk(start)
    elif task == "iteration":
        data, labels = images(1024), torch.arange(1024) % 10
        buffer = images(1000)
        optimiser = torch.optim.Adam(net.parameters(), lr=1e-4)

        def sample(n):
            at = torch.randint(0, len(buffer), (n,))
            fresh = (torch.rand(n) < 0.05).view(-1, 1, 1, 1)
            x = torch.where(fresh, images(n), buffer[at])
            net.eval()
            x = walk(x)
            net.train()
            buffer[at] = x
            return x

        def loss_of(x, y, fake):
            logits = net(x)
            data_energy, fake_energy = -logits.logsumexp(1).mean(), -net(fake).logsumexp(1).mean()
            ce = F.cross_entropy(logits, y)
            accuracy = (logits.argmax(1) == y).float().mean()
            return ce + data_energy - fake_energy, ce, data_energy, fake_energy, accuracy

        loss_of = maybe(loss_of)

        def work():
            at = torch.randperm(len(data))[:rows]
            x, y = data[at], labels[at]
            x = (x + 0.03 * torch.randn_like(x)).clamp(-1, 1)
            values = loss_of(x, y, sample(rows))
            optimiser.zero_grad()
            values[0].backward()
            optimiser.step()
            return [v.item() for v in values]
    else:
        start = images(rows)
        net.eval()
        with torch.no_grad():
            labels = net(start).argmax(1)
        eps = 2e-6

        def attacked(x):
            return (net if way == "official" else quiet)(x)

        if way == "compiled":
            def climb(x):
                gradient = torch.func.grad(lambda z: F.cross_entropy(quiet(z), labels, reduction="sum"))(x)
                return torch.clamp(torch.clamp(x + eps / 4 * gradient.sign(), start - eps, start + eps), -1, 1)
            climb = maybe(climb)
        else:
            def climb(x):
                with torch.enable_grad():
                    leaf = x.detach().requires_grad_(True)
                    gradient, = torch.autograd.grad(F.cross_entropy(attacked(leaf), labels, reduction="sum"), [leaf])
                x = x + eps / 4 * gradient.sign()
                return torch.clamp(torch.max(torch.min(x, start + eps), start - eps), -1, 1)

        def work():
            x = start + eps * (torch.rand_like(start) * 2 - 1)
            for _ in range(steps):
                with torch.no_grad():
                    x = climb(x)
            with torch.no_grad():
                return (net(x).argmax(1) == labels).float().mean().item()

    work()
    work()
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(count):
        work()
    seconds = (time.perf_counter() - wall) / count, (time.process_time() - processor) / count
    return (*seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def call(command):
    found = subprocess.run(command, capture_output=True, text=True)
    try:
        return [float(v) for v in found.stdout.split()[-3:]]
    except ValueError:
        sys.exit(f"{' '.join(command)} failed:\n{found.stdout}{found.stderr}")


def peak(threads):
    """GFLOP/s of a matrix product, the most that this machine does."""
    script = ("import time, torch; torch.set_num_threads({}); a = torch.rand(1536, 1536); a @ a; t = time.perf_counter(); "
              "[a @ a for _ in range(8)]; print(8 * 2 * 1536**3 / (time.perf_counter() - t) / 1e9, 0, 0)").format(threads)
    return call([sys.executable, "-c", script])[0]


def median(values):
    return sorted(values)[len(values) // 2]


def main(ours):
    rounds = int(os.environ.get("ROUNDS", "3"))
    nets = (os.environ.get("NETS") or " ".join(NETS)).split()
    tasks = (os.environ.get("TASKS") or " ".join(TASKS)).split()
    ways = (os.environ.get("WAYS") or " ".join(WAYS)).split()
    threads = os.environ.get("THREADS", f"1 {os.cpu_count()}").split()
    print("PyTorch's seconds over ours, medians of", rounds, "rounds; of the processor in brackets; memory in MB")
    for n in threads:
        print(f"\n{n} thread(s); a matrix product reaches {peak(n):.0f} GFLOP/s")
        print(f"{'':20}" + "".join(f"{way:>16}" for way in ways) + f"{'ours':>12}{'memory':>16}")
        for task in tasks:
            for name in nets:
                if name == "wrn28" and task != "chain":
                    continue
                each = 1 if task == "chain" else 2
                count = str(max(1, NETS[name] // each // (4 if task == "attack" else 1)))
                found = {way: [] for way in ways + ["ours"]}
                for _ in range(rounds):
                    for way in found:
                        one = [sys.executable, __file__, "--one", way] if way != "ours" else ours
                        found[way].append(call([*one, task, name, n, count]))
                own = found["ours"]
                cells = []
                for way in ways:
                    ratio = [median([a[i] / b[i] for a, b in zip(found[way], own)]) for i in (0, 1)]
                    cells.append(f"{ratio[0]:8.2f} ({ratio[1]:.2f})".rjust(16))
                best = median([v[0] for v in own])
                memory = "/".join(str(int(max(v[2] for v in found[w]))) for w in (ways[0], "ours"))
                print(f"{task + ' ' + name:20}" + "".join(cells) + f"{1e3 * best:9.2f} ms{memory:>16}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        way, task, name, n, count = sys.argv[2:]
        print(*measure(way, task, name, int(n), int(count)))
    else:
        main(sys.argv[1:])
