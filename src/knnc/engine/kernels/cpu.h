/* Which instruction sets this processor and this operating system can run. */
#ifndef KNNC_CPU_H
#define KNNC_CPU_H

#include <stdint.h>

enum {
    KNNC_CPU_AVX2 = 1u << 0,
    KNNC_CPU_AVX512BW = 1u << 1, /* with F and VL, and the saved state of zmm registers */
    KNNC_CPU_AVX512VNNI = 1u << 2,
    KNNC_CPU_AVXVNNI = 1u << 3, /* VNNI in the encoding of AVX, 128 and 256 bits */
    KNNC_CPU_NEON = 1u << 4,
    KNNC_CPU_NEONDOTPROD = 1u << 5, /* udot: FEAT_DotProd */
};

typedef struct {
    const char *name;
    uint32_t bit;
    uint32_t implies; /* features that need this one, and are disabled with it */
} knnc_cpu_feature;

int knnc_n_cpu_features(void);
const knnc_cpu_feature *knnc_cpu_feature_at(int i);

/* The features that the processor and the operating system support, by CPUID and XGETBV; on ARM by
 * the operating system alone. */
uint32_t knnc_detect_cpu(void);

#endif
