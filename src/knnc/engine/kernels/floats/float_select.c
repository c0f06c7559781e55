/* Every kernel for rows of floats that is compiled in, best first. */
#include "floats.h"

extern const knnc_float_kernel knnc_f64_serial;
#if defined(__x86_64__) || defined(_M_X64)
extern const knnc_float_kernel knnc_f64_avx512bw;
extern const knnc_float_kernel knnc_f64_avx2;
#elif defined(__aarch64__) || defined(_M_ARM64)
extern const knnc_float_kernel knnc_f64_neon;
#endif

static const knnc_float_kernel *const kernels[] = {
#if defined(__x86_64__) || defined(_M_X64)
    &knnc_f64_avx512bw,
    &knnc_f64_avx2,
#elif defined(__aarch64__) || defined(_M_ARM64)
    &knnc_f64_neon,
#endif
    &knnc_f64_serial,
};

int knnc_n_float_kernels(void) { return (int)(sizeof kernels / sizeof kernels[0]); }

const knnc_float_kernel *knnc_float_kernel_at(int i) { return kernels[i]; }
