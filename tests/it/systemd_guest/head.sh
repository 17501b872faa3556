# Common to all scripts, which the system's sh runs as root.
exec 2>&1
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd /given
said() { "$@" </dev/null >/tmp/said 2>&1 || { echo "FAILED $*: $(cat /tmp/said)"; exit 91; }; }
refused() { "$@" </dev/null >/tmp/said 2>&1 && echo "NOT REFUSED: $*"; sed 's/.*tarec: //' /tmp/said; }
show() { for f; do echo "$f $(cat $d/$f)"; done; }
S=systemctl
unit() { $S show "$1" -p "$2" | sort; }
T="/given/tarec --systemd-cgroup"
