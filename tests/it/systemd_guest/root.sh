# Containers of root, as scopes of the system's systemd.
said $T create --pid-file /tmp/pid --bundle heavy c
d=/sys/fs/cgroup/weigh.slice/weigh-heavy.slice/tare-c.scope
echo "place $(cut -d: -f3 /proc/$(cat /tmp/pid)/cgroup)"
said $T start c
show memory.max memory.swap.max memory.low pids.max cpu.max cpu.weight cpuset.cpus memory.high
unit tare-c.scope Slice,Delegate,MemoryMax,MemorySwapMax,TasksMax,CPUWeight,CPUQuotaPerSecUSec,AllowedCPUs,MemoryHigh,DevicePolicy
unit tare-c.scope Description,TimeoutStopUSec,SendSIGHUP
echo "after $(unit tare-c.scope After | grep -c "basic.target.*local-fs.target\|local-fs.target.*basic.target")"
echo "seen $(/given/tarec exec c cat /proc/self/cgroup) $(/given/tarec exec c cat /sys/fs/cgroup/pids.max)"
said systemctl daemon-reload
# A device that nobody has opened for the container, and one that every container has.
said /given/tarec exec c busybox mknod /tmp/mem c 1 1
device() { for from in /tmp/mem /dev/zero; do
  /given/tarec exec c dd if=$from of=/dev/null bs=1 count=1 2>&1 | grep -c "not permitted"; done | tr '\n' ' '; }
echo "devices $(device)"
said $T update --memory 134217728 --memory-swap 134217728 --cpu-quota -1 --pids-limit 99 c
show memory.max memory.swap.max pids.max cpu.max
unit tare-c.scope MemoryMax,MemorySwapMax,TasksMax,CPUQuotaPerSecUSec
echo '{"devices": [{"allow": false, "access": "rwm"},
  {"allow": true, "type": "c", "major": 1, "minor": 1, "access": "rwm"}]}' > opened
said /given/tarec update --resources opened c
echo "opened $(unit tare-c.scope DeviceAllow | grep -c "/dev/char/1:1 rwm")"
said systemctl daemon-reload
show memory.max pids.max
said $T pause c
echo "frozen $(cat $d/cgroup.freeze)"
said $T resume c
mkdir -p $d/below/deeper
refused $T create --bundle heavy again
said $T delete --force c
[ -e $d ] && echo "left" || echo "gone"
said $T create --bundle rare r
d=/sys/fs/cgroup/system.slice/tarec-r.scope
said systemctl daemon-reload
show hugetlb.2MB.max cpu.max cpu.max.burst
said $T delete --force r
$T run --bundle eater e >/tmp/said 2>&1; echo "eater $?"
echo "forker $($T run --bundle forker f 2>&1 | grep -c "can't fork")"
said $T run --detach --pid-file /tmp/pid --bundle plain p
echo "place $(cut -d: -f3 /proc/$(cat /tmp/pid)/cgroup)"
said systemctl stop tarec-p.scope
echo "stopped $($T state p | grep -c stopped)"
said $T delete p
$T run --bundle quick q; echo "code $?"
refused $T run --bundle broken b
refused $T run --bundle pathed x
refused $T run --bundle noslice x
refused $T run --bundle misnamed x
refused $T run --bundle unknown x
echo "units $(systemctl list-units --all --plain --no-legend 'tare*.scope' | wc -l)"
echo "states $(ls /run/tarec | wc -l)"
echo end
