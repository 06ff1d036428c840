"""Several processes that train one model, started by torchrun: who this one is, and sums over all.

Every process draws the same sequences and negatives from the same seed, learns from its part, and
adds its gradients to the others': what they take together is the step of one process (data
parallelism, gloo on CPUs and nccl on GPUs).
"""

import os
from dataclasses import dataclass

import torch
from torch import distributed, nn


@dataclass(frozen=True, slots=True)
class Rank:
    """One process among those of the round."""

    number: int = 0
    of: int = 1

    @classmethod
    def join(cls) -> "Rank":
        """Meet the others where torchrun started several; alone otherwise."""
        of = int(os.environ.get("WORLD_SIZE", "1"))
        if of == 1:
            return cls()
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        return cls(distributed.get_rank(), of)

    @property
    def device(self) -> torch.device:
        """Return where this process computes."""
        if not torch.cuda.is_available():
            return torch.device("cpu")
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))

    def share(self, rows: torch.Tensor) -> torch.Tensor:
        """Return this process's part of the sequences of a step."""
        return rows[self.number :: self.of]

    def add_gradients(self, network: nn.Module) -> None:
        """Add up the gradients of all processes."""
        if self.of == 1:
            return
        for parameter in network.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            distributed.all_reduce(parameter.grad)

    def leave(self) -> None:
        """Part from the others, once all are done."""
        if self.of > 1:
            distributed.barrier()
            distributed.destroy_process_group()
