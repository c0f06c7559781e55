#!/bin/sh
# Check every kernel without Python: compile check_kernels.c with the kernels and run it.
#
#     run.sh native             for this machine
#     run.sh aarch64            for 64-bit ARM, under emulation; QEMU_CPU chooses a processor
#     run.sh ... features       print the CPU features found, check nothing
#
# On Debian or Ubuntu: apt install gcc-aarch64-linux-gnu qemu-user
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kernels=$here/../../../src/knnc/engine/kernels
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

build() {
    "$@" -std=c11 -O3 -Wall -Wextra -Werror -I "$kernels" \
        "$here/check_kernels.c" "$kernels"/*.c -o "$folder/check_kernels"
}

target=${1-}
[ $# = 0 ] || shift
case $target in
native)
    build ${CC:-cc}
    "$folder/check_kernels" "$@"
    ;;
aarch64)
    # Static: the emulator then needs no libraries of the other architecture.
    build ${AARCH64_CC:-aarch64-linux-gnu-gcc} -static
    qemu-aarch64 "$folder/check_kernels" "$@"
    ;;
*)
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
