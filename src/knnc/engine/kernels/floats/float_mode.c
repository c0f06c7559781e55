/* The floating-point mode of a thread.  A library that was linked with -ffast-math changes it for
 * the thread that loads it, and for threads started from there. */
#include "floats.h"

#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>
/* All exceptions masked, to nearest, neither "flush to zero" nor "denormals are zero". */
#define DEFAULT_CONTROL 0x1f80u
static uint64_t get_control(void) { return _mm_getcsr(); }
static void set_control(uint64_t control) { _mm_setcsr((unsigned)control); }

#elif defined(__aarch64__) || defined(_M_ARM64)

#define DEFAULT_CONTROL 0u
#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#ifndef ARM64_FPCR
#define ARM64_FPCR ARM64_SYSREG(3, 3, 4, 4, 0)
#endif
static uint64_t get_control(void) { return (uint64_t)_ReadStatusReg(ARM64_FPCR); }
static void set_control(uint64_t control) { _WriteStatusReg(ARM64_FPCR, (__int64)control); }
#else
static uint64_t get_control(void) {
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    return control;
}
static void set_control(uint64_t control) { __asm__ volatile("msr fpcr, %0" : : "r"(control)); }
#endif

#else /* C has no name for subnormal modes */

#include <fenv.h>
#define DEFAULT_CONTROL ((uint64_t)FE_TONEAREST)
static uint64_t get_control(void) { return (uint64_t)fegetround(); }
static void set_control(uint64_t control) { (void)fesetround((int)control); }

#endif

knnc_float_mode knnc_float_mode_enter(void) {
    const knnc_float_mode before = {get_control()};
    set_control(DEFAULT_CONTROL);
    return before;
}

void knnc_float_mode_leave(knnc_float_mode before) { set_control(before.control); }
