"""The one line an operator needs out of a stack trace."""

from scripts.tools.cluster.stack_trace import innermost_cause

JAVA = """org.example.Outer: job failed
\tat org.example.Job.run(Job.java:10)
Caused by: org.example.Inner: no such topic: clicks
\tat org.example.Source.open(Source.java:20)
\t... 12 more
"""
PYTHON = """java.lang.RuntimeException: Failed to close remote bundle
\tat org.example.Runner.flush(Runner.java:10)
Caused by: java.lang.RuntimeException: Error from instruction 1: Traceback (most recent call last):
  File "worker.py", line 311, in execute
    response = task()
               ^^^^^^
KeyError: 'user_id'

\tat org.example.Client.onNext(Client.java:180)
\t... 3 more
"""


def test_the_last_cause_of_a_java_trace_is_named() -> None:
    assert innermost_cause(JAVA) == "org.example.Inner: no such topic: clicks"


def test_an_exception_in_python_is_named_instead_of_what_wraps_it() -> None:
    assert innermost_cause(PYTHON) == "KeyError: 'user_id'"


def test_text_without_a_trace_gives_its_first_line() -> None:
    assert innermost_cause("conf/local.yaml: no such key\nmore\n") == "conf/local.yaml: no such key"


def test_nothing_gives_nothing() -> None:
    assert innermost_cause("") == ""
