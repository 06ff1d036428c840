"""Has a client of Flink that runs already carry out one command line, in place of a new one."""

import sys
import tempfile
from pathlib import Path

from py4j.java_gateway import GatewayParameters, JavaGateway
from py4j.protocol import Py4JJavaError

_LOADER = "org.apache.flink.table.planner.loader.PlannerModule"
_NODES = "org.apache.flink.table.planner.plan.nodes.exec.ExecNodeContext"
_FATAL = 31


def count_anew(gateway: JavaGateway) -> None:
    """Number the nodes of the next plan as a new client does: uids are made of these numbers."""
    lang = gateway.jvm.java.lang
    none, nothing = gateway.new_array(lang.Class, 0), gateway.new_array(lang.Object, 0)
    module = lang.Class.forName(_LOADER)
    made = module.getDeclaredMethod("getInstance", none)
    inside = module.getDeclaredField("submoduleClassLoader")
    for each in (made, inside):
        each.setAccessible(True)
    planner = inside.get(made.invoke(None, nothing))
    nodes = lang.Class.forName(_NODES, True, planner)
    nodes.getMethod("resetIdCounter", none).invoke(None, nothing)


def main(port_file: Path, arguments: list[str]) -> int:
    """Return the exit status of `flink ARGUMENTS`, and print what it prints."""
    gateway = JavaGateway(gateway_parameters=GatewayParameters(port=int(port_file.read_text())))
    jvm = gateway.jvm
    flink = jvm.org.apache.flink
    cli = flink.client.cli.CliFrontend
    folder = cli.getConfigurationDirectoryFromEnv()
    settings = flink.configuration.GlobalConfiguration.loadConfiguration(folder)
    given = gateway.new_array(jvm.java.lang.String, len(arguments))
    for n, text in enumerate(arguments):
        given[n] = text
    count_anew(gateway)
    before = jvm.java.lang.System.out
    with tempfile.NamedTemporaryFile("r") as said:
        stream = jvm.java.io.PrintStream(jvm.java.io.FileOutputStream(said.name), True)
        jvm.java.lang.System.setOut(stream)
        jvm.java.lang.System.setErr(stream)
        try:
            status = cli(settings, cli.loadCustomCommandLines(settings, folder)).parseAndRun(given)
        except Py4JJavaError as error:  # an error of the program, which the client's main catches
            error.java_exception.printStackTrace()
            status = _FATAL
        finally:
            jvm.java.lang.System.setOut(before)
            jvm.java.lang.System.setErr(before)
            stream.close()
        sys.stdout.write(said.read())
    return int(status)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
