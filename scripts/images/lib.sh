# Shared by the scripts beside it: a root file system from Debian's packages, without touching the host's own. Sourced.
# Each script sets: name, packages, entrypoint (JSON), user, and a function `configure ROOT`.
# shellcheck shell=bash

# Needed by the packages' maintainer scripts alone, which are not run: apt is told that they are there already.
scripts_only=(adduser debconf dpkg init-system-helpers iproute2 lsb-base perl sysvinit-utils)
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/taremark/packages

say() { echo "scripts/images/$name: $*" >&2; }
fail() { say "$1"; exit "${2:-1}"; }

usage() {
  cat <<END
usage: scripts/images/$name OUT.tar            write the root file system as a tar, and print its config as JSON
       scripts/images/$name --import TAREMARK  import it with that taremark program as taremark/$name:latest
Downloads Debian packages to $cache, once: remove that folder to get newer ones.
Needs apt-get, dpkg-deb and tar, no root; the host's own packages stay as they are.
END
}

main() {
  case ${1-} in -h | --help) usage; exit 0 ;; esac
  [ "${1-}" = --import ] && shift && import=yes || import=no
  { [ $# = 1 ] && [ -n "$1" ]; } || { usage >&2; exit 2; }
  for tool in apt-get dpkg dpkg-deb tar; do
    command -v "$tool" >/dev/null || fail "$tool is missing: this needs a Debian or a derivative of it" 3
  done
  umask 022
  export LC_ALL=C
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  arch=$(dpkg --print-architecture)
  fetch
  unpack "$work/root"
  configure "$work/root"
  pack "$work/root" "$work/rootfs.tar"
  if [ "$import" = yes ]; then
    "$1" image import --entrypoint "$entrypoint" --user "$user" --workdir / \
      --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin - "taremark/$name:latest" <"$work/rootfs.tar"
  else
    cat "$work/rootfs.tar" >"$1"
    echo "{\"argv\":$entrypoint,\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"],\"user\":\"$user\",\"cwd\":\"/\"}"
  fi
}

# apt with a status, a cache and (once needed) indices of its own: what is installed on the host plays no part.
apt() {
  apt-get -o Dir::State::status="$work/status" -o Dir::State::extended_states="$work/extended" \
    -o Dir::Cache="$work/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User="$(id -un)" "${lists[@]}" "$@"
}

# Sets `debs`, the files of the closure of `packages`; only what the cache lacks is downloaded.
fetch() {
  local list="$cache/$name-$arch.list"
  if ! all_there "$list"; then
    mkdir -p "$cache" "$work/cache/archives/partial" "$work/lists/partial"
    # Beside the cache, so that what is moved in is there at once and whole.
    incoming=$(mktemp -d "$cache/.incoming.XXXXXX")
    trap 'rm -rf "$work" "$incoming"' EXIT
    local p
    for p in "${scripts_only[@]}"; do
      printf 'Package: %s\nStatus: install ok installed\nVersion: 999\nArchitecture: %s\nMulti-Arch: foreign\nMaintainer: -\nDescription: -\n\n' "$p" "$arch"
    done >"$work/status"
    lists=()
    # The host's indices may be missing or too old for the archive.
    download || {
      say "the host's package indices do not do: fetching fresh ones aside"
      lists=(-o "Dir::State::lists=$work/lists")
      apt -qq update >&2 || fail "no package indices: is an archive to be reached?"
      download || fail "the packages cannot be downloaded, see above"
    }
    mv "$incoming/list" "$list"
    rmdir "$incoming"
  fi
  mapfile -t debs < <(sed "s|^|$cache/|" "$list")
}

all_there() {
  [ -s "$1" ] || return 1
  local deb
  while read -r deb; do [ -f "$cache/$deb" ] || return 1; done <"$1"
}

download() {
  local closure missing=() p
  closure=$(apt -s --no-install-recommends install "${packages[@]}" | awk '$1 == "Inst" { print $2 "=" substr($3, 2) }') || return 1
  [ -n "$closure" ] || return 1
  rm -f "$incoming/list" "$work/stems"
  for p in $closure; do
    # apt's name for the file: the version with its colon escaped; the architecture is the package's own.
    local stem=${p/=/_}
    stem=${stem//:/%3a}
    compgen -G "$cache/${stem}_*.deb" >/dev/null || missing+=("$p")
    echo "$stem" >>"$work/stems"
  done
  if ((${#missing[@]})); then
    say "downloading ${missing[*]}"
    (cd "$incoming" && apt -qq download "${missing[@]}" >&2) || return 1
    mv "$incoming"/*.deb "$cache/"
  fi
  local stem found
  while read -r stem; do
    found=$(compgen -G "$cache/${stem}_*.deb") || return 1
    basename "$found"
  done <"$work/stems" >"$incoming/list"
}

# The links of a merged /usr come first, or the packages would make folders in their place.
unpack() {
  local root=$1 link deb
  mkdir -p "$root"/usr/{bin,sbin,lib,lib32,lib64,libx32} "$root"/{dev,etc,proc,run,srv,sys,tmp,root,var/tmp}
  for link in bin sbin lib lib64; do ln -s "usr/$link" "$root/$link"; done
  ln -s ../run "$root/var/run"
  chmod 1777 "$root/tmp" "$root/var/tmp"
  # Not `dpkg-deb --extract`, which puts folders in the place of links.
  for deb in "${debs[@]}"; do
    dpkg-deb --fsys-tarfile "$deb" | tar --extract --directory "$root" --keep-directory-symlink --no-same-owner \
      --preserve-permissions || fail "$deb is damaged: remove it and try again"
  done
  # Of the newest thing packed: the same packages give the same bytes.
  epoch=${SOURCE_DATE_EPOCH:-$(find "$root/usr" -type f -printf '%T@\n' | sort -n | tail -1 | cut -d. -f1)}
  rm -rf "$root"/usr/share/{doc,man,info,locale,lintian,bug,doc-base,applications,pixmaps,bash-completion,gcc,gdb} "$root"/etc/{init.d,default,logrotate.d,cron.d,ufw}
  rm -rf "$root"/usr/lib/systemd "$root"/usr/{lib32,libx32}
  printf '%s\n' root:x:0:0:root:/root:/usr/sbin/nologin "$account:x:$user_id:$user_id:$account:/:/usr/sbin/nologin" >"$root/etc/passwd"
  printf '%s\n' root:x:0: "$account:x:$user_id:" >"$root/etc/group"
}

# Sorted, owned by root, without times of its own.
pack() {
  tar --create --file "$2" --directory "$1" --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner \
    --format=gnu --one-file-system .
}
