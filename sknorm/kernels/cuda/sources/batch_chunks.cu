// Batch and ghost norm, activation and dropout, in two launches over chunks of rows: the first one
// leaves what is summed over rows in the statistics, the second one has the output. The member is
// blockIdx.y. The formulas stand in sknorm/kernels/reference/batch_block.py.
#include "batch_block.cuh"

// The rows of a block: chunk `part` of those that the groups are cut into.
struct Chunk {
    int group, index;
    Rows rows;

    __device__ __forceinline__ Chunk(
        int part, const long long *inner, int groups, int chunks, int size, long long n)
        : group(part / chunks), index(part % chunks),
          rows(chunk_rows(group_rows(inner, groups, n, group), size, index)) {}
};

// The first row that has weight, else the first: a row without may hold any value.
template <typename T>
__device__ __forceinline__ int first_weighted(const T *weight, int rows) {
    const int lane = thread_index() % WARP;
    for (int base = 0; base < rows; base += WARP) {
        int found = base + lane < rows && weight[base + lane] > T(0) ? lane : WARP;
#pragma unroll
        for (int step = WARP / 2; step > 0; step /= 2) {
            const int other = __shfl_xor_sync(ALL_LANES, found, step);
            found = other < found ? other : found;
        }
        if (found < WARP) return base + found;
    }
    return 0;
}

// Weighted sums over rows of the deviations from `origin`, of their squares, and of the weights.
template <typename T, int W>
__device__ __forceinline__ void add_shifted(
    const T *z, const T *weight, int rows, const Pack<T, W> &origin, int d,
    double (&sums)[3 * W]) {
    constexpr int U = FORWARD_ROWS;
    double base[W], total = 0.0;
#pragma unroll
    for (int w = 0; w < W; ++w) base[w] = origin.v[w];
    for (int i = threadIdx.y; i < rows; i += U * blockDim.y) {
        Pack<T, W> x[U];
        T weights[U];
        load_rows(z, i, rows, d, x);
        load_weights(weight, i, rows, weights);
        add_deviations_from(base, x, weights, total, sums);
    }
#pragma unroll
    for (int w = 0; w < W; ++w) sums[2 * W + w] = total;
}

// Statistics and running moments. Each block adds up deviations of its chunk from one row of the
// group, the same for all chunks, so that their sums add up. That row has weight, so it is no
// further from the mean than the root of W / w standard deviations. The last block of a tile
// finishes.
template <typename T, int W>
__global__ void __launch_bounds__(256, 3) moments(
    const T *z, const T *weight, long long weight_stride, const T *scale, const long long *inner,
    long long groups, long long chunks, long long size, double epsilon, long long start,
    long long stop, double *running, const double *momentum, T *statistics, double *parts,
    unsigned int *counters, long long n, long long width) {
    SKN_DYNAMIC_SHARED(double, scratch);
    const int count = groups * chunks, tiles = gridDim.x / count, d = width;
    const long long k = blockIdx.y;
    const Tile<W> tile(tiles, start, stop);
    const Chunk chunk(tile.part, inner, groups, chunks, size, n);
    const Rows group = group_rows(inner, groups, n, chunk.group);
    running += k * 2 * d + tile.single;
    parts += k * count * 3 * d;
    statistics += k * groups * STATISTICS * d + tile.single;
    z += k * n * d;
    weight += k * weight_stride;
    const long long origin = group.first + first_weighted(weight + group.first, group.count);
    if (tile.owns && chunk.index == 0) {
        *row_of(statistics, chunk.group * STATISTICS + MEAN, d) = z[origin * d + tile.single];
    }

    double sums[3 * W] = {};
    if (tile.inside) {
        z += tile.column;
        add_shifted<T, W>(
            z + chunk.rows.first * d, weight + chunk.rows.first, chunk.rows.count,
            load<W>(z + origin * d), d, sums);
    }
    const double *results = column_sums<W>(sums, scratch);
    store_part<3>(tile, results, d, row_of(parts, tile.part * 3, d) + tile.single);
    if (!last_block(counters + k * tiles + tile.index, count)) return;
    Moments pooled = {0.0, 0.0, 0.0};
    for (int g = 0; g < groups; ++g) {
        const double *from = row_of(parts, g * chunks * 3, d) + tile.column;
        results = add_parts<3, W>(from, chunks, tile.inside, d, scratch) + tile.own;
        if (!tile.owns) continue;
        T *own = row_of(statistics, g * STATISTICS, d);
        const ColumnStatistics<T> column(
            results[2 * tile.columns], load_shared(own), results[0], results[tile.columns],
            scale[k * d + tile.single], epsilon);
        column.store(own, d);
        pooled.add(column.moments);
    }
    if (tile.owns) Running(running, d).move(momentum[k], pooled, d, running);
}

// The output, given the statistics. The rows that `moments` took last come first here, since the
// cache of the device may still have them.
template <typename T, int W, int ACTIVATION>
__global__ void __launch_bounds__(256, 4) normalize(
    const T *z, const T *shift, const long long *inner, long long groups, long long chunks,
    long long size, const double *rate, const unsigned int *seed, unsigned int step,
    const unsigned int *clock, unsigned int layer, long long start, long long stop,
    const T *statistics, long long n, long long width, T *out) {
    constexpr int U = FORWARD_ROWS;
    const int count = groups * chunks, d = width;
    const long long k = blockIdx.y;
    const Tile<W> tile(gridDim.x / count, start, stop);
    const Chunk chunk(count - 1 - tile.part, inner, groups, chunks, size, n);
    const int rows = chunk.rows.count;
    if (!tile.inside) return;
    const Columns<T, W, ACTIVATION> map(
        statistics + (k * groups + chunk.group) * STATISTICS * d + tile.column,
        shift + k * d + tile.column, {rate[k], seed[k], given(step, clock), layer},
        element_of(chunk.rows.first, tile.column, d), d);
    z += (k * n + chunk.rows.first) * d + tile.column;
    out += (k * n + chunk.rows.first) * d + tile.column;
    for (int i = threadIdx.y; i < rows; i += U * blockDim.y) {
        Pack<T, W> x[U];
        load_rows(z, i, rows, d, x);
#pragma unroll
        for (int u = 0; u < U; ++u) {
            const int row = i + u * blockDim.y;
            if (row < rows) store(row_of(out, row, d), map.output(row, x[u]));
        }
    }
}

// Gradients of scale and shift, and what the gradient of z takes from its whole column, in the
// statistics. The last block of a tile adds up.
template <typename T, int W, int ACTIVATION>
__global__ void __launch_bounds__(256, RESIDENT_BLOCKS<ACTIVATION>) gradient_sums(
    const T *z, const T *shift, const long long *inner, long long groups, long long chunks,
    long long size, const double *rate, const unsigned int *seed, unsigned int step,
    const unsigned int *clock, unsigned int layer, long long start, long long stop, T *statistics,
    double *parts, unsigned int *counters, T *dscale, T *dshift, long long n, long long width,
    const T *dout) {
    SKN_DYNAMIC_SHARED(double, scratch);
    const int count = groups * chunks, tiles = gridDim.x / count, d = width;
    const long long k = blockIdx.y;
    const Tile<W> tile(tiles, start, stop);
    const Chunk chunk(tile.part, inner, groups, chunks, size, n);
    statistics += k * groups * STATISTICS * d;
    parts += k * count * 2 * d;

    double sums[2 * W] = {};
    if (tile.inside) {
        const Columns<T, W, ACTIVATION> map(
            row_of(statistics, chunk.group * STATISTICS, d) + tile.column,
            shift + k * d + tile.column, {rate[k], seed[k], given(step, clock), layer},
            element_of(chunk.rows.first, tile.column, d), d);
        const long long first = (k * n + chunk.rows.first) * d + tile.column;
        const auto forget = [](const Pack<T, W> &, const Pack<T, W> &) {};
        add_gradients(map, z + first, dout + first, chunk.rows.count, sums, forget);
    }
    const double *results = column_sums<W>(sums, scratch);
    store_part<2>(tile, results, d, row_of(parts, tile.part * 2, d) + tile.single);
    if (!last_block(counters + k * tiles + tile.index, count)) return;
    double scale_sum = 0.0, shift_sum = 0.0;
    for (int g = 0; g < groups; ++g) {
        const double *from = row_of(parts, g * chunks * 2, d) + tile.column;
        results = add_parts<2, W>(from, chunks, tile.inside, d, scratch) + tile.own;
        if (!tile.owns) continue;
        T *own = row_of(statistics, g * STATISTICS, d) + tile.single;
        const ColumnStatistics<T> column(own, d);
        const Projection<T> projection(column, results[0], results[tile.columns]);
        *row_of(own, CENTRE, d) = projection.centre;
        *row_of(own, SLOPE, d) = projection.slope;
        shift_sum += results[0];
        scale_sum += projection.scale;
    }
    if (!tile.owns) return;
    dshift[k * d + tile.single] = static_cast<T>(shift_sum);
    dscale[k * d + tile.single] = static_cast<T>(scale_sum);
}

// The gradient of z, given what `gradient_sums` left in the statistics, its last rows first.
template <typename T, int W, int ACTIVATION>
__global__ void __launch_bounds__(256, RESIDENT_BLOCKS<ACTIVATION>) gradient(
    const T *z, const T *weight, long long weight_stride, const T *shift, const long long *inner,
    long long groups, long long chunks, long long size, const double *rate,
    const unsigned int *seed, unsigned int step, const unsigned int *clock, unsigned int layer,
    long long start, long long stop, const T *statistics, long long n, long long width, T *dout) {
    constexpr int U = BACKWARD_ROWS;
    const int count = groups * chunks, d = width;
    const long long k = blockIdx.y;
    const Tile<W> tile(gridDim.x / count, start, stop);
    const Chunk chunk(count - 1 - tile.part, inner, groups, chunks, size, n);
    const int rows = chunk.rows.count;
    if (!tile.inside) return;
    statistics += (k * groups + chunk.group) * STATISTICS * d + tile.column;
    weight += k * weight_stride + chunk.rows.first;
    z += (k * n + chunk.rows.first) * d + tile.column;
    dout += (k * n + chunk.rows.first) * d + tile.column;
    const Columns<T, W, ACTIVATION> map(
        statistics, shift + k * d + tile.column, {rate[k], seed[k], given(step, clock), layer},
        element_of(chunk.rows.first, tile.column, d), d);
    const Pack<T, W> centre = load<W>(row_of(statistics, CENTRE, d));
    const Pack<T, W> slope = load<W>(row_of(statistics, SLOPE, d));
    for (int i = threadIdx.y; i < rows; i += U * blockDim.y) {
        Pack<T, W> x[U], dy[U];
        T weights[U];
        load_rows(z, i, rows, d, x);
        load_rows(dout, i, rows, d, dy);
        load_weights(weight, i, rows, weights);
#pragma unroll
        for (int u = 0; u < U; ++u) {
            const int row = i + u * blockDim.y;
            if (row >= rows) continue;
            map.differentiate(row, x[u], dy[u]);
            store(
                row_of(dout, row, d), map.input_gradient(weights[u], centre, slope, x[u], dy[u]));
        }
    }
}
