#include "cpu.h"

/* The lowest first.  Every build knows all names, so that one KNNC_DISABLE_CPU_FEATURES serves
 * machines of several kinds. */
static const knnc_cpu_feature features[] = {
    {"avx2", KNNC_CPU_AVX2, KNNC_CPU_AVX512BW | KNNC_CPU_AVXVNNI | KNNC_CPU_AVX512VNNI},
    {"avx512bw", KNNC_CPU_AVX512BW, KNNC_CPU_AVX512VNNI},
    {"avxvnni", KNNC_CPU_AVXVNNI, 0},
    {"avx512vnni", KNNC_CPU_AVX512VNNI, 0},
    {"neon", KNNC_CPU_NEON, KNNC_CPU_NEONDOTPROD},
    {"neondotprod", KNNC_CPU_NEONDOTPROD, 0},
};

int knnc_n_cpu_features(void) { return (int)(sizeof features / sizeof features[0]); }

const knnc_cpu_feature *knnc_cpu_feature_at(int i) { return &features[i]; }

#if defined(__x86_64__) || defined(_M_X64)

#if defined(_MSC_VER)
#include <intrin.h>
static void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4]) {
    int out[4];
    __cpuidex(out, (int)leaf, (int)subleaf);
    for (int i = 0; i < 4; i++) r[i] = (uint32_t)out[i];
}
static uint64_t saved_state(void) { return _xgetbv(0); }
#else
#include <cpuid.h>
static void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4]) {
    __cpuid_count(leaf, subleaf, r[0], r[1], r[2], r[3]);
}
static uint64_t saved_state(void) {
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return ((uint64_t)hi << 32) | lo;
}
#endif

#define BIT(value, n) (((value) >> (n)) & 1u)

uint32_t knnc_detect_cpu(void) {
    uint32_t r[4], found = 0;
    cpuid(0, 0, r);
    if (r[0] < 7) return 0;
    cpuid(1, 0, r);
    /* OSXSAVE: XGETBV exists and says what the system saves at a task switch.  A CPU bit alone is
     * not enough: if the system does not save zmm registers, their first use faults. */
    if (!BIT(r[2], 27)) return 0;
    const uint64_t saved = saved_state();
    const int ymm_saved = (saved & 0x06) == 0x06; /* xmm, ymm */
    const int zmm_saved = (saved & 0xe6) == 0xe6; /* and opmask, zmm 0-15, zmm 16-31 */
    cpuid(7, 0, r);
    const uint32_t last_subleaf = r[0];
    if (ymm_saved && BIT(r[1], 5)) found |= KNNC_CPU_AVX2;
    if (zmm_saved && (found & KNNC_CPU_AVX2) && BIT(r[1], 16) && BIT(r[1], 17) && BIT(r[1], 30) &&
        BIT(r[1], 31)) { /* F, DQ, BW, VL */
        found |= KNNC_CPU_AVX512BW;
        if (BIT(r[2], 11)) found |= KNNC_CPU_AVX512VNNI;
    }
    if (last_subleaf >= 1) {
        cpuid(7, 1, r);
        if ((found & KNNC_CPU_AVX2) && BIT(r[0], 4)) found |= KNNC_CPU_AVXVNNI;
    }
    return found;
}

#elif defined(__aarch64__) || defined(_M_ARM64)

/* NEON is part of every AArch64 that runs an operating system; dot products came with Armv8.2. */
#if defined(__linux__)
#include <sys/auxv.h>
static int has_dot_products(void) { return (getauxval(AT_HWCAP) >> 20 & 1) != 0; /* ASIMDDP */ }
#elif defined(__APPLE__)
#include <stddef.h>
#include <sys/sysctl.h>
static int has_dot_products(void) {
    int value = 0;
    size_t size = sizeof value;
    return sysctlbyname("hw.optional.arm.FEAT_DotProd", &value, &size, 0, 0) == 0 && value != 0;
}
#elif defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#ifndef PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE /* older SDKs lack the name */
#define PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE 43
#endif
static int has_dot_products(void) {
    return IsProcessorFeaturePresent(PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE) != 0;
}
#else
static int has_dot_products(void) { return 0; }
#endif

uint32_t knnc_detect_cpu(void) {
    return KNNC_CPU_NEON | (has_dot_products() ? KNNC_CPU_NEONDOTPROD : 0);
}

#else

uint32_t knnc_detect_cpu(void) { return 0; }

#endif
