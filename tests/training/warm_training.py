"""Imported once by the server that forks processes which train: what torch imports late."""

import torch

torch.set_num_threads(1)
_weight = torch.nn.Parameter(torch.ones(1))
_weight.grad = torch.ones(1)
torch.optim.Adam([_weight]).step()
