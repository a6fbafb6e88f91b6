"""Writes the .pt files beside it: one model, 5-3-2, as `model` in ../weights/main.rs has it. Made with PyTorch 2.15."""
from collections import OrderedDict
from pathlib import Path
import torch
from torch import nn

P, H, L = 5, 3, 2
SHAPES = [(H, P), (L, H), (L, H), (H, L), (P, H)]
EXAMPLES = ["fc1", "fc21", "fc22", "fc3", "fc4"]
SEQUENTIAL = ["encoder.0", "fc_mu", "fc_logvar", "decoder.0", "decoder.2"]
HERE = Path(__file__).parent


def state(names):
    tensors = OrderedDict()
    for name, (outputs, inputs) in zip(names, SHAPES):
        value = lambda n: (torch.arange(n, dtype=torch.float32) + 0.5) / float(outputs * 7 + inputs)
        tensors[name + ".weight"] = value(outputs * inputs).reshape(outputs, inputs)
        tensors[name + ".bias"] = -value(outputs)
    return tensors


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(P, H), nn.ReLU())
        self.fc_mu, self.fc_logvar = nn.Linear(H, L), nn.Linear(H, L)
        self.decoder = nn.Sequential(nn.Linear(L, H), nn.ReLU(), nn.Linear(H, P), nn.Sigmoid())


torch.save(state(EXAMPLES), HERE / "examples.pt")
torch.save(state(EXAMPLES), HERE / "legacy.pt", _use_new_zipfile_serialization=False)

net = Net()
optimizer = torch.optim.Adam(net.parameters())
for p in net.parameters():
    p.grad = torch.ones_like(p)
optimizer.step()
net.load_state_dict(state(SEQUENTIAL))
torch.save(net, HERE / "module.pt")
parallel = nn.DataParallel(net).state_dict()
everything = {"epoch": 3, "model_state_dict": parallel, "optimizer_state_dict": optimizer.state_dict(), "loss": 0.5}
torch.save(everything, HERE / "checkpoint.pt")

# Weights as views of their transposes, biases as parts of one storage.
biases, views, at = torch.cat([b for n, b in state(EXAMPLES).items() if n.endswith("bias")]), OrderedDict(), 0
for name, tensor in state(EXAMPLES).items():
    views[name] = biases[at : at + len(tensor)] if tensor.dim() == 1 else tensor.t().contiguous().t()
    at += len(tensor) if tensor.dim() == 1 else 0
torch.save(views, HERE / "views.pt")
