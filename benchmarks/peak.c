/* The peak rate of one instruction on this machine: independent accumulators, operands in
 * registers, one thread a CPU.  roofline.py compiles this and calls peak_rate().
 *
 * An instruction that has to be followed by an addition to be of use (vpmaddwd, vpsadbw, uabd)
 * is measured with it.  Inline assembly, so that a compiler neither moves nor removes anything.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#define TIMES4(f, a, b, c, d) f(a) f(b) f(c) f(d)
#define TIMES12(f) TIMES4(f, 0, 1, 2, 3) TIMES4(f, 4, 5, 6, 7) TIMES4(f, 8, 9, 10, 11)
#define TIMES24(f)                                                                                 \
    TIMES12(f) TIMES4(f, 12, 13, 14, 15) TIMES4(f, 16, 17, 18, 19) TIMES4(f, 20, 21, 22, 23)
#define LOW_REGISTERS(p)                                                                           \
    p "0", p "1", p "2", p "3", p "4", p "5", p "6", p "7", p "8", p "9", p "10", p "11", p "12",  \
        p "13", p "14", p "15"
#define HIGH_REGISTERS(p)                                                                          \
    p "16", p "17", p "18", p "19", p "20", p "21", p "22", p "23", p "24", p "25", p "26",        \
        p "27", p "28", p "29", p "30", p "31"

typedef void loop(int64_t rounds);

typedef struct {
    const char *name;
    loop *run;
    int operations; /* byte operations a round */
} instruction;

#if defined(__x86_64__)

/* Results of multiplications and differences go to registers in turn: none waits for another. */
#define DPBUSD_ZMM(i) "vpdpbusd %%zmm30, %%zmm31, %%zmm" #i "\n\t"
#define DPBUSD_YMM(i) "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm" #i "\n\t"
#define MADD_ZMM(i)                                                                                \
    "vpmaddwd %%zmm30, %%zmm31, %%zmm29\n\tvpaddd %%zmm29, %%zmm" #i ", %%zmm" #i "\n\t"
#define MADD_YMM(i)                                                                                \
    "vpmaddwd %%ymm14, %%ymm15, %%ymm13\n\tvpaddd %%ymm13, %%ymm" #i ", %%ymm" #i "\n\t"
#define SAD_ZMM(i)                                                                                 \
    "vpsadbw %%zmm30, %%zmm31, %%zmm29\n\tvpaddd %%zmm29, %%zmm" #i ", %%zmm" #i "\n\t"
#define SAD_YMM(i)                                                                                 \
    "vpsadbw %%ymm14, %%ymm15, %%ymm13\n\tvpaddd %%ymm13, %%ymm" #i ", %%ymm" #i "\n\t"

#define LOOP(name, features, body, ...)                                                            \
    __attribute__((target(features))) static void name(int64_t rounds) {                           \
        for (int64_t r = 0; r < rounds; r++) __asm__ volatile(body : : : __VA_ARGS__);             \
    }

LOOP(dpbusd_zmm, "avx512f,avx512bw,avx512vnni", TIMES24(DPBUSD_ZMM), LOW_REGISTERS("xmm"),
     HIGH_REGISTERS("xmm"))
LOOP(madd_zmm, "avx512f,avx512bw", TIMES24(MADD_ZMM), LOW_REGISTERS("xmm"), HIGH_REGISTERS("xmm"))
LOOP(sad_zmm, "avx512f,avx512bw", TIMES24(SAD_ZMM), LOW_REGISTERS("xmm"), HIGH_REGISTERS("xmm"))
LOOP(dpbusd_ymm, "avx2", TIMES12(DPBUSD_YMM), LOW_REGISTERS("xmm"))
LOOP(madd_ymm, "avx2", TIMES12(MADD_YMM), LOW_REGISTERS("xmm"))
LOOP(sad_ymm, "avx2", TIMES12(SAD_YMM), LOW_REGISTERS("xmm"))

static const instruction instructions[] = {
    {"vpdpbusd zmm", dpbusd_zmm, 24 * 64}, {"vpdpbusd ymm", dpbusd_ymm, 12 * 32},
    {"vpmaddwd zmm", madd_zmm, 24 * 32},   {"vpmaddwd ymm", madd_ymm, 12 * 16},
    {"vpsadbw zmm", sad_zmm, 24 * 64},     {"vpsadbw ymm", sad_ymm, 12 * 32},
};

#elif defined(__aarch64__)

#define UDOT(i) "udot v" #i ".4s, v30.16b, v31.16b\n\t"
#define UABD(i) "uabd v29.16b, v30.16b, v31.16b\n\tudot v" #i ".4s, v29.16b, v28.16b\n\t"
#define LOOP(name, body)                                                                           \
    __attribute__((target("arch=armv8.2-a+dotprod"))) static void name(int64_t rounds) {           \
        for (int64_t r = 0; r < rounds; r++)                                                       \
            __asm__ volatile(body : : : LOW_REGISTERS("v"), HIGH_REGISTERS("v"));                  \
    }

LOOP(udot, TIMES24(UDOT))
LOOP(uabd_udot, TIMES24(UABD))

static const instruction instructions[] = {
    {"udot", udot, 24 * 16},
    {"uabd + udot", uabd_udot, 24 * 16},
};

#else
#error "no instruction of this processor is known here"
#endif

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct {
    const instruction *what;
    pthread_barrier_t *start;
    double seconds, rate;
} job;

static void *work(void *argument) {
    job *mine = argument;
    int64_t rounds = 0;
    pthread_barrier_wait(mine->start);
    const double begin = now();
    double passed;
    do {
        mine->what->run(100000);
        rounds += 100000;
        passed = now() - begin;
    } while (passed < mine->seconds);
    mine->rate = (double)rounds * mine->what->operations / passed;
    return 0;
}

/* Byte operations a second of all the threads together; negative if it could not be measured. */
double peak_rate(const char *name, int n_threads, double seconds) {
    enum { MAX = 1024 };
    static job jobs[MAX];
    static pthread_t threads[MAX];
    pthread_barrier_t start;
    double rate = 0;
    const instruction *what = 0;
    for (size_t i = 0; i < sizeof instructions / sizeof instructions[0]; i++)
        if (strcmp(instructions[i].name, name) == 0) what = &instructions[i];
    if (!what || n_threads < 1 || n_threads > MAX) return -1;
    if (pthread_barrier_init(&start, 0, (unsigned)n_threads)) return -1;
    for (int t = 0; t < n_threads; t++) {
        jobs[t] = (job){what, &start, seconds, 0};
        if (pthread_create(&threads[t], 0, work, &jobs[t])) return -1;
    }
    for (int t = 0; t < n_threads; t++) {
        pthread_join(threads[t], 0);
        rate += jobs[t].rate;
    }
    pthread_barrier_destroy(&start);
    return rate;
}
