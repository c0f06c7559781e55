#!/bin/sh
# Check every kernel without Python: compile check_kernels.c with the kernels and run it.
#
#     run.sh native             for this machine
#     run.sh simde              for any x86-64 processor, where this one has no AVX-512
#     run.sh aarch64            for 64-bit ARM, under emulation; QEMU_CPU chooses a processor
#     run.sh ... features       print the CPU features found, check nothing
#
# With KEEP_IN=FOLDER the program is left in that folder, and run from there the next time.
#
# On Debian or Ubuntu: apt install libsimde-dev gcc-aarch64-linux-gnu qemu-user
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kernels=$here/../../../src/knnc/engine/kernels
if [ -n "${KEEP_IN-}" ]; then
    folder=$KEEP_IN
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi

build() {
    [ ! -x "$folder/check_kernels" ] || return 0
    "$@" -std=c11 -O3 -Wall -Wextra -Werror -I "$kernels" \
        "$here/check_kernels.c" "$kernels"/*.c -o "$folder/check_kernels"
}

# Of SIMDe, which has each intrinsic in plain C, the headers are compiled once for all kernels: they
# take longer than the kernels do.  Without -O1 it takes twice as long.
build_emulated() {
    cp "$here/simde/immintrin.h" "$folder"
    set -- "$@" -DKNNC_EMULATED -D_DEFAULT_SOURCE -Wno-psabi
    "$@" -std=c11 -O1 -x c-header "$folder/immintrin.h" -o "$folder/immintrin.h.gch"
    "$@" -std=c11 -O1 -include immintrin.h -I "$folder" -I "$kernels" \
        "$here/check_kernels.c" "$kernels"/*.c -o "$folder/check_kernels"
}

target=${1-}
[ $# = 0 ] || shift
case $target in
native)
    build ${CC:-cc}
    "$folder/check_kernels" "$@"
    ;;
simde)
    build_emulated ${CC:-cc}
    "$folder/check_kernels" "$@"
    ;;
aarch64)
    # Static: the emulator then needs no libraries of the other architecture.
    build ${AARCH64_CC:-aarch64-linux-gnu-gcc} -static
    qemu-aarch64 "$folder/check_kernels" "$@"
    ;;
*)
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
