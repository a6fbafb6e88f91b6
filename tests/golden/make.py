"""Makes the golden files of this folder with PyTorch: two trained VAEs, and what PyTorch computes of them in f64.

    python tests/golden/make.py paper.safetensors

The argument is a VAE 784-400-20 trained by PyTorch on the 400 embedded images; its weights are rounded to bfloat16, which
halves the file, and everything is computed from the rounded ones. The other model, 97-61-7, is trained here.
"""

import gzip, pathlib, sys
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, relu

HERE = pathlib.Path(__file__).parent
ASSETS = HERE.parents[1] / "crates/vae/assets"
SAMPLES, TRIALS = 8, 4


class Encoder(nn.Module):
    def __init__(self, pixels, hidden, latent):
        super().__init__()
        self.fc1, self.fc_mu, self.fc_logvar = nn.Linear(pixels, hidden), nn.Linear(hidden, latent), nn.Linear(hidden, latent)

    def forward(self, x):
        h = relu(self.fc1(x))
        return self.fc_mu(h), self.fc_logvar(h)


class Decoder(nn.Module):
    def __init__(self, pixels, hidden, latent):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(latent, hidden), nn.Linear(hidden, pixels)

    def forward(self, z):
        return self.fc2(relu(self.fc1(z)))  # logits


class Vae(nn.Module):
    def __init__(self, pixels, hidden, latent):
        super().__init__()
        self.encoder, self.decoder = Encoder(pixels, hidden, latent), Decoder(pixels, hidden, latent)


def trained(images, hidden, latent, epochs):
    torch.manual_seed(0)
    model = Vae(images.shape[1], hidden, latent)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        mu, logvar = model.encoder(images)
        z = mu + torch.exp(logvar / 2) * torch.randn_like(mu)
        kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()
        loss = binary_cross_entropy_with_logits(model.decoder(z), images, reduction="sum") + kl
        adam.zero_grad()
        loss.backward()
        adam.step()
    print(f"{images.shape[1]}-{hidden}-{latent}: loss per image {loss.item() / len(images):.2f}")
    return model


def write(name, model, images, dtype):
    """Weights in `dtype`, and images, noise, posterior and errors of the first samples at two temperatures."""
    weights = {key: value.to(dtype).contiguous() for key, value in model.state_dict().items()}
    save_file(weights, HERE / f"{name}.safetensors")
    model.load_state_dict({key: value.to(torch.float32) for key, value in weights.items()})
    model = model.double()
    x = images[:SAMPLES]
    with torch.no_grad():
        mu, logvar = model.encoder(x.double())
        noise = torch.randn(SAMPLES, TRIALS, mu.shape[1], generator=torch.Generator().manual_seed(7))
        # A posterior is f32 by contract.
        mean, scale = (v.float().double()[:, None, :] for v in (mu, logvar))
        arrays = {"images": x, "noise": noise, "mu": mu, "logvar": logvar}
        for temperature in 1, 2:
            y = torch.sigmoid(model.decoder(mean + temperature * torch.exp(scale / 2) * noise.double()))
            arrays[f"errors_{temperature}"] = torch.linalg.vector_norm(x.double()[:, None, :] - y, dim=2)
    for array, values in arrays.items():
        np.save(HERE / f"{name}_{array}.npy", values.numpy())


images = np.frombuffer(gzip.open(ASSETS / "fashion-mnist-400-images-idx3-ubyte.gz").read(), np.uint8, offset=16)
images = torch.from_numpy(images.reshape(400, 784).astype(np.float32) / np.float32(255))
paper = Vae(784, 400, 20)
paper.load_state_dict(load_file(sys.argv[1]))
write("paper", paper, images, torch.bfloat16)
small = images[:100, 345:442].contiguous()  # 97 pixels of the middle rows
write("small", trained(small, 61, 7, 600), small, torch.float32)
