// Bias, activation and dropout; the formulas stand in sknorm/kernels/reference/affine_block.py.
// A block takes some columns of a chunk of rows. The member is blockIdx.y.
#include "activations.cuh"
#include "columns.cuh"

// W columns of a chunk.
template <typename T, int W, int ACTIVATION>
struct Shifted {
    Pack<T, W> shift;
    Dropout<T> drop;
    unsigned int element;  // of the first row and column
    int d;

    __device__ __forceinline__ Pack<T, W> output(int row, Pack<T, W> z) const {
#pragma unroll
        for (int w = 0; w < W; ++w) z.v[w] = activate<ACTIVATION>(z.v[w] + shift.v[w]);
        drop_pack(drop, element + static_cast<unsigned int>(row) * d, z);
        return z;
    }

    __device__ __forceinline__ void differentiate(
        int row, const Pack<T, W> &z, Pack<T, W> &gradient) const {
        drop_pack(drop, element + static_cast<unsigned int>(row) * d, gradient);
#pragma unroll
        for (int w = 0; w < W; ++w) {
            gradient.v[w] *= derivative<ACTIVATION>(z.v[w] + shift.v[w]);
        }
    }
};

template <typename T, int W, int ACTIVATION>
__global__ void __launch_bounds__(256, 4) affine_forward(
    const T *z, const T *shift, const double *rate, const unsigned int *seed, unsigned int step,
    const unsigned int *clock, unsigned int layer, long long start, long long stop,
    long long chunks, long long size, long long n, long long width, T *out) {
    constexpr int U = FORWARD_ROWS;
    const int d = width;
    const long long k = blockIdx.y;
    const Tile<W> tile(gridDim.x / chunks, start, stop);
    const Rows rows = chunk_rows({0, static_cast<int>(n)}, size, tile.part);
    if (!tile.inside) return;
    const Shifted<T, W, ACTIVATION> map = {
        load<W>(shift + k * d + tile.column), {rate[k], seed[k], given(step, clock), layer},
        element_of(rows.first, tile.column, d), d};
    z += (k * n + rows.first) * d + tile.column;
    out += (k * n + rows.first) * d + tile.column;
    for (int i = threadIdx.y; i < rows.count; i += U * blockDim.y) {
        Pack<T, W> x[U];
        load_rows(z, i, rows.count, d, x);
#pragma unroll
        for (int u = 0; u < U; ++u) {
            const int row = i + u * blockDim.y;
            if (row < rows.count) store(row_of(out, row, d), map.output(row, x[u]));
        }
    }
}

// The last block of a tile adds up what the blocks of the chunks leave.
template <typename T, int W, int ACTIVATION>
__global__ void __launch_bounds__(256, RESIDENT_BLOCKS<ACTIVATION>) affine_backward(
    const T *z, const T *shift, const double *rate, const unsigned int *seed, unsigned int step,
    const unsigned int *clock, unsigned int layer, long long start, long long stop,
    long long chunks, long long size, double *parts, unsigned int *counters, T *dshift, long long n,
    long long width, T *dout) {
    SKN_DYNAMIC_SHARED(double, scratch);
    constexpr int U = BACKWARD_ROWS;
    const int tiles = gridDim.x / chunks, d = width;
    const long long k = blockIdx.y;
    const Tile<W> tile(tiles, start, stop);
    const Rows rows = chunk_rows({0, static_cast<int>(n)}, size, tile.part);
    const long long from = tile.inside ? tile.column : start;
    const Shifted<T, W, ACTIVATION> map = {
        load<W>(shift + k * d + from), {rate[k], seed[k], given(step, clock), layer},
        element_of(rows.first, from, d), d};
    z += (k * n + rows.first) * d + tile.column;
    dout += (k * n + rows.first) * d + tile.column;
    parts += k * chunks * d;
    const int count = tile.inside ? rows.count : 0;

    double sums[W] = {};
    for (int i = threadIdx.y; i < count; i += U * blockDim.y) {
        Pack<T, W> x[U], dy[U];
        load_rows(z, i, count, d, x);
        load_rows(dout, i, count, d, dy);
        T sum[W] = {};
#pragma unroll
        for (int u = 0; u < U; ++u) {
            const int row = i + u * blockDim.y;
            if (row >= count) continue;
            map.differentiate(row, x[u], dy[u]);
            store(row_of(dout, row, d), dy[u]);
#pragma unroll
            for (int w = 0; w < W; ++w) sum[w] += dy[u].v[w];
        }
#pragma unroll
        for (int w = 0; w < W; ++w) sums[w] += sum[w];
    }
    const double *results = column_sums<W>(sums, scratch);
    if (chunks > 1) {
        store_part<1>(tile, results, d, row_of(parts, tile.part, d) + tile.single);
        if (!last_block(counters + k * tiles + tile.index, chunks)) return;
        results = add_parts<1, W>(parts + tile.column, chunks, tile.inside, d, scratch);
    }
    if (tile.owns) dshift[k * d + tile.single] = static_cast<T>(results[tile.own]);
}
