"""Parts of the service that handlers are given by name."""

from typing import TypeAlias

from litestar.di import NamedDependency

from jobs.serve.replica.replica import Replica
from jobs.serve.selection import Selection
from jobs.serve.sender import Sender
from jobs.serve.served import Served
from jobs.serve.wish import Wish

JobsPart: TypeAlias = NamedDependency[list[Served]]
ReplicaPart: TypeAlias = NamedDependency[Replica]
SelectionPart: TypeAlias = NamedDependency[Selection]
SenderPart: TypeAlias = NamedDependency[Sender]
Wished: TypeAlias = NamedDependency[Wish]
