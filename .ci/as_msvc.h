/* Included before all else by .ci/cross: from here on clang says of itself what Microsoft's
 * compiler does, and refuses what that has not.  The headers come first, for they are clang's. */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <float.h>
#include <intrin.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
static inline void as_msvc_cpuidex(int out[4], int leaf, int subleaf) {
    __cpuid_count(leaf, subleaf, out[0], out[1], out[2], out[3]);
}
#define __cpuidex as_msvc_cpuidex
#define _M_X64 100
#undef __x86_64__
#undef __amd64__
#else
#include <arm_neon.h>
#define _M_ARM64 1
/* What Microsoft's headers have for the system registers. */
#define ARM64_SYSREG(op0, op1, crn, crm, op2)                                                      \
    (((op0) & 1) << 14 | ((op1) & 7) << 11 | ((crn) & 15) << 7 | ((crm) & 15) << 3 | ((op2) & 7))
long long _ReadStatusReg(int number);
void _WriteStatusReg(int number, long long value);
#undef __aarch64__
#endif

#undef __clang__
#undef __GNUC__
#undef _MSC_VER
#define _MSC_VER 1944
#define __INTRIN_H /* clang's own would be read now, and all that it has is there */

#undef __forceinline
#undef __declspec
#undef __attribute__
#define __attribute__(x) microsoft_has_no_attribute x
#define __asm__ microsoft_has_no_inline_assembly
#define _Pragma(x) microsoft_takes_no_such_pragma x
