"""A round in a folder: files in, files out.

In: `plan.json`; `users.npy`, `items.npy`, `times.npy` (or several of each, `users-*.npy`, taken in
the order of their names; `mf`, whose rounds `.ratings` makes, has `values.npy` as well); for a
round after the first `parent.safetensors` with the champion's tensors, to be compared with, and,
where the round goes on from it (`ncf`, private rounds), the optimiser's. Out:
`out/weights.safetensors`, `out/optimizer.safetensors` where a later round goes on,
`out/ranks-*.npy` (`mf`: `out/errors-*.npy`), `out/report.json`, written under another name and
renamed; meanwhile `progress.json`; of a private round, before its first step, `privacy.json` with
what it spends.
"""

import json
import resource
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import nn

from models.deep.training import pairs, recurrent, sasrec
from models.deep.training.files import column, index_of, known_items, known_users, parent, write
from models.deep.training.next_items import NextItems
from models.deep.training.plan import Plan
from models.deep.training.ranks import Rank
from models.deep.training.report import Report
from models.deep.training.sequences import Histories
from models.deep.training.train import Task, train

_STATE = "optimizer."
_MANY = 100_000
"""Events from which on less dropout is better."""
_ITEM_TENSORS = ("items.weight", "targets.weight", "targets.bias", "item.0.weight")
"""With a row an item, of any network."""
_NETWORKS: dict[str, Any] = {"recurrent": recurrent.Network, "sasrec": sasrec.Network}


def run(folder: Path) -> Report:
    """Train what lies in a folder."""
    plan = Plan.of(json.loads((folder / "plan.json").read_text()))
    if plan.memory_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (plan.memory_bytes, plan.memory_bytes))
    torch.set_num_threads(plan.threads)
    rank = Rank.join()
    if plan.privacy is not None and rank.of > 1:
        raise ValueError(f"plan: expected one process for a private round, got {rank.of}")
    users, keys, times = (column(folder, name) for name in ("users", "items", "times"))
    random = np.random.default_rng([plan.seed, plan.round])
    given = _Given(plan, users, keys, times, parent(folder), random)
    torch.manual_seed(plan.seed)
    made = _of_pairs(given) if plan.shape.network == "ncf" else _of_sequences(given)
    network = made.network.to(rank.device)
    optimizer = _optimizer(plan, network)
    if made.tensors and not plan.anew:
        restore(network, optimizer, made.tensors)
    torch.manual_seed(int(random.integers(2**62)) + rank.number)

    def progress(what: dict[str, Any]) -> None:
        if rank.number == 0:
            write(folder / "progress.json", json.dumps(what).encode())

    def announce(what: dict[str, Any]) -> None:
        write(folder / "privacy.json", json.dumps(what).encode())

    champion = made.champion.to(rank.device) if made.champion is not None else network
    report, ranks = train(plan, network, champion, optimizer, made.task, progress, rank, announce)
    if rank.number == 0:
        kept = None if plan.anew else optimizer  # no round goes on from it
        _save(folder, made.known, network, kept, report, ranks)
    rank.leave()
    return report


def _optimizer(plan: Plan, network: nn.Module) -> torch.optim.Optimizer:
    """Return AdamW with a rate of its own for embeddings."""
    rows = ("items.", "gaps.", "positions.", "targets.")
    named = list(network.named_parameters())
    groups: list[dict[str, Any]] = [
        {"params": [one for name, one in named if name.startswith(rows) == embeds], "lr": rate}
        for embeds, rate in zip((False, True), plan.rates, strict=True)
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        betas=(0.9, 0.98), weight_decay=0.0, fused=True,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Given:
    """Inputs of a round."""

    plan: Plan
    users: NDArray[np.uint64]
    keys: NDArray[np.uint64]
    times: NDArray[np.int64]
    tensors: dict[str, NDArray[Any]]
    """Of the parent; empty in the first round."""
    random: np.random.Generator


@dataclass(frozen=True, slots=True)
class _Made:
    """Outputs of a round."""

    known: dict[str, NDArray[np.uint64]]
    """Keys by row of the embeddings."""
    tensors: dict[str, NDArray[Any]]
    """What network and optimiser go on from; empty in the first round."""
    network: nn.Module
    task: Task
    champion: nn.Module | None = None
    """The parent, where the network does not go on from it."""


def _of_sequences(given: _Given) -> _Made:
    plan = given.plan
    known, tensors = known_items(given.keys, given.tensors, _ITEM_TENSORS)
    index = index_of(known, given.keys)
    histories = Histories.of(given.users, index, given.times, plan.new_from)
    dropout = plan.dropout
    if dropout is None:
        dropout = 0.1 if plan.anew and len(index) >= _MANY else 0.2
    network = _NETWORKS[plan.shape.network](plan.shape, len(known), dropout)
    task = NextItems(plan, histories, len(known), given.random)
    if not plan.anew:
        return _Made({"keys": known}, tensors, network, task)
    champion = None
    if tensors:
        champion = _NETWORKS[plan.shape.network](plan.shape, len(known), dropout)
        restore(champion, None, tensors)
    task.begin(network, plan.seed)
    return _Made({"keys": known}, tensors, network, task, champion)


def _of_pairs(given: _Given) -> _Made:
    plan = given.plan
    items, parents = known_items(given.keys, given.tensors, _ITEM_TENSORS)
    known, tensors = known_users(given.users, parents, "user.0.weight")
    kept = np.isin(given.users, known)
    index, new_from = index_of(items, given.keys), int(kept[: plan.new_from].sum())
    histories = Histories.of(given.users[kept], index[kept], given.times[kept], new_from)
    rows = index_of(known, histories.users).astype(np.int64)
    network = pairs.network(plan, len(known), len(items))
    task = pairs.Pairs(plan, histories, rows, len(items), given.random)
    return _Made({"keys": items, "user_keys": known}, tensors, network, task)


def restore(
    network: nn.Module, optimizer: torch.optim.Optimizer | None, tensors: dict[str, NDArray[Any]]
) -> None:
    """Fill network and optimiser from saved tensors; items that came since keep their start."""
    for name, parameter in network.named_parameters():
        saved = torch.from_numpy(tensors[name])
        with torch.no_grad():
            parameter[: len(saved)] = saved
        if optimizer is not None and f"{_STATE}{name}.exp_avg" in tensors:
            # a copy each: the optimiser counts in place
            state: dict[str, Any] = {"step": torch.tensor(tensors[f"{_STATE}step"])}
            for kind in ("exp_avg", "exp_avg_sq"):
                state[kind] = torch.zeros_like(parameter)
                moment = torch.from_numpy(tensors[f"{_STATE}{name}.{kind}"])
                state[kind][: len(moment)] = moment
            optimizer.state[parameter] = state


def _save(
    folder: Path,
    known: dict[str, NDArray[np.uint64]],
    network: nn.Module,
    optimizer: torch.optim.Optimizer | None,
    report: Report,
    ranks: dict[str, NDArray[np.int32]],
) -> None:
    out = folder / "out.part"
    out.mkdir(exist_ok=True)
    weights: dict[str, NDArray[Any]] = {
        name: tensor.detach().cpu().contiguous().numpy()
        for name, tensor in network.state_dict().items()
    }
    save_file({**known, **weights}, out / "weights.safetensors")
    if optimizer is not None:
        _save_moments(out, network, optimizer)
    for name, rank in ranks.items():
        np.save(out / f"ranks-{name}.npy", rank, allow_pickle=False)
    (out / "report.json").write_text(json.dumps(asdict(report)))
    out.rename(folder / "out")


def _save_moments(out: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    moments: dict[str, NDArray[Any]] = {}
    for name, parameter in network.named_parameters():
        state = optimizer.state.get(parameter, {})
        for kind in ("exp_avg", "exp_avg_sq"):
            if kind in state:
                moments[f"{_STATE}{name}.{kind}"] = state[kind].cpu().contiguous().numpy()
                moments[f"{_STATE}step"] = np.asarray(state["step"].cpu().numpy(), np.float32)
    save_file(moments, out / "optimizer.safetensors")
