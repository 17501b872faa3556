"""What scripts/simulate-fleet planted, against what `report` and DuckDB say. usage: simulated_fleet.py FOLDER

The folder has `truth` (of examples/simulate_fleet), `merged/` with its report, and the files `merge` and `report` with what
time(1) measured.
"""

import csv
import json
import re
import sys
import time

import duckdb

work = sys.argv[1]
# The bounds, for two cores.
MOST_S, MOST_KIB = 60, 1 << 20
bad = False


def check(well, text):
    global bad
    bad |= not well
    print("ok " if well else "BAD", text)


def times():
    spent, most = 0.0, 0
    for name in ("merge", "report"):
        seconds, kib = re.search(r": ([\d.]+) s, (\d+) KiB", open(f"{work}/{name}").read()).groups()
        spent, most = spent + float(seconds), max(most, int(kib))
    check(spent < MOST_S and most < MOST_KIB, f"merge and report: {spent:.1f} s, at most {most // 1024} MiB")


def odd(found, slow, restless):
    of = lambda kind: {o["host_name"] for o in found["odd"] if o["oddity"] == kind and o["metric"] == "startup_ms"}
    missed = (set(slow) - of("higher")) | (set(restless) - of("restless"))
    others = {o["host_name"] for o in found["odd"]} - set(slow) - set(restless)
    planted = len(slow) + len(restless)
    check(not missed, f"{planted - len(missed)} of {planted} odd hosts found {sorted(missed) or ''}")
    # 5 % of whole fleets name one host too many in a family of figures: one is not held against it.
    check(len(others) <= 1, f"{len(others)} others called odd {sorted(others) or ''}")


def effects(found, within, ratio, newer):
    """Intervals of 95 % miss one time in twenty: each is told, and only what lies twice as far out is wrong."""
    said = []
    for c in found["cells"]:
        if c["target"] == "container" and c["metric"] == "startup_ms":
            said.append((f"ratio of container to process, {c['workload']}", c, ratio))
    for g in found["groups"]:
        if g["metric"] == "startup_ms":
            said.append((f"{g['group']} to {g['base']}, {g['workload']} on {g['target']}", g, newer))
            check(g["verdict"] == "less", f"{said[-1][0]}: {g['verdict']}")
        else:
            check(g["verdict"] == "no difference shown", f"{g['group']}, {g['metric']}, {g['workload']} on {g['target']}")
    held = 0
    for name, line, truth in said:
        value, low, high = line["ratio"], line["ratio_low"], line["ratio_high"]
        holds = low <= truth <= high
        held += holds
        near = low - (value - low) <= truth <= high + (high - value)
        check(near, f"{name}: {value:.4f} [{low:.4f}, {high:.4f}], planted {truth}{'' if holds else ', not in its interval'}")
    print(f"   {held} of {len(said)} planted effects lie in their intervals")
    for c in found["cells"]:
        if c["metric"] == "startup_ms":
            check(abs(c["within_hosts"] - within) < 0.01, f"within hosts, {c['workload']} on {c['target']}: {c['within_hosts']:.4f}, planted {within:.4f}")


def same(ours, theirs):
    """The stated precision: fifteen significant digits, all that a double is sure to have."""
    return f"{ours:.14e}" == f"{theirs:.14e}"


def medians():
    """Every median of hosts.csv and fleet.csv, by docs/queries.sql."""
    parts = re.split(r"^-- name: (\w+).*$", open("docs/queries.sql").read(), flags=re.M)[1:]
    asked = dict(zip(parts[::2], parts[1::2]))
    db = duckdb.connect()
    table = lambda name: asked[name].replace("'samples.parquet'", f"'{work}/merged/samples.parquet'")
    db.execute(table("counted"))
    begun = time.monotonic()
    hosts = {(r[0], r[2], r[3], r[4]): r[6] for r in db.execute(table("hosts")).fetchall()}
    fleet = {(r[0], r[1], r[2]): r[4] for r in db.execute(table("fleet")).fetchall()}
    took = time.monotonic() - begun
    rows = list(csv.DictReader(open(f"{work}/merged/hosts.csv")))
    wrong = [r for r in rows if not same(float(r["median"]), hosts[r["host"], r["workload"], r["target"], r["metric"]])]
    check(len(rows) == len(hosts) and not wrong, f"{len(rows) - len(wrong)} of {len(hosts)} hosts' medians are DuckDB's")
    rows = list(csv.DictReader(open(f"{work}/merged/fleet.csv")))
    wrong = [r for r in rows if not same(float(r["median"]), fleet[r["workload"], r["target"], r["metric"]])]
    check(len(rows) == len(fleet) and not wrong, f"{len(rows) - len(wrong)} of {len(fleet)} of the fleet's are, too (DuckDB took {took:.1f} s)")


slow, restless, numbers = [line.split() for line in open(f"{work}/truth")]
between, within, net, ratio, newer, slower = map(float, numbers)
found = json.load(open(f"{work}/merged/fleet.json"))
times()
odd(found, slow, restless)
# The drift of a block is in the spread of its runs.
effects(found, (within**2 + 0.03**2) ** 0.5, ratio, newer)
medians()
sys.exit(bad)
