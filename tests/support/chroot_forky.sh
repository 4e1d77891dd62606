#!/bin/bash
# Builds a Debian forky root in DIR that holds a newer libvirtd with QEMU: chroot_forky.sh DIR
# The mirror is the one this machine's own apt uses. Needs root; a finished root is left as it is.
set -euo pipefail

root=${1:?usage: $0 DIR}
suite=forky
packages=(
    libvirt-clients libvirt-daemon libvirt-daemon-driver-network libvirt-daemon-driver-nodedev
    libvirt-daemon-driver-qemu libvirt-daemon-driver-storage libvirt-daemon-log qemu-system-x86
    qemu-utils
)
finished=$root/.libvirt-root-finished

[[ $(id -u) == 0 ]] || { echo "$0: needs root" >&2; exit 1; }
[[ -e $finished ]] && { echo "$root is finished already"; exit 0; }

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' |
    sort -u | head -n 1)
[[ -n $mirror ]] || { echo "$0: apt knows no Debian archive; run apt-get update" >&2; exit 1; }

scripts=/usr/share/debootstrap/scripts
[[ -e $scripts/$suite ]] || ln -s sid "$scripts/$suite"

if [[ ! -e $root/etc/debian_version ]]; then
    debootstrap --variant=minbase "$suite" "$root" "$mirror"
fi

# Maintainer scripts must not start services in a root that has no init.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 0755 "$root/usr/sbin/policy-rc.d"
cp --dereference /etc/resolv.conf "$root/etc/resolv.conf"

in_root() {
    unshare --mount --propagation private bash -euo pipefail -c '
        mount --rbind /dev "$1/dev"
        mount --rbind /proc "$1/proc"
        mount --rbind /sys "$1/sys"
        exec chroot "$@"
    ' in_root "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"
}
# A frozen mirror's index may be past its Valid-Until date; its signature is checked all the same.
in_root apt-get -o Acquire::Check-Valid-Until=false update
in_root apt-get install --yes --no-install-recommends "${packages[@]}"
in_root apt-get clean

# What a chroot cannot give QEMU: cgroups of its own and a private /dev.
cat >"$root/etc/libvirt/qemu.conf" <<'CONF'
user = "root"
group = "root"
dynamic_ownership = 0
security_driver = "none"
stdio_handler = "file"
namespaces = []
cgroup_controllers = []
CONF
in_root libvirtd --version
touch "$finished"
