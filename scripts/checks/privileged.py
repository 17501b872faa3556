"""Gives the bundle in the folder the rights that a bench needs, those of the host's root with its cgroups and devices, as
`podman run --privileged --cgroupns=host` would. usage: privileged.py BUNDLE TAREC PROGRAM ARGUMENT…"""

import json
import subprocess
import sys

bundle, tarec, *command = sys.argv[1:]
features = json.loads(subprocess.check_output([tarec, "features"]))
every = features["linux"]["capabilities"]
path = f"{bundle}/config.json"
config = json.load(open(path))
config["root"] = {"path": "rootfs", "readonly": False}
process, linux = config["process"], config["linux"]
process.update(terminal=False, args=command, env=["PATH=/usr/bin", "HOME=/tmp"], noNewPrivileges=False)
process["capabilities"] = {kind: every for kind in ("bounding", "effective", "permitted")}
linux.update(
    namespaces=[{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
    maskedPaths=[],
    readonlyPaths=[],
    resources={"devices": [{"allow": True, "access": "rwm"}]},
)
for mount in config["mounts"]:
    if mount["destination"].startswith("/sys"):
        mount.update(type="none", source=mount["destination"], options=["rbind", "rw"])
json.dump(config, open(path, "w"))
