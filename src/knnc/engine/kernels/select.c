/* Which kernels there are, and which is the best for a processor. */
#include "cpu.h"
#include "kernels.h"

#define KERNEL(name) extern const knnc_kernel knnc_##name;
#include "kernel_list.h"
#undef KERNEL

#define KERNEL(name) &knnc_##name,
static const knnc_kernel *const kernels[] = {
#include "kernel_list.h"
};

int knnc_n_kernels(void) { return (int)(sizeof kernels / sizeof kernels[0]); }

const knnc_kernel *knnc_kernel_at(int i) { return kernels[i]; }

const knnc_kernel *knnc_best_kernel(knnc_metric metric, uint32_t features) {
    for (int i = 0; i < knnc_n_kernels(); i++)
        if (kernels[i]->metric == metric && (kernels[i]->needs & ~features) == 0) return kernels[i];
    return 0; /* not reached: the serial kernels need nothing */
}
