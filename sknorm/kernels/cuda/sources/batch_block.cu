// Batch and ghost norm, activation and dropout, in one launch that reads every value once: where
// the rows of a group fit into shared memory, some columns at a time. The member is blockIdx.y.
// The formulas stand in sknorm/kernels/reference/batch_block.py.
#include "batch_block.cuh"

// Keep a thread's rows in shared memory, where only it reads them, and add them up, and their
// weights.
template <typename T, int W>
__device__ __forceinline__ void hold_rows(
    const T *z, const T *weight, int rows, bool inside, int d, T *held, double (&sums)[W + 1]) {
    constexpr int U = FORWARD_ROWS;
    const int stride = block_threads() * W;
    for (int i = threadIdx.y; i < rows; i += U * blockDim.y, held += U * stride) {
        Pack<T, W> x[U];
        T weights[U];
        load_rows(z, i, inside ? rows : 0, d, x);
        load_weights(weight, i, rows, weights);
        T sum[W] = {};
#pragma unroll
        for (int u = 0; u < U; ++u) {
            store(held + u * stride, x[u]);
            sums[W] += weights[u];
#pragma unroll
            for (int w = 0; w < W; ++w) sum[w] += weights[u] * x[u].v[w];
        }
#pragma unroll
        for (int w = 0; w < W; ++w) sums[w] += sum[w];
    }
}

// Deviations of the rows that are held, and their squares, added up.
template <typename T, int W>
__device__ __forceinline__ void add_deviations(
    const T *held, const T *weight, int rows, const Pack<T, W> &origin, double (&sums)[2 * W]) {
    constexpr int U = FORWARD_ROWS;
    const int stride = block_threads() * W;
    for (int i = threadIdx.y; i < rows; i += U * blockDim.y, held += U * stride) {
        T weights[U];
        load_weights(weight, i, rows, weights);
        T sum[W] = {}, squares[W] = {};
#pragma unroll
        for (int u = 0; u < U; ++u) {
            const Pack<T, W> x = load<W>(held + u * stride);
#pragma unroll
            for (int w = 0; w < W; ++w) {
                const T deviation = x.v[w] - origin.v[w], weighted = weights[u] * deviation;
                sum[w] += weighted;
                squares[w] += weighted * deviation;
            }
        }
#pragma unroll
        for (int w = 0; w < W; ++w) {
            sums[w] += sum[w];
            sums[W + w] += squares[w];
        }
    }
}

// The output of the rows that are held.
template <typename T, int W, int ACTIVATION>
__device__ __forceinline__ void write_held(
    const Columns<T, W, ACTIVATION> &map, const T *held, int rows, T *out) {
    const int stride = block_threads() * W;
    for (int i = threadIdx.y; i < rows; i += blockDim.y, held += stride) {
        store(row_of(out, i, map.d), map.output(i, load<W>(held)));
    }
}

// All of the forward pass. A block for some columns of a group.
template <typename T, int W, int ACTIVATION>
__global__ void __launch_bounds__(256, sizeof(T) == 4 ? 3 : 2) forward_held(
    const T *z, const T *weight, long long weight_stride, const T *scale, const T *shift,
    const long long *inner, long long groups, double epsilon, const double *rate,
    const unsigned int *seed, unsigned int step, const unsigned int *clock, unsigned int layer,
    long long start, long long stop, double *running, const double *momentum, T *statistics,
    double *parts, unsigned int *counters, long long n, long long width, T *out) {
    SKN_DYNAMIC_SHARED(double, scratch);
    const int tiles = gridDim.x / groups, d = width;
    const long long k = blockIdx.y;
    const Tile<W> tile(tiles, start, stop);
    const Rows rows = group_rows(inner, groups, n, tile.part);
    T *constants = reinterpret_cast<T *>(scratch + sums_size<3 * W, W>());
    T *held = constants + 3 * tile.columns + thread_index() * W;
    const long long first = (k * n + rows.first) * d + tile.column;
    weight += k * weight_stride + rows.first;
    running += k * 2 * d + tile.single;
    parts += k * groups * 3 * d;
    // Loaded before they are needed, because then everything waits for them.
    const T own_scale = scale[k * d + tile.single], own_shift = shift[k * d + tile.single];
    const Running moments(running, d);
    const Dropout<T> drop(rate[k], seed[k], given(step, clock), layer);

    double sums[W + 1] = {}, deviations[2 * W] = {};
    hold_rows<T, W>(z + first, weight, rows.count, tile.inside, d, held, sums);
    const double *results = column_sums<W>(sums, scratch);
    const double total = results[tile.columns], share = total == 0.0 ? 0.0 : 1.0 / total;
    const T own_origin = static_cast<T>(results[tile.own] * share);
    Pack<T, W> origin;
#pragma unroll
    for (int w = 0; w < W; ++w) origin.v[w] = static_cast<T>(results[threadIdx.x * W + w] * share);
    add_deviations<T, W>(held, weight, rows.count, origin, deviations);
    results = column_sums<W>(deviations, scratch);
    if (tile.owns) {
        const ColumnStatistics<T> column(
            total, own_origin, results[tile.own], results[tile.columns + tile.own], own_scale,
            epsilon);
        column.store(statistics + (k * groups + tile.part) * STATISTICS * d + tile.single, d);
        constants[tile.own] = column.mean;
        constants[tile.columns + tile.own] = column.gain;
        constants[2 * tile.columns + tile.own] = offset_of(own_shift, column.rest, column.gain);
        if (groups == 1) {
            moments.move(momentum[k], column.moments, d, running);
        } else {
            double *part = row_of(parts, tile.part * 3, d) + tile.single;
            part[0] = column.moments.mean;
            part[d] = column.moments.unbiased;
            part[2 * d] = column.moments.total;
        }
    }
    __syncthreads();
    if (tile.inside) {
        const Columns<T, W, ACTIVATION> map(
            constants + threadIdx.x * W, tile.columns, drop,
            element_of(rows.first, tile.column, d), d);
        write_held(map, held, rows.count, out + first);
    }
    if (groups == 1 || !last_block(counters + k * tiles + tile.index, groups)) return;
    results = add_parts<3, W>(parts + tile.column, groups, tile.inside, d, scratch) + tile.own;
    if (!tile.owns) return;
    const Moments pooled = {results[0], results[tile.columns], results[2 * tile.columns]};
    moments.move(momentum[k], pooled, d, running);
}

// The gradient of z at the rows that are held, by their z - mean and the gradients of their
// pre-activations.
template <typename T, int W, int ACTIVATION>
__device__ __forceinline__ void write_held_gradients(
    const Columns<T, W, ACTIVATION> &map, const T *held, const T *weight, int rows,
    const Pack<T, W> &centre, const Pack<T, W> &slope, T *dout) {
    const int stride = block_threads() * W;
    for (int i = threadIdx.y; i < rows; i += blockDim.y, held += 2 * stride) {
        const Pack<T, W> deviation = load<W>(held), da = load<W>(held + stride);
        store(
            row_of(dout, i, map.d), map.input_gradient(weight[i], centre, slope, deviation, da));
    }
}

// All of the backward pass. A block for some columns of a group.
template <typename T, int W, int ACTIVATION>
__global__ void __launch_bounds__(256, ACTIVATION == codes::GELU ? 1 : 2) backward_held(
    const T *z, const T *weight, long long weight_stride, const T *shift, const long long *inner,
    long long groups, const double *rate, const unsigned int *seed, unsigned int step,
    const unsigned int *clock, unsigned int layer, long long start, long long stop,
    const T *statistics, double *parts, unsigned int *counters, T *dscale, T *dshift, long long n,
    long long width, T *dout) {
    SKN_DYNAMIC_SHARED(double, scratch);
    const int tiles = gridDim.x / groups, d = width;
    const long long k = blockIdx.y;
    const Tile<W> tile(tiles, start, stop);
    const Rows rows = group_rows(inner, groups, n, tile.part);
    T *constants = reinterpret_cast<T *>(scratch + sums_size<2 * W, W>());
    T *held = constants + 2 * tile.columns + thread_index() * W;
    statistics += (k * groups + tile.part) * STATISTICS * d;
    parts += k * groups * 2 * d;
    dscale += k * d + tile.single;
    dshift += k * d + tile.single;
    dout += (k * n + rows.first) * d + tile.column;
    const ColumnStatistics<T> column(statistics + tile.single, d);
    const long long from = tile.inside ? tile.column : start;
    const Columns<T, W, ACTIVATION> map(
        statistics + from, shift + k * d + from, {rate[k], seed[k], given(step, clock), layer},
        element_of(rows.first, from, d), d);

    double sums[2 * W] = {};
    if (tile.inside) {
        T *slot = held;
        const int stride = block_threads() * W;
        const auto keep = [&](const Pack<T, W> &deviation, const Pack<T, W> &da) {
            store(slot, deviation);
            store(slot + stride, da);
            slot += 2 * stride;
        };
        z += (k * n + rows.first) * d + tile.column;
        add_gradients(map, z, dout, rows.count, sums, keep);
    }
    const double *results = column_sums<W>(sums, scratch);
    if (tile.owns) {
        const double sum = results[tile.own];
        const Projection<T> projection(column, sum, results[tile.columns + tile.own]);
        constants[tile.own] = projection.centre;
        constants[tile.columns + tile.own] = projection.slope;
        if (groups == 1) {
            *dshift = static_cast<T>(sum);
            *dscale = static_cast<T>(projection.scale);
        } else {
            double *part = row_of(parts, tile.part * 2, d) + tile.single;
            part[0] = sum;
            part[d] = projection.scale;
        }
    }
    __syncthreads();
    if (tile.inside) {
        const Pack<T, W> centre = load<W>(constants + threadIdx.x * W);
        const Pack<T, W> slope = load<W>(constants + tile.columns + threadIdx.x * W);
        weight += k * weight_stride + rows.first;
        write_held_gradients(map, held, weight, rows.count, centre, slope, dout);
    }
    if (groups == 1 || !last_block(counters + k * tiles + tile.index, groups)) return;
    results = add_parts<2, W>(parts + tile.column, groups, tile.inside, d, scratch);
    if (!tile.owns) return;
    *dshift = static_cast<T>(results[tile.own]);
    *dscale = static_cast<T>(results[tile.columns + tile.own]);
}
