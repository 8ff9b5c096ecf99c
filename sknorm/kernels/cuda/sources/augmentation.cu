// Mixtures of the rows of a batch; sknorm/kernels/reference/augmentation.py has the formula.
#include "common.cuh"

constexpr int MIX_THREADS = 256;

// W values of each of two rows, which get a share of the other's.
template <int W, typename T>
__device__ __forceinline__ void mix(T share, T *first, T *second) {
    Pack<T, W> a = load<W>(first), b = load<W>(second);
#pragma unroll
    for (int w = 0; w < W; ++w) {
        // In this form columns of one value keep it exactly.
        const T towards = share * (b.v[w] - a.v[w]);
        a.v[w] += towards;
        b.v[w] -= towards;
    }
    store<W>(first, a);
    store<W>(second, b);
}

// Each row i of the first half and row n - 1 - i in place. A grid over pairs of rows, members, and
// tiles of columns, of which the last has the o targets and the weight; threads along the columns,
// then along the rows.
template <typename T, int W>
__global__ void __launch_bounds__(MIX_THREADS) mixup(
    const double *__restrict__ share, long long n, long long d, long long o, T *__restrict__ x,
    T *__restrict__ y, T *__restrict__ weight) {
    const long long k = blockIdx.y;
    if (!(share[k] < 1.0)) return;
    const T other = static_cast<T>(1.0 - share[k]);
    const long long start = static_cast<long long>(blockIdx.x) * blockDim.y + threadIdx.y;
    const long long stride = static_cast<long long>(gridDim.x) * blockDim.y;
    if (blockIdx.z + 1 == gridDim.z) {
        for (long long j = threadIdx.x; j <= o; j += blockDim.x) {
            const long long width = j < o ? o : 1;
            T *column = j < o ? y + k * n * o + j : weight + k * n;
            for (long long i = start; i < n / 2; i += stride) {
                mix<1>(other, column + i * width, column + (n - 1 - i) * width);
            }
        }
        return;
    }
    const long long j = (static_cast<long long>(blockIdx.z) * blockDim.x + threadIdx.x) * W;
    if (j >= d) return;
    x += k * n * d + j;
    for (long long i = start; i < n / 2; i += stride) {
        mix<W>(other, x + i * d, x + (n - 1 - i) * d);
    }
}
