/* Every kernel compiled in, best first within a metric.  For select.c, which includes it twice. */
#if defined(__x86_64__) || defined(_M_X64)
KERNEL(sqeuclidean_u8_avx512vnni)
KERNEL(sqeuclidean_u8_avx512vl)
#if KNNC_WITH_AVXVNNI
KERNEL(sqeuclidean_u8_avxvnni)
#endif
KERNEL(sqeuclidean_u8_avx512bw)
KERNEL(sqeuclidean_u8_avx2)
KERNEL(manhattan_u8_avx512bw)
KERNEL(manhattan_u8_avx2)
KERNEL(chebyshev_u8_avx512bw)
KERNEL(chebyshev_u8_avx2)
KERNEL(hamming_u8_avx512bw)
KERNEL(hamming_u8_avx2)
#elif defined(__aarch64__) || defined(_M_ARM64)
#if KNNC_WITH_NEONDOTPROD
KERNEL(sqeuclidean_u8_neondotprod)
KERNEL(manhattan_u8_neondotprod)
#endif
KERNEL(sqeuclidean_u8_neon)
KERNEL(manhattan_u8_neon)
KERNEL(chebyshev_u8_neon)
KERNEL(hamming_u8_neon)
#endif
KERNEL(sqeuclidean_u8_serial)
KERNEL(manhattan_u8_serial)
KERNEL(chebyshev_u8_serial)
KERNEL(hamming_u8_serial)
