#include "cpu.h"

static const knnc_cpu_feature features[] = {
    {"avx2", KNNC_CPU_AVX2, KNNC_CPU_AVX512BW | KNNC_CPU_AVX512VNNI},
    {"avx512bw", KNNC_CPU_AVX512BW, KNNC_CPU_AVX512VNNI},
    {"avx512vnni", KNNC_CPU_AVX512VNNI, 0},
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
    /* OSXSAVE: XGETBV exists and tells what the system saves at a task switch.  A CPU bit alone
     * is not enough: a system that does not save zmm registers faults on their first use. */
    if (!BIT(r[2], 27)) return 0;
    const uint64_t saved = saved_state();
    const int ymm_saved = (saved & 0x06) == 0x06; /* xmm, ymm */
    const int zmm_saved = (saved & 0xe6) == 0xe6; /* and opmask, zmm 0-15, zmm 16-31 */
    cpuid(7, 0, r);
    if (ymm_saved && BIT(r[1], 5)) found |= KNNC_CPU_AVX2;
    if (zmm_saved && (found & KNNC_CPU_AVX2) && BIT(r[1], 16) && BIT(r[1], 17) && BIT(r[1], 30) &&
        BIT(r[1], 31)) { /* F, DQ, BW, VL */
        found |= KNNC_CPU_AVX512BW;
        if (BIT(r[2], 11)) found |= KNNC_CPU_AVX512VNNI;
    }
    return found;
}

#else

uint32_t knnc_detect_cpu(void) { return 0; }

#endif
