# Containers of root, as scopes of a systemd that has its controllers in v1 and its units in v2 beside them.
echo "hierarchies $(stat -f -c %T /sys/fs/cgroup/unified) $(stat -f -c %T /sys/fs/cgroup/memory)"
said $T create --pid-file /tmp/pid --bundle heavy1 c
of=weigh.slice/weigh-heavy.slice/tare-c.scope
grep -E ':(memory|pids|devices|freezer|cpuset|cpu,cpuacct|name=systemd|):' /proc/$(cat /tmp/pid)/cgroup | cut -d: -f2- | sort
at() { d=/sys/fs/cgroup/$1/$of; shift; show "$@"; }
limits() { at memory memory.limit_in_bytes memory.soft_limit_in_bytes
  at cpu cpu.cfs_quota_us cpu.cfs_period_us cpu.shares; at cpuset cpuset.cpus; at pids pids.max; }
limits
unit tare-c.scope Slice,Delegate,MemoryLimit,TasksMax,CPUShares,CPUQuotaPerSecUSec,DevicePolicy
said $T start c
# What is executed in it is where its init is, in systemd's own hierarchies too.
/given/tarec exec c cat /proc/self/cgroup | grep -v ':/$'
echo "tasks $(wc -l < /sys/fs/cgroup/unified/$of/cgroup.procs)"
said /given/tarec exec --detach --pid-file /tmp/more c sleep 500
diff /proc/$(cat /tmp/pid)/cgroup /proc/$(cat /tmp/more)/cgroup && echo "together"
echo "tasks $(wc -l < /sys/fs/cgroup/unified/$of/cgroup.procs)"
said /given/tarec exec c busybox mknod /tmp/mem c 1 1
device() { for from in /tmp/mem /dev/zero; do
  /given/tarec exec c dd if=$from of=/dev/null bs=1 count=1 2>&1 | grep -c "not permitted"; done | tr '\n' ' '; }
echo "devices $(device)"
said systemctl daemon-reload
echo "devices after a reload $(device)"
said $T update --memory 134217728 --cpu-quota -1 --pids-limit 99 c
limits
unit tare-c.scope MemoryLimit,TasksMax,CPUQuotaPerSecUSec
said systemctl daemon-reload
at memory memory.limit_in_bytes
at pids pids.max
said $T pause c
at freezer freezer.state
said $T resume c
at freezer freezer.state
mkdir -p /sys/fs/cgroup/memory/$of/below/deeper
refused $T create --bundle heavy1 again
said $T delete --force c
echo "left $(ls -d /sys/fs/cgroup/*/$of 2>/dev/null | wc -l)"
$T run --bundle eater e >/tmp/said 2>&1; echo "eater $?"
echo "forker $($T run --bundle forker f 2>&1 | grep -c "can't fork")"
said $T run --detach --bundle plain p
said systemctl stop tarec-p.scope
echo "stopped $($T state p | grep -c stopped)"
said $T delete p
$T run --bundle quick q; echo "code $?"
refused $T run --bundle broken b
echo "units $(systemctl list-units --all --plain --no-legend 'tare*.scope' | wc -l)"
echo "states $(ls /run/tarec | wc -l)"
echo end
