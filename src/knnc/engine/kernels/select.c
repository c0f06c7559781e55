/* Every kernel compiled in, best first within a metric. */
#include "cpu.h"
#include "kernels.h"

extern const knnc_kernel knnc_sqeuclidean_u8_serial;
extern const knnc_kernel knnc_manhattan_u8_serial;
extern const knnc_kernel knnc_chebyshev_u8_serial;
extern const knnc_kernel knnc_hamming_u8_serial;
#if defined(__x86_64__) || defined(_M_X64)
extern const knnc_kernel knnc_sqeuclidean_u8_avx512vnni;
extern const knnc_kernel knnc_sqeuclidean_u8_avx512vl;
#if KNNC_WITH_AVXVNNI
extern const knnc_kernel knnc_sqeuclidean_u8_avxvnni;
#endif
extern const knnc_kernel knnc_sqeuclidean_u8_avx512bw;
extern const knnc_kernel knnc_sqeuclidean_u8_avx2;
extern const knnc_kernel knnc_manhattan_u8_avx512bw;
extern const knnc_kernel knnc_manhattan_u8_avx2;
extern const knnc_kernel knnc_chebyshev_u8_avx512bw;
extern const knnc_kernel knnc_chebyshev_u8_avx2;
extern const knnc_kernel knnc_hamming_u8_avx512bw;
extern const knnc_kernel knnc_hamming_u8_avx2;
#elif defined(__aarch64__) || defined(_M_ARM64)
#if KNNC_WITH_NEONDOTPROD
extern const knnc_kernel knnc_sqeuclidean_u8_neondotprod;
#endif
extern const knnc_kernel knnc_sqeuclidean_u8_neon;
#if KNNC_WITH_NEONDOTPROD
extern const knnc_kernel knnc_manhattan_u8_neondotprod;
#endif
extern const knnc_kernel knnc_manhattan_u8_neon;
extern const knnc_kernel knnc_chebyshev_u8_neon;
extern const knnc_kernel knnc_hamming_u8_neon;
#endif

/* clang-format off */
static const knnc_kernel *const kernels[] = {
#if defined(__x86_64__) || defined(_M_X64)
    &knnc_sqeuclidean_u8_avx512vnni,
    &knnc_sqeuclidean_u8_avx512vl,
#if KNNC_WITH_AVXVNNI
    &knnc_sqeuclidean_u8_avxvnni,
#endif
    &knnc_sqeuclidean_u8_avx512bw,
    &knnc_sqeuclidean_u8_avx2,
    &knnc_manhattan_u8_avx512bw,
    &knnc_manhattan_u8_avx2,
    &knnc_chebyshev_u8_avx512bw,
    &knnc_chebyshev_u8_avx2,
    &knnc_hamming_u8_avx512bw,
    &knnc_hamming_u8_avx2,
#elif defined(__aarch64__) || defined(_M_ARM64)
#if KNNC_WITH_NEONDOTPROD
    &knnc_sqeuclidean_u8_neondotprod,
#endif
    &knnc_sqeuclidean_u8_neon,
#if KNNC_WITH_NEONDOTPROD
    &knnc_manhattan_u8_neondotprod,
#endif
    &knnc_manhattan_u8_neon,
    &knnc_chebyshev_u8_neon,
    &knnc_hamming_u8_neon,
#endif
    &knnc_sqeuclidean_u8_serial,
    &knnc_manhattan_u8_serial,
    &knnc_chebyshev_u8_serial,
    &knnc_hamming_u8_serial,
};
/* clang-format on */

int knnc_n_kernels(void) { return (int)(sizeof kernels / sizeof kernels[0]); }

const knnc_kernel *knnc_kernel_at(int i) { return kernels[i]; }

const knnc_kernel *knnc_best_kernel(knnc_metric metric, uint32_t features) {
    for (int i = 0; i < knnc_n_kernels(); i++)
        if (kernels[i]->metric == metric && (kernels[i]->needs & ~features) == 0) return kernels[i];
    return 0; /* not reached: the serial kernels need nothing */
}
