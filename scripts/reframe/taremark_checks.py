"""taremark under ReFrame: the start-up of a container and what it costs over the bare process, as performance variables.

    reframe -C site.py -c scripts/reframe/taremark_checks.py -r -S TaremarkStartup.taremark=/usr/bin/taremark

`site.py` is the site's own; the partitions that can measure have the feature `taremark` (root, or root in a user namespace).
ReFrame keeps the references of each system; taremark's own `compare` says how surely two records differ.
"""

import json
import os

import reframe as rfm
import reframe.utility.sanity as sn
from reframe.core.builtins import parameter, performance_function, run_before, sanity_function, variable


@rfm.simple_test
class TaremarkStartup(rfm.RunOnlyRegressionTest):
    """One bench of one workload on the bare process and in a container."""

    descr = "start-up of a workload as a process and in a container"
    valid_systems = ["*"]
    valid_prog_environs = ["*"]
    workload = parameter(["hello", "http"])
    taremark = variable(str, value="taremark")
    runs = variable(int, value=12)
    exclusive_access = True
    num_tasks = 1
    maintainers = ["taremark"]

    @run_before("run")
    def prepare(self):
        self.executable = self.taremark
        self.executable_opts = [
            "bench", "--quiet", "--out", "record", "--target", "process,container",
            "--workload", self.workload, "--runs", str(self.runs),
        ]
        # A node that cannot measure fails here, by name, and not as a slow one.
        self.prerun_cmds = [f"{self.taremark} doctor --json --target process,container > doctor.json"]
        self.keep_files = ["record"]

    def cell(self, target):
        with open(os.path.join(self.stagedir, "record", "summary.json")) as file:
            cells = json.load(file)["cells"]
        wanted = (self.workload, target, "startup_ms")
        return next(c for c in cells if (c["workload"], c["target"], c["metric"]) == wanted)

    @sanity_function
    def whole(self):
        plan = os.path.join(self.stagedir, "record", "plan.json")
        return sn.all([
            sn.assert_found(r'"ended_by": "(blocks|budget|precision)"', plan),
            sn.assert_eq(self.cell("container")["failed"], 0),
        ])

    @performance_function("ms")
    def process_startup(self):
        return self.cell("process")["median"]

    @performance_function("ms")
    def container_startup(self):
        return self.cell("container")["median"]

    @performance_function("ratio")
    def container_over_process(self):
        return self.cell("container")["ratio"]
