#!/bin/sh
# Boots systemd as process 1 of a throw-away machine: namespaces of its own, and this machine's files below a layer in
# memory, so that whatever is installed, configured or started there is gone with it.
#
#   machine.sh FOLDER CHECKOUT NODE SRV
#
# FOLDER is an empty one for mounts. CHECKOUT is to be seen there as /opt/fastcgi, NODE as /usr/local/bin/node, SRV as /srv.
set -eu

if [ "$1" != inside ]; then
  # A control group of our own is the root of its systemd.
  for line in $(grep -E '^0::|:name=systemd:' /proc/self/cgroup); do
    case $line in
      0::*) top=$(findmnt --types cgroup2 --noheadings --output TARGET | head -n 1) ;;
      *) top=$(findmnt --types cgroup --options name=systemd --noheadings --output TARGET | head -n 1) ;;
    esac
    [ -n "$top" ] || continue
    group=$(echo "$top/${line##*:}/fastcgi-machine-$$" | tr --squeeze-repeats /)
    mkdir "$group"
    echo $$ >"$group/cgroup.procs"
    echo "cgroup $group"
  done
  exec setpriv --pdeathsig KILL unshare --pid --mount --net --uts --ipc --cgroup --fork --kill-child "$0" inside "$@"
fi

folder=$2 checkout=$3 node=$4 srv=$5
root=$folder/root

mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$folder"

# layer NAME BELOW PLACE: what is below, and what is written in memory.
layer() {
  mkdir -p "$folder/$1.upper" "$folder/$1.work" "$3"
  chmod --reference "$2" "$folder/$1.upper"
  mount -t overlay -o "lowerdir=$2,upperdir=$folder/$1.upper,workdir=$folder/$1.work" overlay "$3"
}
layer root / "$root"
layer checkout "$checkout" "$root/opt/fastcgi"
chmod a+rx "$root/opt/fastcgi"
# On a disk of its own the home, with npm's and pnpm's stores, would be missing.
[ "$(stat --format %d "$HOME")" = "$(stat --format %d /)" ] || layer home "$HOME" "$root$HOME"
mkdir -p "$root/srv" && mount --bind "$srv" "$root/srv"
touch "$root/usr/local/bin/node.new"
mount --bind "$node" "$root/usr/local/bin/node.new"
ln -sfn node.new "$root/usr/local/bin/node"

mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount -t sysfs -o ro sysfs "$root/sys"
if grep -q :name=systemd: /proc/self/cgroup; then
  mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
  mkdir "$root/sys/fs/cgroup/unified" "$root/sys/fs/cgroup/systemd"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"
  mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
else
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
fi
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
for device in null:3 zero:5 full:7 random:8 urandom:9; do
  mknod -m 666 "$root/dev/${device%:*}" c 1 "${device#*:}"
done
mknod -m 666 "$root/dev/tty" c 5 0
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"

# What would reach the kernel that is shared, and what would clear /tmp, where NODE may lie.
units=$root/etc/systemd/system
mkdir -p "$units" "$root/etc/tmpfiles.d"
for name in modprobe@.service systemd-modules-load.service systemd-sysctl.service sys-kernel-debug.mount \
  sys-kernel-tracing.mount sys-fs-fuse-connections.mount dev-hugepages.mount dev-mqueue.mount \
  proc-sys-fs-binfmt_misc.automount tmp.mount; do
  ln -sf /dev/null "$units/$name"
done
ln -sf /dev/null "$root/etc/tmpfiles.d/tmp.conf"

ip link set lo up
cd "$root"
pivot_root . mnt
umount -l /mnt
exec env -i container=fastcgi PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --unit=basic.target
