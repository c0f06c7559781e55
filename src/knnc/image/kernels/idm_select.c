/* Every kernel of the image distortion model that is compiled in, best first. */
#include "idm.h"

extern const knnc_idm_kernel knnc_idm_i8_serial;
#if defined(__x86_64__) || defined(_M_X64)
extern const knnc_idm_kernel knnc_idm_i8_avx512bw;
extern const knnc_idm_kernel knnc_idm_i8_avx2;
#endif

static const knnc_idm_kernel *const kernels[] = {
#if defined(__x86_64__) || defined(_M_X64)
    &knnc_idm_i8_avx512bw,
    &knnc_idm_i8_avx2,
#endif
    &knnc_idm_i8_serial,
};

int knnc_n_idm_kernels(void) { return (int)(sizeof kernels / sizeof kernels[0]); }

const knnc_idm_kernel *knnc_idm_kernel_at(int i) { return kernels[i]; }
