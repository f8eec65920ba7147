"""Networks of a user, importable by name."""

from __future__ import annotations

import torch
from stable_baselines3.common.torch_layers import FlattenExtractor
from torch import nn


class Actor(nn.Module):
    """Four numbers in, two logits out."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Dropout(0.5), nn.Linear(16, 2))

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        return self.layers(observation)


class Fitting(nn.Module):
    """As wide as the spaces."""

    def __init__(self, observation_space, action_space) -> None:
        super().__init__()
        self.layer = nn.Linear(observation_space.shape[0], int(action_space.n))

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        return self.layer(observation)


class Wide(nn.Module):
    """Three logits, whatever comes in."""

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(observation), 3)


class Pair(nn.Module):
    """Two tensors, as networks with a value have them."""

    def forward(self, observation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return observation, observation


class Extractor(FlattenExtractor):
    """A features extractor of the user's."""


def actor(observation_space, action_space, seed):
    """A factory that gives a module."""
    torch.manual_seed(seed)
    return Actor()
