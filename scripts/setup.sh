# Sourced by scripts/bench and scripts/test: says what is missing, installs it, and makes cargo run things as root.
# Sets nothing but functions; needs bash.

usage_and_exit() {
  echo "usage: scripts/$script [--no-install] $1"
  exit "$2"
}

# lacks PROGRAM-OR-TEST PACKAGE…: notes the packages where the test fails.
missing=()
lacks() {
  local test=$1
  shift
  eval "$test" >/dev/null 2>&1 || missing+=("$@")
}
has() { PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "$1"; }
static_busybox() { [ -x /bin/busybox ] && ! ldd /bin/busybox >/dev/null 2>&1; }

sudo=()
[ "$(id -u)" = 0 ] || sudo=(sudo)

# Needed to build and to run every target.
lacks 'has cc' gcc libc6-dev
lacks 'has qemu-system-x86_64' qemu-system-x86
lacks 'has mkfs.erofs' erofs-utils
lacks 'has mkfs.ext4' e2fsprogs
lacks 'has dpkg-deb' dpkg
lacks 'has xz' xz-utils

install_missing() {
  local install=$1
  if ! has cargo >/dev/null; then
    echo "scripts/$script: cargo is missing: install a Rust toolchain, 1.95 or newer" >&2
    exit 3
  fi
  ((${#missing[@]})) || return 0
  if ! has apt-get >/dev/null; then
    echo "scripts/$script: missing: ${missing[*]} (Debian's names); this is not Debian or Ubuntu: install them with your package manager, then run this again" >&2
    exit 3
  fi
  if [ "$install" = no ]; then
    echo "scripts/$script: missing: ${missing[*]}; run without --no-install, or: ${sudo[*]:+sudo }apt-get install ${missing[*]}" >&2
    exit 3
  fi
  if ((${#sudo[@]})) && ! has sudo >/dev/null; then
    echo "scripts/$script: to install ${missing[*]} this has to run as root or with sudo" >&2
    exit 3
  fi
  echo "scripts/$script: installing ${missing[*]}"
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}
