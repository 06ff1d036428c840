"""Parts of the service that handlers are given by name."""

from typing import TypeAlias

from litestar.di import NamedDependency

from jobs.serve.reader import Reader
from jobs.serve.replica.replica import Replica
from jobs.serve.selection import Selection
from jobs.serve.sender import Sender
from jobs.serve.wish import Wish

ReaderPart: TypeAlias = NamedDependency[Reader]
ReplicaPart: TypeAlias = NamedDependency[Replica]
SelectionPart: TypeAlias = NamedDependency[Selection]
SenderPart: TypeAlias = NamedDependency[Sender]
Wished: TypeAlias = NamedDependency[Wish]
