/* Rows of floats in plain C, one number at a time: an oracle for the other kernels. */
#include <math.h>

#include "floats.h"

#define LANES 1
#define TILE_ROWS 1
#define PASS_SUMS 8
#define TARGET
#define KERNEL knnc_f64_serial
#define KERNEL_NAME "f64_serial"
#define NEEDS 0

typedef double vec;
#define LOAD(p) (*(p))
#define LOAD_F32(p) ((double)*(p))
#define STORE(p, v) (*(p) = (v))
#define SPREAD(p) (*(p))
#define ZERO 0.0
#define ADD(a, b) ((a) + (b))
#define SUB(a, b) ((a) - (b))
#define MUL(a, b) ((a) * (b))
#define DIV(a, b) ((a) / (b))
#define ABS(a) fabs(a)
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define DIFFER(a, b) ((a) != (b) ? 1.0 : 0.0)
#define BELOW(key, limits) (uint64_t)(bits_of(key) < *(limits))

/* Vectors of float32, for projections, which may round in any way. */
#define FLOATS 1
#define PROJECTED_ROWS 1
typedef float floats;
#define LOAD_FLOATS(p) (*(p))
#define STORE_FLOATS(p, v) (*(p) = (v))
#define SPREAD_FLOAT(x) (x)
#define ADD_FLOATS(a, b) ((a) + (b))
#define ADD_PRODUCT(sum, a, b) ((sum) + (a) * (b))

#include "f64_tile.h"
