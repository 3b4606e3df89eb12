#!/bin/sh
# Run by mmdebstrap in a new base system, whose folder is the first argument.
set -e
umask 022
root=$1
# The id is far from those that people and services of a host have.
echo 'build:x:52952:' >>"$root/etc/group"
echo 'build:*::' >>"$root/etc/gshadow"
echo 'build:x:52952:52952:foundry:/nonexistent:/bin/sh' >>"$root/etc/passwd"
echo 'build:*:1:0:99999:7:::' >>"$root/etc/shadow"
# mmdebstrap brings these from the host or from its options.
rm -f "$root/etc/hostname" "$root/etc/resolv.conf"
rm -f "$root/etc/apt/apt.conf.d/99mmdebstrap" "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
rm -f "$root"/etc/apt/sources.list.d/*
echo '@SOURCE@' >"$root/etc/apt/sources.list"
mkdir -p "$root/build" "$root/in" "$root/out"
