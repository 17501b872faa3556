# As an ordinary user: with the user's own systemd, in cgroups that were handed over, and without any.
echo 'rootless:x:4242:4242::/tmp:/bin/sh' >> /etc/passwd; echo 'rootless:x:4242:' >> /etc/group
mkdir -p /etc/systemd/system/user@.service.d
printf '[Service]\nPAMName=\nEnvironment=XDG_RUNTIME_DIR=/run/user/%%i\n' > /etc/systemd/system/user@.service.d/no-pam.conf
chown -R 4242:4242 /given
said systemctl daemon-reload
said systemctl start user@4242.service
as() { setpriv --reuid 4242 --regid 4242 --clear-groups env XDG_RUNTIME_DIR=/run/user/4242 "$@"; }
T="as /given/tarec --systemd-cgroup" S="as systemctl --user"
said $T create --pid-file /tmp/pid --bundle own r
place=$(cut -d: -f3 /proc/$(cat /tmp/pid)/cgroup)
d=/sys/fs/cgroup$place
echo "place $place"
said $T start r
show memory.max pids.max
unit tarec-r.scope MemoryMax,TasksMax,Slice
echo "seen $(as /given/tarec exec r cat /proc/self/cgroup)"
echo "processes $(as /given/tarec ps --format json r | grep -c "$(cat /tmp/pid)") $(grep -c . $d/cgroup.procs)"
said $T update --memory 134217728 --pids-limit 55 r
show memory.max pids.max
unit tarec-r.scope MemoryMax,TasksMax
said $T pause r
echo "frozen $(cat $d/cgroup.freeze)"
said $T resume r
said $T delete --force r
[ -e $d ] && echo "left" || echo "gone"
echo "units $($S list-units --all --plain --no-legend 'tare*.scope' | wc -l)"
g=/sys/fs/cgroup/mine
mkdir -p $g/shell
chown 4242:4242 $g $g/cgroup.procs $g/cgroup.subtree_control $g/shell $g/shell/cgroup.procs
within() { sh -c 'echo $$ > /sys/fs/cgroup/mine/shell/cgroup.procs; exec "$@"' sh \
  setpriv --reuid 4242 --regid 4242 --clear-groups env XDG_RUNTIME_DIR=/run/user/4242 /given/tarec "$@"; }
said within run --detach --bundle own w
d=$g/w
show memory.max pids.max
echo "seen $(within exec w cat /proc/self/cgroup) $(within exec w cat /sys/fs/cgroup/pids.max)"
refused as /given/tarec exec w true
said within update --memory 134217728 w
show memory.max
said within pause w
echo "frozen $(cat $d/cgroup.freeze)"
said within resume w
said within exec --detach w sleep 99
echo "alive $(grep -c . $d/cgroup.procs)"
said within kill --all w KILL
while [ "$(within state w | grep -c running)" = 1 ]; do sleep 0.1; done
said within delete w
echo "left $(ls -d $g/*/)"
as /given/tarec run --bundle ends n 2>&1; echo "code $?"
echo "states $(ls /run/user/4242/tarec | wc -l)"
echo end
